import assert from "node:assert/strict";
import { test } from "node:test";

import { load } from "./modules.mjs";

const { Terminal } = await load("terminal.js");

/** The lines that parts of output make, and then the line that is not finished. */
function lines(...parts) {
  const found = [];
  const terminal = new Terminal((line) => found.push(typeof line === "string" ? plain(line) : line));
  for (const part of parts) terminal.write(part);
  return [...found, terminal.current];
}

/** The text of each line. */
function texts(...parts) {
  return lines(...parts).map((runs) => runs.map((run) => run.text).join(""));
}

/** The runs of the first line, without its newline. */
function runs(output) {
  return lines(`${output}\n`)[0]
    .map(({ text, style }) => ({ text: text.replace("\n", ""), style }))
    .filter(({ text }) => text !== "");
}

function plain(text) {
  return [{ text, style: null }];
}

test("Text without sequences comes out as it is, line by line.", () => {
  assert.deepEqual(texts("one\n\ntwo\tthree\r\nfour"), ["one\n", "\n", "two\tthree\n", "four"]);
});

test("Hostile markup is text like any other.", () => {
  assert.deepEqual(texts("<script>alert('&amp;')</script>\n"), ["<script>alert('&amp;')</script>\n", ""]);
});

for (const [codes, style] of [
  ["1", { bold: true }],
  ["2", { dim: true }],
  ["3", { italic: true }],
  ["4", { underline: true }],
  ["4:3", { underline: true }],
  ["21", { underline: true }],
  ["7", { inverse: true }],
  ["8", { hidden: true }],
  ["9", { strike: true }],
  ["30", { fg: 0 }],
  ["37", { fg: 7 }],
  ["90", { fg: 8 }],
  ["97", { fg: 15 }],
  ["40", { bg: 0 }],
  ["107", { bg: 15 }],
  ["1;31;44", { bold: true, fg: 1, bg: 4 }],
  ["38;5;9", { fg: 9 }],
  ["38;5;16", { fg: "#000000" }],
  ["38;5;196", { fg: "#ff0000" }],
  ["38;5;110", { fg: "#87afd7" }],
  ["48;5;232", { bg: "#080808" }],
  ["48;5;255", { bg: "#eeeeee" }],
  ["38;2;1;2;3", { fg: "#010203" }],
  ["38:2:1:2:3", { fg: "#010203" }],
  ["38:2::1:2:3", { fg: "#010203" }],
  ["38;2;1;2;3;1", { fg: "#010203", bold: true }],
  ["58;5;9;1", { bold: true }],
  ["38;5;256", null],
  ["38;2;1;2", null],
  ["38;7;1", null],
  ["38", null],
  ["1;22", null],
  ["2;22", null],
  ["3;23", null],
  ["4;24", null],
  ["4;4:0", null],
  ["7;27", null],
  ["8;28", null],
  ["9;29", null],
  ["31;39", null],
  ["41;49", null],
  ["1;2;3;31;0", null],
  ["1;", null],
  ["1;;3", { italic: true }],
  ["73", null],
]) {
  test(`The codes ${codes} make the style ${JSON.stringify(style)}.`, () => {
    assert.deepEqual(runs(`\x1b[${codes}mx`), [{ text: "x", style }]);
  });
}

test("A style goes on until it is ended, over lines too.", () => {
  assert.deepEqual(lines("\x1b[31mone\ntwo\x1b[m three\n").slice(0, 2), [
    [{ text: "one", style: { fg: 1 } }, { text: "\n", style: null }],
    [{ text: "two", style: { fg: 1 } }, { text: " three\n", style: null }],
  ]);
});

for (const [what, output, shown] of [
  ["a carriage return writes over", "10%\r20%\r100%", "100%"],
  ["what is not written over stays", "downloading\rdone", "doneloading"],
  ["a line's end is erased", "downloading\r\x1b[Kdone", "done"],
  ["a line is erased", "downloading\x1b[2K\rdone", "done"],
  ["a line is erased up to the cursor", "abcdef\x1b[3G\x1b[1K", "   def"],
  ["erasing at the end does nothing", "abc\x1b[K\tdef\x1b[0K", "abc\tdef"],
  ["a backspace goes back", "abc\b\bx", "axc"],
  ["a spinner turns", "|\b/\b-\b\\\bdone", "done"],
  ["the cursor moves", "abc\x1b[2Dx\x1b[1Cy", "axcy"],
  ["the cursor moves to a column", "abc\x1b[5Gx\x1b[1Gy", "ybc x"],
  ["it does not move out of the line", "ab\x1b[9Dx\b\b\b\by", "yb"],
  ["a tab moves it over", "abcdefghi\ra\tx", "abcdefghx"],
  ["a wide character has two columns", "日本\r\x1b[2Cx", "日x "],
  ["half a wide character goes", "日本\ra", "a 本"],
  ["and the other half", "日本\r\x1b[1Ca", " a本"],
  ["an accent stays with its letter", "e\u0301x\r\x1b[1Cy", "e\u0301y"],
  ["an emoji is one", "ok 😀!\r\x1b[5C?", "ok 😀?"],
]) {
  test(`In a line, ${what}.`, () => assert.equal(texts(output)[0], shown));
}

