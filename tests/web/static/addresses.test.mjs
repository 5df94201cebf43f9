import assert from "node:assert/strict";
import { test } from "node:test";

import { load } from "./modules.mjs";

const { linked } = await load("addresses.js");
const { Terminal } = await load("terminal.js");

/** The links in what a terminal shows: text and address of each. */
function links(output, size = {}) {
  const terminal = new Terminal({ ...size, convertEol: true });
  terminal.write(output);
  const { history } = terminal;
  const texts = [history.runs(history.first, history.end), ...terminal.look().map((line) => line.runs())];
  return texts.flatMap((runs) => ofRuns(runs));
}

function ofRuns(runs, goesOn = false) {
  const cut = linked(runs, goesOn);
  assert.equal(textOf(cut), textOf(runs));
  const found = [];
  let before = null;
  for (const { text, address } of cut) {
    if (address !== null && address === before) found.at(-1)[0] += text;
    else if (address !== null) found.push([text, address]);
    before = address;
  }
  return found;
}

function textOf(runs) {
  return runs.map((run) => run.text).join("");
}

const said = (address, text) => `\x1b]8;;${address}\x1b\\${text}\x1b]8;;\x1b\\`;

for (const [text, address] of [
  ["see https://a.example/b?c=d&e=f#g now", "https://a.example/b?c=d&e=f#g"],
  ["HTTP://A.example/x", "HTTP://A.example/x"],
  ["https://a.example/x.", "https://a.example/x"],
  ["https://a.example/x, and", "https://a.example/x"],
  ["https://a.example/x?!...", "https://a.example/x"],
  ["(https://a.example/x)", "https://a.example/x"],
  ["(see https://a.example/x_(y)).", "https://a.example/x_(y)"],
  ["[text](https://a.example/x)more", "https://a.example/x"],
  ["[https://a.example/x]", "https://a.example/x"],
  ["<https://a.example/x>", "https://a.example/x"],
  ["{https://a.example/x}", "https://a.example/x"],
  ["'https://a.example/x'", "https://a.example/x"],
  ['"https://a.example/x"onclick="alert(1)"', "https://a.example/x"],
  ["`https://a.example/x`", "https://a.example/x"],
  ["**https://a.example/x**", "https://a.example/x"],
  ["http://[::1]:8000/x", "http://[::1]:8000/x"],
  ["│https://a.example/x│", "https://a.example/x"],
  ["https://a.example/größe。次", "https://a.example/größe"],
  ["javascript:alert(1)//https://a.example/x", "https://a.example/x"],
  ["https://a.example/\u202egpj.exe", "https://a.example/"],
  ["https://a.example/x\u200b.b", "https://a.example/x"],
]) {
  test(`In ${JSON.stringify(text)}, ${address} is a link.`, () => {
    assert.deepEqual(ofRuns([{ text, style: null }]).map(([found]) => found), [address]);
  });
}

for (const text of [
  "javascript:alert(1)",
  "data:text/html,x",
  "file:///etc/passwd",
  "ftp://a.example/",
  "vbscript://a",
  "https://",
  "https:// a.example",
  "http://.",
  "http://:80",
  "https://[::1",
  "xhttps://a.example/",
  "https:a.example",
  "https://a.example/cut…",
  "https://\u202ea.example/",
]) {
  test(`There is no link in ${JSON.stringify(text)}.`, () => assert.deepEqual(ofRuns([{ text, style: null }]), []));
}

for (const address of [
  "javascript:alert(1)",
  "JaVaScRiPt:alert(1)",
  " javascript:alert(1)",
  "java\tscript:alert(1)",
  "javascript://https://a.example/%0aalert(1)",
  "data:text/html,<script>alert(1)</script>",
  "vbscript:x",
  "file:///etc/passwd",
  "blob:https://a.example/x",
  "view-source:https://a.example/",
  "//a.example/",
  "https://",
  "https://[",
  "https://\u202ea.example/ \u202e",
  `https://a.example/${"x".repeat(5000)}`,
]) {
  test(`A program cannot say that text leads to ${JSON.stringify(address.slice(0, 50))}.`, () => {
    assert.deepEqual(links(said(address, "text")), []);
  });
}

