import assert from "node:assert/strict";
import { beforeEach, mock, test } from "node:test";

import { load } from "./modules.mjs";

const { LogStream } = await load("logstream.js");

/** A WebSocket whose other end is the test. */
class FakeSocket {
  static made = [];
  sent = [];
  closed = false;

  constructor(url) {
    this.url = String(url);
    FakeSocket.made.push(this);
  }

  send(text) {
    assert.ok(!this.closed, "nothing is sent on a closed socket");
    this.sent.push(JSON.parse(text));
  }

  close() {
    this.closed = true;
  }

  // What the server does.

  open() {
    this.onopen({});
  }

  say(data, { initial = false, complete = false, end = 0, size = end, name = "build" } = {}) {
    const message = { type: "logs:data", sessionName: name, data, isInitial: initial, isComplete: complete };
    this.onmessage({ data: JSON.stringify({ ...message, cursor: `${end}.abcd`, size }) });
  }

  fail(error, name = "build") {
    this.onmessage({ data: JSON.stringify({ type: "logs:error", sessionName: name, error }) });
  }

  break() {
    this.closed = true;
    this.onclose({});
  }
}

const socket = () => FakeSocket.made.at(-1);

/** Callbacks that write down what they are told. */
function recorder() {
  const told = [];
  const note = (name) => (...values) => told.push([name, ...values]);
  const names = ["reset", "text", "progress", "complete", "error"];
  return [told, Object.fromEntries(names.map((name) => [name, note(name)]))];
}

function client(options = {}) {
  return new LogStream("ws://server/ws", { WebSocket: FakeSocket, fetch: () => Promise.reject(), ...options });
}

beforeEach(() => {
  FakeSocket.made = [];
  mock.timers.reset();
  mock.timers.enable({ apis: ["setTimeout"] });
});

test("The address may be a page's, relative or absolute.", () => {
  for (const [url, expected] of [
    ["http://server:8000/ws", "ws://server:8000/ws"],
    ["https://server/logs/ws?token=x", "wss://server/logs/ws?token=x"],
    ["ws://server/ws", "ws://server/ws"],
  ]) {
    new LogStream(url, { WebSocket: FakeSocket }).subscribe("build", {});
    assert.equal(socket().url, expected);
  }
  globalThis.location = { href: "https://dashboard/logs/sessions/build" };
  new LogStream("/ws", { WebSocket: FakeSocket }).subscribe("build", {});
  delete globalThis.location;
  assert.equal(socket().url, "wss://dashboard/ws");
});

test("Nothing is connected before the first subscription, and one connection serves all.", () => {
  const logs = client();
  assert.equal(FakeSocket.made.length, 0);
  logs.subscribe("a", {});
  logs.subscribe("b", {}, { tail: 5, wait: true });
  socket().open();
  logs.subscribe("c", {}, { cursor: "5.abcd" });
  assert.equal(FakeSocket.made.length, 1);
  assert.deepEqual(socket().sent, [
    { type: "subscribe:logs", sessionName: "a", cursor: true },
    { type: "subscribe:logs", sessionName: "b", cursor: true, tail: 5, wait: true },
    { type: "subscribe:logs", sessionName: "c", cursor: "5.abcd", wait: true },
  ]);
});

test("Callbacks are told of text, its places, new beginnings and the end, in this order.", () => {
  const [told, callbacks] = recorder();
  const subscription = client().subscribe("build", callbacks);
  socket().open();
  socket().say("one", { initial: true, end: 3, size: 9 });
  socket().say("", { end: 3, size: 9 });
  socket().say("anew", { initial: true, end: 4 });
  assert.equal(subscription.cursor, "4.abcd");
  socket().say(" end", { complete: true, end: 8 });
  socket().say("more", { end: 12 });
  assert.deepEqual(told, [
    ["reset"],
    ["text", "one"],
    ["progress", 3, 9],
    ["progress", 3, 9],
    ["reset"],
    ["text", "anew"],
    ["progress", 4, 4],
    ["text", " end"],
    ["progress", 8, 8],
    ["complete"],
  ]);
});

test("A callback that is not given is not needed.", () => {
  client().subscribe("build", {});
  socket().open();
  socket().say("one", { initial: true, end: 3 });
  socket().say("", { complete: true, end: 3 });
});

