import assert from "node:assert/strict";
import { test } from "node:test";

import { load } from "./modules.mjs";

const { Terminal } = await load("terminal.js");

function terminal(output, { columns = 80, rows = 24, convertEol = true } = {}) {
  const made = new Terminal({ columns, rows, convertEol });
  for (const part of Array.isArray(output) ? output : [output]) made.write(part);
  return made;
}

/** The lines that output makes, as text. */
function texts(output, options) {
  return terminal(output, options).lines();
}

/** All lines as runs, those of the history and those on the screen. */
function allRuns(made) {
  const screen = made.look().map((line) => line.runs());
  return [...made.history.runs(made.history.first, made.history.end), ...screen.flat()];
}

/** The runs of the first line. */
function runs(output) {
  return terminal(output).look()[0].runs();
}

test("Text without sequences comes out as it is, line by line.", () => {
  assert.deepEqual(texts("one\n\ntwo three\r\nfour"), ["one", "", "two three", "four"]);
});

test("Hostile markup is text like any other.", () => {
  assert.deepEqual(texts("<script>alert('&amp;')</script>\n"), ["<script>alert('&amp;')</script>"]);
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
  const lines = terminal("\x1b[31mone\ntwo\x1b[m three").look().map((line) => line.runs());
  assert.deepEqual(lines, [
    [{ text: "one", style: { fg: 1 } }],
    [
      { text: "two", style: { fg: 1 } },
      { text: " three", style: null },
    ],
  ]);
});

for (const [what, output, shown] of [
  ["a carriage return writes over", "10%\r20%\r100%", "100%"],
  ["what is not written over stays", "downloading\rdone", "doneloading"],
  ["a line's end is erased", "downloading\r\x1b[Kdone", "done"],
  ["a line is erased", "downloading\x1b[2K\rdone", "done"],
  ["a line is erased up to the cursor", "abcdef\x1b[3G\x1b[1K", "   def"],
  ["erasing at the end does nothing", "abc\x1b[K\tdef\x1b[0K", "abc     def"],
  ["a backspace goes back", "abc\b\bx", "axc"],
  ["a spinner turns", "|\b/\b-\b\\\bdone", "done"],
  ["the cursor moves", "abc\x1b[2Dx\x1b[1Cy", "axcy"],
  ["the cursor moves to a column", "abc\x1b[5Gx\x1b[1Gy", "ybc x"],
  ["it does not move out of the line", "ab\x1b[9Dx\b\b\b\by", "yb"],
  ["a tab moves it over", "abcdefghi\ra\tx", "abcdefghx"],
  ["a wide character has two columns", "日本\r\x1b[2Cx", "日x"],
  ["half a wide character goes", "日本\ra", "a 本"],
  ["and the other half", "日本\r\x1b[1Ca", " a本"],
  ["an accent stays with its letter", "e\u0301x\r\x1b[1Cy", "e\u0301y"],
  ["an accent after a sequence does too", "e\x1b[1m\u0301x", "e\u0301x"],
  ["an emoji is one, of two columns", "ok 😀!\r\x1b[5C?", "ok 😀?"],
  ["a family is one", "👨‍👩‍👧\r\x1b[2Cx", "👨‍👩‍👧x"],
  ["a flag is one", "🇩🇪🇫🇷\r\x1b[2Cx", "🇩🇪x"],
  ["a heart is wide as an emoji", "❤\ufe0f\r\x1b[2Cx", "❤\ufe0fx"],
  ["a Hangul syllable of jamo is one", "\u1112\u1161\u11ab\r\x1b[2Cx", "\u1112\u1161\u11abx"],
  ["what is invisible takes no column", "a\u200bb\r\x1b[1Cx", "a\u200bx"],
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
  ["a title with a line feed in it", "\x1b]2;ti\r\ntle\x1b\\"],
  ["a title as tmux has it", "\x1bktitle\x1b\\"],
  ["a link that leads nowhere", "\x1b]8;;javascript:alert(1)\x1b\\"],
  ["a device's control string", "\x1bP1$r0m\x1b\\"],
  ["a picture with line feeds in it", "\x1bPq#0;2;0;0;0#0~~@@vv\n@@~~$\n-\x1b\\"],
  ["an application's command", "\x1b_com\nmand\x1b\\"],
  ["the cursor's hiding", "\x1b[?25l"],
  ["a character set", "\x1b(B\x1b)0"],
  ["a cursor's shape", "\x1b[4 q"],
  ["keys' modes", "\x1b[>4;2m"],
  ["a saved cursor", "\x1b7\x1b8"],
  ["bells and other controls", "\x00\x07\x0e\x0f\x7f"],
  ["badly decoded characters", "\x80\x85\x90\x9b\x9d\x9c"],
]) {
  test(`Dropped cleanly: ${what}.`, () => assert.deepEqual(allRuns(terminal(`a${sequence}b`)), [{ text: "ab", style: null }]));
}