test("A program says where text leads, with whatever text it is.", () => {
  assert.deepEqual(links(`a ${said("https://a.example/x", "text")} b`), [["text", "https://a.example/x"]]);
  assert.deepEqual(links(said("https://a.example/", "https://b.example/x")), [["https://b.example/x", "https://a.example/"]]);
  assert.deepEqual(links(said("https://a.example/x", "\x1b[31mred\x1b[0m and \x1b[1mbold\x1b[0m")), [
    ["red and bold", "https://a.example/x"],
  ]);
});

test("What stands in an address as markup has it is written otherwise in the link.", () => {
  const [[, href]] = links(said("https://a.example/\"'><b>\u202ex", "text"));
  assert.match(href, /^https:\/\/a\.example\/[!-~]*$/);
  assert.doesNotMatch(href, /["<>]/);
});

test("A link with a long name is one; where both are too long, it leads nowhere.", () => {
  const named = (length) => `\x1b]8;id=${"i".repeat(length)};https://a.example/x\x1b\\text\x1b]8;;\x1b\\ more`;
  assert.deepEqual(links(named(1000)), [["text", "https://a.example/x"]]);
  assert.deepEqual(links(named(100_000)), []);
  assert.deepEqual(links(`\x1b]8;;https://a.example/\x1b\\one${named(100_000)}`), [["one", "https://a.example/"]]);
});

test("A link that is not closed goes on until another one, or until the terminal is reset.", () => {
  const open = "\x1b]8;;https://a.example/\x07";
  assert.deepEqual(links(`${open}one\ntwo`), [["one", "https://a.example/"], ["two", "https://a.example/"]]);
  assert.deepEqual(links(`${open}one${said("https://b.example/", "two")} three`), [
    ["one", "https://a.example/"],
    ["two", "https://b.example/"],
  ]);
  assert.deepEqual(links(`${open}one\x1bctwo`), []);
  assert.deepEqual(links("text\x1b]8;;https://a.exa"), []);
});

test("An address is a link whatever it looks like, and one that wraps over rows is one.", () => {
  const address = `https://a.example/${"path/".repeat(30)}end`;
  assert.deepEqual(links(`see ${address} now`, { columns: 40, rows: 24 }), [[address, address]]);
  assert.deepEqual(links(`see ${address} now`, { columns: 40, rows: 3 }), [[address, address]]);
  assert.deepEqual(links(`see ${address} now\n\n\n\n\n`, { columns: 40, rows: 3 }), [[address, address]]);
  assert.deepEqual(links(`see ${said("https://b.example/", "long ".repeat(30))}`, { columns: 40 }), [
    ["long ".repeat(30), "https://b.example/"],
  ]);
  assert.deepEqual(links("https://\x1b[1ma.example\x1b[0m/x \x1b[32mhttp://b.example\x1b[0m"), [
    ["https://a.example/x", "https://a.example/x"],
    ["http://b.example", "http://b.example/"],
  ]);
});

test("An address whose end is not there yet is no link.", () => {
  const runs = [{ text: "https://a.example/x", style: null }];
  assert.deepEqual(ofRuns(runs, true), []);
  assert.deepEqual(ofRuns([{ text: "https://a.example/x ", style: null }], true).length, 1);
});

test("Hidden text leads nowhere.", () => {
  assert.deepEqual(links(said("https://a.example/", "\x1b[8mtext\x1b[0m")), []);
  assert.deepEqual(links("\x1b[8mhttps://a.example/\x1b[0m"), []);
});

test("Many addresses, and what nearly is one, take no long time.", () => {
  const begun = performance.now();
  assert.equal(ofRuns([{ text: "https://a.example/x\n".repeat(5000), style: null }]).length, 5000);
  assert.equal(ofRuns([{ text: `https://${"(".repeat(50_000)}`, style: null }]).length, 0);
  for (const part of [")", ").", "(", "."]) {
    const text = `https://a.example/${part.repeat(2000)}x\n`.repeat(16);
    assert.equal(ofRuns([{ text, style: null }]).length, 16);
  }
  assert.equal(ofRuns([{ text: `https://a.example/${".".repeat(50_000)}x`, style: null }]).length, 0);
  assert.equal(ofRuns([{ text: "https://".repeat(10_000), style: null }]).length, 0);
  assert.ok(performance.now() - begun < 2000);
});
