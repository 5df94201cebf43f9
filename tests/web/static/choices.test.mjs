import assert from "node:assert/strict";
import { test } from "node:test";

import { load } from "./modules.mjs";

const { Choice } = await load("choices.js");

/** A browser's storage. */
function storage(entries = {}) {
  const map = new Map(Object.entries(entries));
  return { map, getItem: (key) => map.get(key) ?? null, setItem: (key, value) => map.set(key, value) };
}

test("A choice lasts, and who watches it is told.", () => {
  globalThis.localStorage = storage();
  const choice = new Choice("wrap", true);
  const seen = [];
  choice.watch((value) => seen.push(value));
  choice.value = false;
  choice.value = false;
  assert.deepEqual(seen, [true, false]);
  assert.equal(new Choice("wrap", true).value, false);
  assert.equal(new Choice("other", "usual").value, "usual");
});

test("What is stored and makes no sense is not believed.", () => {
  globalThis.localStorage = storage({ "logstream.wrap": '"yes"', "logstream.pattern": "{" });
  assert.equal(new Choice("wrap", true).value, true);
  assert.equal(new Choice("pattern", "error").value, "error");
});

test("Where the browser keeps nothing, a choice holds for the page.", () => {
  globalThis.localStorage = {
    getItem: () => assert.fail("nothing is kept"),
    setItem: () => assert.fail("nothing is kept"),
  };
  const choice = new Choice("wrap", true);
  choice.value = false;
  assert.equal(choice.value, false);
});
