// The terminal beside the reference: each thing that output can ask for, whole and cut anywhere.

import assert from "node:assert/strict";
import { test } from "node:test";

import { compare } from "./reference.mjs";

const SIZE = { columns: 12, rows: 5 };
const FILLED = "one\r\ntwo 日本\r\n\x1b[31mthree\x1b[m and more that wraps\r\nfour";

for (const [what, output] of [
  ["cursor up, down, right and left", "\x1b[2Aa\x1b[Bb\x1b[3Cc\x1b[9Dd\x1b[99A\x1b[99Ce"],
  ["cursor to another line's beginning", "\x1b[2Fa\x1b[Eb"],
  ["cursor to a column, a row, a place", "\x1b[4Ga\x1b[2db\x1b[3;5Hc\x1b[4;2fd\x1b[7`e\x1b[Hf\x1b[;3Hg"],
  ["relative moves", "\x1b[3ae\x1b[H\x1b[2ef"],
  ["saving and restoring the cursor", "\x1b[2;3H\x1b[1;32m\x1b7\x1b[m\x1b[Hx\x1b8y\x1b[s\x1b[5;5H\x1b[uz"],
  ["erasing in a line", "\x1b[2;4H\x1b[Ka\x1b[3;4H\x1b[1Kb\x1b[4;2H\x1b[44m\x1b[2Kc"],
  ["erasing half of a wide character", "\x1b[2;6H\x1b[K\x1b[2;6Hx\x1b[2;5H日\x1b[2;6H\x1b[1K"],
  ["erasing in the display", "\x1b[3;4H\x1b[Ja\x1b[2;2H\x1b[1Jb\x1b[42m\x1b[2Jc\x1b[3J"],
  ["inserting and deleting characters", "\x1b[3;2H\x1b[2@ab\x1b[3Pc\x1b[2;6H\x1b[@\x1b[P\x1b[44m\x1b[9P\x1b[2Xd"],
  ["inserting and deleting lines", "\x1b[2;2H\x1b[La\x1b[43m\x1b[2Mb\x1b[9L"],
  ["erasing characters", "\x1b[3;3H\x1b[3X\x1b[45m\x1b[99X"],
  ["repeating", "a\x1b[3b日\x1b[2b\x1b[5b"],
  ["scrolling", "\x1b[S\x1b[2T\x1b[41m\x1b[S"],
  ["margins", "\x1b[2;4r\x1b[4;1Ha\nb\nc\x1b[2;1H\x1bMd\x1bDe\x1b[r\n"],
  ["origin mode", "\x1b[2;4r\x1b[?6h\x1b[Ha\x1b[9;9Hb\x1b[?6lc"],
  ["tabs and their stops", "\r\tа\x1b[3g\x1b[1;4H\x1bH\x1b[2;1H\tb\x1b[Zc\x1b[9Id\x1b[1;4H\x1b[g\r\te"],
  ["the alternate screen", "\x1b[?1049h\x1b[Halternate\x1b[9;1H\n\n\x1b[?1049lback\x1b[?47hx\x1b[?47ly\x1b[?1047hz\x1b[?1047l"],
  ["what is under the alternate screen", "\x1b[?1049h\x1b[2Jalternate\r\n\n\n\n\n"],
  ["no wrapping", "\x1b[?7labcdefghijklmnopqrst\x1b[?7huv"],
  ["inserting mode", "\x1b[3;2H\x1b[4hnew\x1b[4lold"],
  ["line feed mode", "\x1b[20ha\nb\x1b[20lc\nd"],
  ["line drawing", "\x1b(0lqwqk\x1b(B lqk\x1b)0\x0elqk\x0flqk"],
  ["a soft reset", "\x1b[2;3r\x1b[4h\x1b[31m\x1b[!px\ry"],
  ["a full reset", "\x1b[2;3r\x1b[31m\x1b(0\x1bcqx"],
  ["synchronized output", "\x1b[?2026h\x1b[Habc\x1b[?2026l"],
  ["an alignment pattern", "\x1b#8x"],
  ["pending wraps", "\x1b[H123456789012\rx\x1b[2;1H123456789012\b!\x1b[3;1H123456789012\x1b[Ky\x1b[4;1H123456789012\x1b[Az"],
  ["wide characters at the end of a row", "\x1b[H1234567890日本12345678901日本"],
  ["emoji, flags, accents and jamo", "\x1b[H👩‍🚀👍🏽🇩🇪🇫🇷e\u0301❤\ufe0f\u1112\u1161\u11abคำका🇩🇪🇩"],
  ["colours and attributes", "\x1b[1;3;4;31;42ma\x1b[22;23;24mb\x1b[38;5;200;48;2;1;2;3mc\x1b[38:5:9md\x1b[38:2::1:2:3me\x1b[39;49mf\x1b[7;8;9mg\x1b[0;53;5mh\x1b[58;5;3;2mi"],
  ["strings of all kinds", "a\x1b]0;ti\ntle\x07b\x1b]2;t\x1b\\c\x1bPq#0;2~\r\n-\x1b\\d\x1b_x\ny\x1b\\e\x1b^z\x1b\\f\x1bXs\x1b\\g\x1bP1$r0m\x18h"],
  ["controls within sequences", "ab\x1b[\r2Cx\x1b[1\x0bAy\x1b[2\bDz\x1b\x0b7\x1b[3\x7f1mq\x1b[3\x18C"],
  ["private sequences", "a\x1b[?25l\x1b[>4;2m\x1b[=1;1u\x1b[<u\x1b[?1000;1006hb\x1b[4 q\x1b[c\x1b[6n\x1b[22;0;0tc"],
  ["backspace to the row above", "\x1b[?45h\x1b[H123456789012345\b\b\b\b\b\bx\x1b[?45l\b"],
]) {
  test(`As the reference: ${what}.`, async () => {
    const text = FILLED + output;
    const cuts = Array.from({ length: output.length - 1 }, (_, at) => FILLED.length + 1 + at);
    const ways = [[text], ...cuts.map((cut) => [text.slice(0, cut), text.slice(cut)]), [...text]];
    assert.deepEqual(await compare(ways, SIZE), []);
  });
}