test("A character of badly decoded text begins nothing.", () => {
  assert.deepEqual(texts("a\x9b1A\x9dtitle\x9c b"), ["a1Atitle b"]);
});

test("A sequence that breaks off takes nothing with it.", () => {
  assert.deepEqual(texts("a\x1b[12\nb"), ["a", "b"]);
  assert.deepEqual(texts("a\x1b\nb"), ["a", "b"]);
  assert.deepEqual(texts("a\x1b]title\nb"), ["a", "b"]);
  assert.deepEqual(texts("a\x1b]0;title\x1b[31mb"), ["ab"]);
  assert.deepEqual(texts("a\x1b[12日b"), ["a日b"]);
  assert.deepEqual(texts('a\x1b[31;"<b'), ["a<b"]);
});

test("A sequence without end is not kept.", () => {
  assert.match(texts(["a\x1b[", ..."1".repeat(5000), "mb"]).join(""), /^a1+mb$/);
  assert.deepEqual(texts(`a\x1b[${"1".repeat(5000)}mb`), texts(["a\x1b[", ..."1".repeat(5000), "mb"]));
  assert.deepEqual(texts(["a\x1b]52;", ...Array(5000).fill("base64"), "\x07b\n"]), ["ab"]);
});

test("However output is cut, what it makes is the same.", () => {
  const output =
    "plain\r\n\x1b[1;38;2;1;2;3mbold\x1b[0m \x1b]8;;http://a\x1b\\link\x1b]8;;\x07\n10%\r20%\x1b[K\r\x1b[2K日本\ra\b\n" +
    "\x1bP1;2|a\nbc\x1b\\x\x9b31mred\x1b(0qq\x1b(B\x1b[m\x1b[?25h\x1b]0;t\x1b[1mb\n😀👩‍🚀🇩🇪e\u0301\x1b[2\r;3Hx\x1bktitle\x1b\\\x1b";
  const whole = allRuns(terminal(output));
  assert.deepEqual(allRuns(terminal([...output])), whole);
  for (let cut = 0; cut <= output.length; cut += 1) {
    assert.deepEqual(allRuns(terminal([output.slice(0, cut), output.slice(cut)])), whole, `cut at ${cut}`);
  }
});

test("A line is one however it wraps, on the screen, off it and in between.", () => {
  const line = "0123456789".repeat(20);
  for (const rows of [1, 5, 12, 30]) {
    assert.deepEqual(texts(`${line}\n${line}\nend`, { columns: 17, rows }), [line, line, "end"]);
  }
});

test("Where a wide character has no place at a row's end, no blank comes into its line.", () => {
  assert.deepEqual(texts("日本日本日本", { columns: 5, rows: 2 }), ["日本日本日本"]);
  assert.deepEqual(texts("abc 日本", { columns: 4, rows: 5 }), ["abc 日本"]);
});

test("A line without end is kept in pieces, and nothing of it is lost.", () => {
  const output = `${"x".repeat(9_999)}😀${"日".repeat(50_000)}`;
  const made = terminal([output, output]);
  assert.equal(made.lines().join(""), output + output);
  assert.ok(made.history.end > 10);
  for (let line = 0; line < made.history.end; line += 1) {
    const [{ text }] = made.history.runs(line, line + 1);
    assert.ok(text.length < 10_100 && !/^[\udc00-\udfff]|\n/.test(text));
  }
});

test("Accents without end are not kept.", () => {
  assert.ok(texts(`a\be${"\u0301".repeat(1000)}`)[0].length < 100);
});

