import assert from "node:assert/strict";
import { test } from "node:test";

import { load } from "./modules.mjs";

const { lineRuns, plainLine } = await load("line-runs.js");
const { nearest } = await load("line-offsets.js");

for (const [line, runs] of [
  ["", []],
  ["\r", []],
  ["plain\r\r", [["plain", null]]],
  ["\x1b[31mred\x1b[0m \x1b[1;4mboth\x1b[m\r", [["red", { fg: 1 }], [" ", null], ["both", { bold: true, underline: true }]]],
  ["a\x1b[2Kb\x1b]0;title\x07c\x1b(Bd\x1b]8;;http://a.example\x1b\\e\x1b]8;;\x1b\\", [["abcde", null]]],
  ["\x1b[?31mx\x1b[31 my\x1b[>4mz", [["xyz", null]]],
  ["\x1b[31mx\r\x1b[0m\r", [["x", { fg: 1 }]]],
  ["unfinished\x1b[3", [["unfinished", null]]],
  ["10%\r20%\ttab", [["10%\r20%\ttab", null]]],
]) {
  test(`${JSON.stringify(line)} is shown as ${JSON.stringify(runs)}.`, () => {
    const found = lineRuns(line).map(({ text, style }) => [text, style]);
    assert.deepEqual(found, runs);
    assert.equal(found.map(([text]) => text).join(""), plainLine(line));
  });
}

test("Of lines that show a text the nearest to where it should be is taken.", () => {
  const lines = ["same", "\x1b[1mwanted\x1b[0m  \r", "same", "other", "same\r"];
  assert.equal(nearest(lines, 3, "wanted"), 1);
  assert.equal(nearest(lines, 3, "same"), 2);
  assert.equal(nearest(lines, 4, "same"), 4);
  assert.equal(nearest(lines, 2, "nowhere"), 2);
  assert.equal(nearest(lines, 99, "nowhere"), 4);
});