test("A lost connection is opened again, and each subscription goes on after its last cursor.", () => {
  const states = [];
  const [told, callbacks] = recorder();
  const logs = client({ state: (state) => states.push(state) });
  logs.subscribe("build", callbacks, { tail: 5 });
  logs.subscribe("silent", {}, { tail: 7 });
  socket().open();
  socket().say("one", { initial: true, end: 3 });
  socket().break();
  assert.equal(logs.state, "reconnecting");
  mock.timers.tick(10_000);
  assert.equal(FakeSocket.made.length, 2);
  socket().open();
  assert.deepEqual(socket().sent, [
    { type: "subscribe:logs", sessionName: "build", cursor: "3.abcd", wait: true },
    { type: "subscribe:logs", sessionName: "silent", cursor: true, tail: 7 },
  ]);
  socket().say("two", { end: 6 });
  assert.deepEqual(told.filter(([name]) => name === "reset").length, 1);
  assert.deepEqual(states, ["connecting", "open", "reconnecting", "open"]);
});

test("Attempts wait longer each time, up to five seconds, until the server serves again.", () => {
  client().subscribe("build", {});
  const waits = [];
  for (let attempt = 0; attempt < 9; attempt += 1) {
    const { length } = FakeSocket.made;
    socket().break();
    let wait = 0;
    for (; FakeSocket.made.length === length; wait += 1) mock.timers.tick(1);
    waits.push(wait);
  }
  assert.ok(waits[0] >= 125 && waits[0] <= 251, `${waits}`);
  assert.ok(waits[3] >= 1000 && waits[3] <= 2001, `${waits}`);
  assert.ok(Math.max(...waits) <= 5001 && waits[8] >= 2500, `${waits}`);
  socket().open();
  socket().break();
  const before = FakeSocket.made.length;
  mock.timers.tick(2400);
  assert.equal(FakeSocket.made.length, before, "a server that accepts and closes is not asked at once");
  mock.timers.tick(2601);
  socket().open();
  socket().say("one", { initial: true, end: 3 });
  socket().break();
  mock.timers.tick(251);
  assert.equal(FakeSocket.made.length, before + 2, "one that serves is");
});

test("After unsubscribe nothing is told, not even of a connection that comes back.", () => {
  const [told, callbacks] = recorder();
  const subscription = client().subscribe("build", callbacks);
  socket().open();
  subscription.unsubscribe();
  subscription.unsubscribe();
  socket().say("one", { initial: true, end: 3 });
  assert.deepEqual(socket().sent.slice(1), [{ type: "unsubscribe:logs", sessionName: "build" }]);
  socket().break();
  mock.timers.tick(10_000);
  socket().open();
  assert.deepEqual(socket().sent, []);
  assert.deepEqual(told, []);
});

test("A new subscription takes an earlier one's place, and gets nothing of what that had on its way.", () => {
  const logs = client();
  const [early, first] = recorder();
  const [told, second] = recorder();
  const earlier = logs.subscribe("build", first);
  socket().open();
  socket().say("one", { initial: true, end: 3 });
  early.length = 0;
  logs.subscribe("build", second);
  socket().say("two", { end: 6 });
  socket().say("onetwo", { initial: true, end: 6 });
  earlier.unsubscribe();
  socket().say("three", { end: 11 });
  assert.deepEqual(early, []);
  assert.deepEqual(told.filter(([name]) => name !== "progress"), [["reset"], ["text", "onetwo"], ["text", "three"]]);
});

test("An error ends the subscription that it is about, and no other.", () => {
  const logs = client();
  const [told, callbacks] = recorder();
  const [others, other] = recorder();
  logs.subscribe("build", callbacks);
  logs.subscribe("other", other);
  socket().open();
  socket().fail("Session 'build' was not found.");
  socket().fail("no command", null);
  socket().say("one", { initial: true, end: 3 });
  socket().say("one", { initial: true, end: 3, name: "other" });
  assert.deepEqual(told, [["error", "Session 'build' was not found."]]);
  assert.equal(others.length, 3);
});

