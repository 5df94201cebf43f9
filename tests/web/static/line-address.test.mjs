import assert from "node:assert/strict";
import { test } from "node:test";

import { load } from "./modules.mjs";

const { hashOf, marksOf } = await load("line-address.js");

for (const [hash, marks] of [
  ["#at=0", [0, 0]],
  ["#at=123", [123, 123]],
  ["#at=5-900719925474099", [5, 900719925474099]],
  ["#at=9-5", [5, 9]],
  ["", null],
  ["#at=", null],
  ["#at=-5", null],
  ["#at=5-", null],
  ["#at=1e3", null],
  ["#at=9999999999999999", null],
  ["#other", null],
]) {
  test(`The address's ${JSON.stringify(hash)} names ${JSON.stringify(marks)}.`, () => {
    assert.deepEqual(marksOf(hash), marks);
    if (marks !== null) assert.deepEqual(marksOf(hashOf(marks)), marks);
  });
}
