import assert from "node:assert/strict";
import { test } from "node:test";

import { load } from "./modules.mjs";

const { age, bytes } = await load("format.js");

for (const [size, shown] of [
  [0, "0 B"],
  [999, "999 B"],
  [1000, "1.00 kB"],
  [12_345, "12.3 kB"],
  [999_400, "999 kB"],
  [999_600, "1.00 MB"],
  [600_000_000, "600 MB"],
  [1.5e12, "1.50 TB"],
]) {
  test(`${size} bytes are ${shown}.`, () => assert.equal(bytes(size), shown));
}

for (const [seconds, shown] of [
  [-5, "now"],
  [0.9, "now"],
  [1, "1 second ago"],
  [59.9, "59 seconds ago"],
  [60, "1 minute ago"],
  [3 * 3600, "3 hours ago"],
  [25 * 3600, "yesterday"],
  [400 * 86400, "400 days ago"],
]) {
  test(`${seconds} seconds ago is ${shown}.`, () => assert.equal(age(1e9, 1e9 + seconds), shown));
}