test("A subscription may be made anew when it is over.", () => {
  const [told, callbacks] = recorder();
  const logs = client();
  const subscription = logs.subscribe("build", callbacks);
  socket().open();
  socket().say("one", { initial: true, complete: true, end: 3 });
  logs.subscribe("build", callbacks, { cursor: subscription.cursor });
  assert.equal(socket().sent.at(-1).cursor, "3.abcd");
  told.length = 0;
  socket().say("", { complete: true, end: 3 });
  assert.deepEqual(told, [["progress", 3, 3], ["complete"]]);
});

test("Closing ends the connection and all attempts, and a later subscription opens another one.", () => {
  const states = [];
  const logs = client({ state: (state) => states.push(state) });
  logs.subscribe("build", {});
  const first = socket();
  first.open();
  logs.close();
  assert.ok(first.closed);
  first.onclose({});
  mock.timers.tick(10_000);
  assert.equal(FakeSocket.made.length, 1);
  logs.subscribe("build", {});
  first.break();
  assert.equal(FakeSocket.made.length, 2);
  socket().break();
  logs.close();
  mock.timers.tick(10_000);
  assert.equal(FakeSocket.made.length, 2);
  assert.deepEqual(states, ["connecting", "open", "closed", "connecting", "reconnecting", "closed"]);
});

test("Wherever connections break, the text is the file, nothing lost and nothing twice.", () => {
  let seed = 1;
  const random = (below) => (seed = (seed * 48271) % 2147483647) % below;
  for (let round = 0; round < 50; round += 1) {
    FakeSocket.made = [];
    let file = "";
    let shown = "";
    const callbacks = { reset: () => (shown = ""), text: (text) => (shown += text) };
    const logs = client();
    logs.subscribe("build", callbacks);
    let [sent, open] = [0, false];
    const serve = () => {
      const end = Math.min(file.length, sent + 1 + random(5));
      socket().say(file.slice(sent, end), { end });
      sent = end;
    };
    for (let step = 0; step < 200; step += 1) {
      const action = random(10);
      if (action < 4) file += String.fromCharCode(97 + random(26));
      else if (open && action < 8) serve();
      else if (action === 8) {
        socket().break();
        open = false;
        mock.timers.tick(10_000);
      } else if (!open && action === 9) {
        socket().open();
        open = true;
        const { cursor } = socket().sent[0];
        sent = cursor === true ? 0 : parseInt(cursor, 10);
        socket().say("", { initial: cursor === true, end: sent });
      }
    }
    if (!open) {
      socket().open();
      const { cursor } = socket().sent[0];
      sent = cursor === true ? 0 : parseInt(cursor, 10);
      socket().say("", { initial: cursor === true, end: sent });
    }
    while (sent < file.length) serve();
    assert.equal(shown, file);
    logs.close();
  }
});

const PING = { type: "ping" };
const pings = () => socket().sent.filter((command) => command.type === "ping").length;

test("A silent connection is asked whether it is alive, and whatever comes is an answer.", () => {
  client().subscribe("build", {});
  socket().open();
  mock.timers.tick(19_999);
  assert.equal(pings(), 0);
  mock.timers.tick(1);
  assert.deepEqual(socket().sent.at(-1), PING);
  mock.timers.tick(4_999);
  socket().onmessage({ data: '{"type": "pong"}' });
  mock.timers.tick(19_999);
  assert.equal(pings(), 1);
  mock.timers.tick(1);
  assert.equal(pings(), 2);
  socket().fail("no command", null); // as of a server that knows no pings
  mock.timers.tick(19_999);
  socket().say("one", { initial: true, end: 3 });
  mock.timers.tick(19_999);
  assert.equal(pings(), 2);
  assert.equal(FakeSocket.made.length, 1);
});

