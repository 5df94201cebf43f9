import assert from "node:assert/strict";
import { test } from "node:test";

import { load } from "./modules.mjs";

const { linked } = await load("addresses.js");

/** What of a text leads where. */
function links(...texts) {
  const runs = texts.map((text) => (typeof text === "string" ? { text, style: null } : text));
  const cut = linked(runs);
  assert.equal(cut.map(({ text }) => text).join(""), runs.map(({ text }) => text).join(""));
  return cut.filter(({ address }) => address !== null).map(({ text, address }) => [text, address]);
}

for (const [text, written] of [
  ["see https://a.example/b?c=d#e for more", "https://a.example/b?c=d#e"],
  ["HTTP://A.EXAMPLE/X", "HTTP://A.EXAMPLE/X"],
  ["at http://127.0.0.1:8000.", "http://127.0.0.1:8000"],
  ["Local: http://[::1]:5173/", "http://[::1]:5173/"],
  ["(https://a.example/x)", "https://a.example/x"],
  ["https://a.example/Rust_(language)", "https://a.example/Rust_(language)"],
  ["(https://a.example/Rust_(language)),", "https://a.example/Rust_(language)"],
  ["[text](https://a.example/x)!", "https://a.example/x"],
  ['<a href="https://a.example/x">', "https://a.example/x"],
  ["`https://a.example`", "https://a.example"],
  ["**https://a.example**", "https://a.example"],
  ["https://a.example/größe", "https://a.example/größe"],
  ["https://a.example/x。然后", "https://a.example/x"],
  ["https://a.example/\u202etxt.exe", "https://a.example/"],
  ["https://a.example/\u200bx", "https://a.example/"],
  ["https://a.example/x\nhttps", "https://a.example/x"],
]) {
  test(`In ${JSON.stringify(text)} the address is ${written}.`, () => {
    assert.deepEqual(links(text), [[written, new URL(written).href]]);
  });
}

for (const text of [
  ...["javascript:alert(1)", "javascript://%0aalert(1)", "data:text/html,x", "file:///etc/passwd", "ftp://a.example/"],
  ...["https://", "http://:80/", "https://[/", "xhttps://a.example", "http:/a.example", "https:// a.example"],
]) {
  test(`In ${JSON.stringify(text)} there is no address.`, () => assert.deepEqual(links(text), []));
}

test("An address with a change of colours inside is one address.", () => {
  const style = { fg: 1 };
  assert.deepEqual(links("see http", { text: "s://a.ex", style }, "ample/x now"), [
    ["http", "https://a.example/x"],
    ["s://a.ex", "https://a.example/x"],
    ["ample/x", "https://a.example/x"],
  ]);
});

test("A link that a program makes leads where it says, whatever its text is.", () => {
  const link = { text: "https://b.example and more", style: { link: "https://a.example/x" } };
  assert.deepEqual(links("a ", link, " b"), [["https://b.example", "https://a.example/x"], [" and more", "https://a.example/x"]]);
});

test("A link to anything but a web server is none.", () => {
  for (const link of ["javascript:alert(1)", "https://", "https://[", `https://a.example/${"x".repeat(5000)}`, ""]) {
    assert.deepEqual(links({ text: "click", style: { link } }), []);
  }
});

test("Many addresses, and many that are none, take no time to speak of.", () => {
  const text = "https://a.example/ ".repeat(20_000) + "https://".repeat(20_000) + "(".repeat(20_000) + "https://a.example/" + ")".repeat(20_000);
  const begun = performance.now();
  assert.equal(links(text).length, 20_000);
  assert.ok(performance.now() - begun < 5000);
});
