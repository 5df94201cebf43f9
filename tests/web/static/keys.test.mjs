import assert from "node:assert/strict";
import { test } from "node:test";

import { load } from "./modules.mjs";

const { Keys } = await load("keys.js");

/** Keys, and a function that presses one and says what was done, and whether the browser does its own too. */
function keyboard() {
  const target = new EventTarget();
  const done = [];
  const press = (key, { on = null, ...fields } = {}) => {
    done.length = 0;
    const held = { ctrlKey: false, metaKey: false, altKey: false, shiftKey: false };
    const event = Object.assign(new Event("keydown", { cancelable: true }), { key, ...held, ...fields });
    if (on !== null) Object.defineProperty(event, "target", { value: on });
    target.dispatchEvent(event);
    return [done.join(" "), event.defaultPrevented];
  };
  return { keys: new Keys(target), press, does: (name, answer) => () => (done.push(name), answer) };
}

test("A key does what it was added for, and the last one that was added for it counts.", () => {
  const { keys, press, does } = keyboard();
  keys.add({ key: "w", label: "wrap", action: does("wrap") });
  const remove = keys.add({ key: "w", label: "other", action: does("other") });
  keys.add({ key: "e", label: "next", action: does("next") });
  keys.add({ key: "E", label: "previous", action: does("previous") });
  assert.deepEqual(press("w"), ["other", true]);
  remove();
  assert.deepEqual(press("w"), ["wrap", true]);
  assert.deepEqual(press("E", { shiftKey: true }), ["previous", true]);
  assert.deepEqual(press("x"), ["", false]);
  assert.deepEqual(keys.bindings.map(({ label }) => label), ["wrap", "next", "previous"]);
});

test("Other keys held down make it another key.", () => {
  const { keys, press, does } = keyboard();
  keys.add({ key: "f", label: "filter", action: does("filter") });
  keys.add({ key: "f", ctrl: true, label: "find", action: does("find") });
  keys.add({ key: "End", label: "end", action: does("end") });
  assert.deepEqual(press("f"), ["filter", true]);
  assert.deepEqual(press("f", { ctrlKey: true }), ["find", true]);
  assert.deepEqual(press("f", { metaKey: true }), ["find", true]);
  assert.deepEqual(press("f", { altKey: true }), ["", false]);
  assert.deepEqual(press("End", { shiftKey: true }), ["", false], "it selects");
  assert.deepEqual(press("End", { isComposing: true }), ["", false]);
});

test("What is typed does nothing, but what is always heard.", () => {
  const { keys, press, does } = keyboard();
  keys.add({ key: "w", label: "wrap", action: does("wrap") });
  keys.add({ key: "Escape", always: true, label: "close", action: does("close") });
  for (const on of [{ localName: "input", type: "text" }, { localName: "textarea" }, { localName: "select" }, { isContentEditable: true }]) {
    assert.deepEqual(press("w", { on }), ["", false]);
    assert.deepEqual(press("Escape", { on }), ["close", true]);
  }
  assert.deepEqual(press("w", { on: { localName: "input", type: "checkbox" } }), ["wrap", true]);
});

test("An action that says so leaves the browser what it does.", () => {
  const { keys, press, does } = keyboard();
  keys.add({ key: "Home", label: "beginning", action: does("home", false) });
  assert.deepEqual(press("Home"), ["home", false]);
});