test("A connection that does not answer is given up, and its subscriptions go on over another one.", () => {
  const states = [];
  const [told, callbacks] = recorder();
  client({ state: (state) => states.push(state) }).subscribe("build", callbacks);
  const dead = socket();
  dead.open();
  dead.say("one", { initial: true, end: 3 });
  mock.timers.tick(20_000);
  mock.timers.tick(4_999);
  assert.equal(FakeSocket.made.length, 1);
  mock.timers.tick(1);
  assert.equal(FakeSocket.made.length, 2);
  assert.ok(dead.closed);
  dead.onmessage({ data: '{"type": "pong"}' });
  dead.onclose({});
  socket().open();
  assert.deepEqual(socket().sent, [{ type: "subscribe:logs", sessionName: "build", cursor: "3.abcd", wait: true }]);
  socket().say("two", { end: 6 });
  assert.deepEqual(told.filter(([name]) => name === "text"), [["text", "one"], ["text", "two"]]);
  assert.deepEqual(states, ["connecting", "open", "reconnecting", "open"]);
  assert.equal(FakeSocket.made.length, 2);
});

test("A connection that nobody takes is given up.", () => {
  client().subscribe("build", {});
  mock.timers.tick(14_999);
  assert.equal(FakeSocket.made.length, 1);
  mock.timers.tick(1);
  assert.equal(FakeSocket.made.length, 2);
  assert.ok(FakeSocket.made[0].closed);
});

test("A page that is back asks at once, and does not wait for the next attempt.", () => {
  const page = new EventTarget();
  globalThis.document = new EventTarget();
  globalThis.addEventListener = page.addEventListener.bind(page);
  globalThis.removeEventListener = page.removeEventListener.bind(page);
  try {
    const logs = client();
    logs.subscribe("build", {});
    socket().open();
    page.dispatchEvent(new Event("online"));
    page.dispatchEvent(new Event("pageshow"));
    assert.equal(pings(), 1, "who is asked is not asked again");
    socket().onmessage({ data: '{"type": "pong"}' });
    page.dispatchEvent(new Event("pageshow"));
    assert.equal(pings(), 2);
    socket().onmessage({ data: '{"type": "pong"}' });
    document.visibilityState = "hidden";
    document.dispatchEvent(new Event("visibilitychange"));
    assert.equal(pings(), 2);
    document.visibilityState = "visible";
    document.dispatchEvent(new Event("visibilitychange"));
    assert.equal(pings(), 3);
    socket().break();
    assert.equal(FakeSocket.made.length, 1);
    page.dispatchEvent(new Event("online"));
    assert.equal(FakeSocket.made.length, 2);
    mock.timers.tick(10_000);
    assert.equal(FakeSocket.made.length, 2);
    socket().open();
    logs.close();
    page.dispatchEvent(new Event("online"));
    mock.timers.tick(60_000);
    assert.equal(FakeSocket.made.length, 2);
    assert.equal(pings(), 0);
  } finally {
    delete globalThis.document;
    delete globalThis.addEventListener;
    delete globalThis.removeEventListener;
  }
});

test("A page that may not connect is told why, and asks no more.", async () => {
  const answers = [
    [{ status: 403, type: "cors", headers: new Headers({ "Content-Type": "text/plain" }), text: async () => "No.\n" }, "No."],
    [{ status: 401, type: "basic", statusText: "Unauthorized", headers: new Headers() }, "The server refuses: Unauthorized."],
    [{ status: 0, type: "opaqueredirect", headers: new Headers() }, "The server lets nobody connect who is not logged in."],
  ];
  for (const [answer, sentence] of answers) {
    const [told, callbacks] = recorder();
    const asked = [];
    const fetch = async (url) => (asked.push(String(url)), answer);
    const logs = client({ fetch });
    logs.subscribe("build", callbacks);
    socket().break();
    await new Promise(setImmediate);
    assert.deepEqual(told, [["error", sentence]]);
    assert.deepEqual(asked, ["http://server/ws"]);
    assert.equal(logs.state, "closed");
    const made = FakeSocket.made.length;
    mock.timers.tick(60_000);
    assert.equal(FakeSocket.made.length, made);
  }
});

test("Where nobody says why, it is tried again.", async () => {
  for (const fetch of [() => Promise.reject(new TypeError()), async () => ({ status: 503, type: "basic" }), async () => ({ status: 400 })]) {
    const [told, callbacks] = recorder();
    const logs = client({ fetch });
    logs.subscribe("build", callbacks);
    socket().break();
    await new Promise(setImmediate);
    assert.equal(logs.state, "reconnecting");
    assert.deepEqual(told, []);
    mock.timers.tick(10_000);
    socket().open();
    assert.equal(logs.state, "open");
    logs.close();
  }
});