test("Each redrawn part has its own style.", () => {
  assert.deepEqual(runs("\x1b[32m##\x1b[0m--\r\x1b[32m###"), [
    { text: "###", style: { fg: 2 } },
    { text: "-", style: null },
  ]);
});

for (const [what, sequence] of [
  ["a window's title", "\x1b]0;title\x07"],
  ["a title that ends otherwise", "\x1b]2;title\x1b\\"],
  ["a link", "\x1b]8;;http://evil.example\x1b\\"],
  ["a device's control string", "\x1bP1$r0m\x1b\\"],
  ["an application's command", "\x1b_command\x1b\\"],
  ["the cursor's hiding", "\x1b[?25l"],
  ["another screen", "\x1b[?1049h"],
  ["moves to other lines", "\x1b[2A\x1b[1B\x1b[3;4H"],
  ["erased screens", "\x1b[2J\x1b[3J"],
  ["a scrolling region", "\x1b[1;24r"],
  ["a character set", "\x1b(B\x1b)0"],
  ["a reset", "\x1bc"],
  ["a saved cursor", "\x1b7\x1b8"],
  ["a cursor's shape", "\x1b[4 q"],
  ["keys' modes", "\x1b[>4;2m"],
  ["sequences of one character", "\x9b1A\x9dtitle\x9c"],
  ["bells and other controls", "\x00\x07\x0e\x0f\x7f\x85"],
]) {
  test(`Dropped cleanly: ${what}.`, () => assert.deepEqual(lines(`a${sequence}b\n`), [plain("ab\n"), []]));
}

test("A sequence that breaks off takes nothing with it.", () => {
  assert.deepEqual(texts("a\x1b[12\nb"), ["a\n", "b"]);
  assert.deepEqual(texts("a\x1b\nb"), ["a\n", "b"]);
  assert.deepEqual(texts("a\x1b]0;title\nb"), ["a\n", "b"]);
  assert.deepEqual(texts("a\x1b]0;title\x1b[31mb"), ["ab"]);
  assert.deepEqual(texts("a\x1b[12日b"), ["a日b"]);
});

test("A sequence without end is not kept.", () => {
  assert.match(texts("a\x1b[", ..."1".repeat(5000), "mb\n")[0], /^a1+mb\n$/);
  assert.deepEqual(texts("a\x1b]52;", ...Array(5000).fill("base64"), "\x07b\n"), ["ab\n", ""]);
});

test("However output is cut, what it makes is the same.", () => {
  const output =
    "plain\r\n\x1b[1;38;2;1;2;3mbold\x1b[0m \x1b]8;;http://a\x1b\\link\x1b]8;;\x07\n10%\r20%\x1b[K\r\x1b[2K日本\ra\b\n" +
    "\x1bP1;2|abc\x1b\\x\x9b31mred\x1b(B\x1b[m\x1b[?25h\x1b]0;t\x1b[1mb\n\x1b";
  const whole = joined(lines(output));
  assert.deepEqual(joined(lines(...output)), whole);
  for (let cut = 0; cut <= output.length; cut += 1) {
    assert.deepEqual(joined(lines(output.slice(0, cut), output.slice(cut))), whole, `cut at ${cut}`);
  }
});

/** Lines with runs that look the same made one. */
function joined(found) {
  return found.map((runs) => {
    const made = [];
    for (const { text, style } of runs) {
      const key = JSON.stringify(style);
      if (made.at(-1)?.key === key) made.at(-1).text += text;
      else made.push({ key, text });
    }
    return made;
  });
}

test("A line without end is cut, and nothing of it is lost.", () => {
  const output = `${"x".repeat(9_999)}😀${"日".repeat(50_000)}`;
  const found = texts(output, output, "\n");
  assert.equal(found.join(""), `${output}${output}\n`);
  assert.ok(found.length > 10);
  for (const text of found) assert.ok(text.length <= 10_001 && !/^[\udc00-\udfff]/.test(text));
});

test("Accents without end are not kept.", () => {
  assert.ok(texts(`a\be${"\u0301".repeat(1000)}`)[0].length < 100);
});

test("No sequence makes a line long.", () => {
  const [text] = texts(`${"\x1b[9999999C".repeat(100)}x\x1b[99999999Gy\t\tz`);
  assert.ok(text.length < 11_000);
});

test("A finished line does not change any more.", () => {
  const found = [];
  const terminal = new Terminal((line) => found.push(line));
  terminal.write("\x1b[31ma\x1b[mb");
  const before = terminal.current;
  terminal.write("c\n");
  assert.deepEqual(before, [{ text: "a", style: { fg: 1 } }, { text: "b", style: null }]);
  assert.deepEqual(found, [[{ text: "a", style: { fg: 1 } }, { text: "bc\n", style: null }]]);
});
