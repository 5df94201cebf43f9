import assert from "node:assert/strict";
import { test } from "node:test";

import { load } from "./modules.mjs";

const { Matcher } = await load("matcher.js");

const hit = (text, ranges, rest = {}) => ({ text, ranges, skipped: 0, cut: false, ...rest });

test("A word is looked for as it is, in upper or lower case unless that differs.", () => {
  for (const [q, cases, line, ranges] of [
    ["a", false, "A bA", [[0, 1], [3, 4]]],
    ["a", true, "A ba", [[3, 4]]],
    ["aa", false, "aaaa", [[0, 2], [2, 4]]],
    ["größer", false, "GRÖSSER GRÖßER", [[8, 14]]],
    ["😀", false, "x😀", [[1, 3]]],
    [".*+?^${}()|[]\\/-#", false, "x.*+?^${}()|[]\\/-#", [[1, 18]]],
    ["\ud83d", false, "😀", []],
  ]) {
    assert.deepEqual(new Matcher({ q, regex: false, case: cases }).ranges(line), ranges, q);
  }
  assert.equal(new Matcher({ q: "a", regex: false, case: false }).ranges("a".repeat(1000)).length, 100);
});

test("An expression matches what the server says, as long as that is kept, and a pattern that takes for ever is not tried.", () => {
  const matcher = new Matcher({ q: "(a+)+$", regex: true, case: false });
  assert.deepEqual([matcher.isTold, matcher.ranges("a".repeat(50) + "b")], [true, []]);
  assert.equal(matcher.note(hit("xaa", [[1, 3]])), true);
  assert.equal(matcher.note(hit("xaa", [[1, 3]])), false);
  assert.equal(matcher.note(hit("part", [[0, 1]], { cut: true })), false);
  assert.deepEqual([matcher.ranges("xaa"), matcher.ranges("part")], [[[1, 3]], []]);
  for (let number = 0; number < 3000; number += 1) matcher.note(hit(`${number}`.padEnd(1000, "a"), [[1, 2]]));
  assert.deepEqual(matcher.ranges("xaa"), []);
  assert.deepEqual(matcher.ranges("2999".padEnd(1000, "a")), [[1, 2]]);
});
