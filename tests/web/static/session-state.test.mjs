import assert from "node:assert/strict";
import { test } from "node:test";

import { load } from "./modules.mjs";

const { SessionState } = await load("session-state.js");

const SHOWN = {
  refusal: null,
  hasBegun: true,
  isAbsent: false,
  isSeen: true,
  isComplete: false,
  isRunning: false,
  changed: null,
};

/** A state whose clock and timers are the test's. */
function made(context) {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  let now = 1_000_000;
  context.mock.method(performance, "now", () => now);
  let aged = 0;
  const state = new SessionState(() => (aged += 1));
  const pass = (milliseconds) => {
    now += milliseconds;
    context.mock.timers.tick(milliseconds);
  };
  return { look: (facts) => state.look({ ...SHOWN, ...facts })[0], state, pass, aged: () => aged, now: () => now };
}

test("A log that has changed is live for a minute, and then quiet, which is told.", (context) => {
  const { look, pass, aged, now } = made(context);
  const changed = now();
  assert.equal(look({ changed }), "live");
  pass(59_000);
  assert.equal(aged(), 0);
  pass(1001);
  assert.equal(aged(), 1);
  assert.equal(look({ changed }), "quiet");
  assert.equal(look({ changed, isRunning: true }), "running");
  assert.equal(look({ changed, isRunning: true, isComplete: true }), "complete");
});

test("Text that is not seen yet counts as behind after a while only.", (context) => {
  const { look, pass, aged, now } = made(context);
  const changed = now();
  assert.equal(look({ changed }), "live");
  assert.equal(look({ changed, isSeen: false }), "live");
  pass(200);
  assert.equal(look({ changed, isSeen: false }), "live");
  pass(101);
  assert.equal(look({ changed, isSeen: false }), "behind");
  assert.equal(look({ changed }), "live", "and no more once it is");
  assert.equal(look({ changed, isSeen: false }), "live", "and then for a while again");
  pass(301);
  assert.equal(aged(), 1);
});

test("A log that has not begun is waited for, and what is refused says why.", (context) => {
  const { state } = made(context);
  const look = (facts) => state.look({ ...SHOWN, ...facts });
  assert.deepEqual(look({ hasBegun: false, isSeen: false }), ["waiting", "waiting for the log"]);
  const absent = ["waiting", "there is no such session yet; waiting for it"];
  assert.deepEqual(look({ hasBegun: false, isSeen: false, isAbsent: true }), absent);
  assert.deepEqual(look({ isSeen: false }), absent, "until its text is seen");
  assert.deepEqual(look({ refusal: "No." }), ["error", "No."]);
});