test("No sequence makes a terminal large.", () => {
  const output = `${"\x1b[9999999C".repeat(100)}x\x1b[99999999Gy\t\tz\x1b[999999999b\x1b[999999999@\x1b[999999999L\x1b[99999999S`;
  const made = terminal(output);
  assert.ok(allRuns(made).reduce((sum, { text }) => sum + text.length, 0) < 10_000);
});

test("In a terminal's output a line feed only moves down, and tabs are blanks.", () => {
  assert.deepEqual(texts("ab\ncd\tx\r\ny", { convertEol: false }), ["ab", "  cd    x", "y"]);
  assert.deepEqual(terminal("a\tb", { convertEol: false }).look()[0].runs(), [{ text: "a       b", style: null }]);
});

test("In other output tabs stay tabs, to be copied, until the line is written over.", () => {
  assert.deepEqual(runs("a\tb"), [{ text: "a\tb", style: null }]);
  assert.deepEqual(runs("a\tb\rc"), [{ text: "c       b", style: null }]);
  assert.deepEqual(texts("a\tb"), ["a       b"]);
});

test("What a program redraws adds nothing to the history.", () => {
  const frame = (number) => `one ${number}\r\ntwo ${number}\r\n`;
  const output = frame(0) + Array.from({ length: 1000 }, (_, number) => `\x1b[2A\x1b[J${frame(number)}`).join("");
  const made = terminal(output, { convertEol: false });
  assert.deepEqual(made.lines(), ["one 999", "two 999"]);
  assert.equal(made.history.end, 0);
});

test("On the alternate screen, the lines are those that lie under it.", () => {
  const made = terminal("one\r\n\x1b[?1049h\x1b[2J\x1b[Hfull screen", { convertEol: false });
  assert.deepEqual(made.lines(), ["one"]);
  assert.equal(made.look()[0].runs()[0].text, "full screen");
  made.write("\x1b[?1049ltwo");
  assert.deepEqual(made.lines(), ["one", "two"]);
});

test("A look tells which lines have changed since the last one.", () => {
  const made = terminal("one\ntwo\nthree");
  const changed = () => made.look().filter((line) => line.changed).map((line) => line.runs()[0].text);
  assert.deepEqual(changed(), ["one", "two", "three"]);
  assert.deepEqual(changed(), []);
  made.write("\x1b[2;4H!");
  assert.deepEqual(changed(), ["two!"]);
  const before = made.look().map((line) => line.key);
  made.write("\x1b[24;1H\n");
  assert.deepEqual(made.look().map((line) => line.key).slice(0, 2), before.slice(1, 3));
  assert.equal(made.history.end, 1);
});

test("What is drawn synchronously is whole when it is told.", () => {
  const made = terminal("");
  const seen = [];
  made.onDrawn = () => seen.push(made.lines());
  made.write("\x1b[?2026hhalf");
  assert.ok(made.drawing);
  made.write(" and half\x1b[?2026l");
  assert.ok(!made.drawing);
  assert.deepEqual(seen, [["half and half"]]);
});

test("The history keeps as many lines as it may, and clearing it keeps their numbers.", () => {
  const made = new Terminal({ convertEol: true });
  made.history.limit(1000, Infinity);
  made.write(Array.from({ length: 5000 }, (_, number) => `\x1b[1m${number}\x1b[m\n`).join(""));
  const { first, end } = made.history;
  assert.ok(end - first >= 1000 && end - first < 1200);
  assert.equal(made.history.runs(first, first + 1)[0].text, `${first}`);
  made.write("\x1b[3J");
  assert.deepEqual([made.history.first, made.history.end], [end, end]);
});

test("Another size loses nothing.", () => {
  const made = terminal("one\ntwo\nthree is longer\n");
  made.resize(5, 2);
  assert.deepEqual(made.lines(), ["one", "two", "three is longer"]);
  made.resize(100, 30);
  made.write("four");
  assert.deepEqual(made.lines(), ["one", "two", "three is longer", "four"]);
});

test("A link is in the style of its text, where it leads to the web.", () => {
  assert.deepEqual(runs("\x1b]8;id=1;https://a.example/\x1b\\link\x1b[m s\x1b]8;;\x1b\\."), [
    { text: "link s", style: { link: "https://a.example/" } },
    { text: ".", style: null },
  ]);
});
