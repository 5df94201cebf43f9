import assert from "node:assert/strict";
import { mock, test } from "node:test";

import { load } from "./modules.mjs";

const { SearchError, inUnits, search } = await load("search-stream.js");

const hit = (text, ranges = []) => ({ offset: 0, end: 9, line: 1, text, skipped: 0, cut: false, ranges, before: [], after: [] });
const lines = (...said) => said.map((one) => `${JSON.stringify(one)}\n`).join("");
const plain = (sentence, status, headers = {}) =>
  new Response(sentence, { status, headers: { "Content-Type": "text/plain; charset=utf-8", ...headers } });

/** What is told of a search whose answer comes in these pieces. */
async function told(pieces, { signal = new AbortController().signal, ...query } = {}) {
  const asked = [];
  const hits = [];
  const read = [];
  const body = new ReadableStream({
    start(controller) {
      for (const piece of pieces) controller.enqueue(piece);
      controller.close();
    },
  });
  const fetch = async (url) => {
    asked.push(url);
    return new Response(body);
  };
  const end = await search("/s", { q: "a", ...query }, { signal, fetch, onHit: (one) => hits.push(one), onRead: (bytes) => read.push(bytes) });
  return { asked, hits, read, end };
}

test("An answer is read whatever pieces it comes in, also with characters cut in two.", async () => {
  const bytes = new TextEncoder().encode(lines(hit("größer 😀 x", [[9, 10]]), { read: 7 }, hit("b"), { read: 20, more: true, next: 9 }));
  for (const size of [1, 2, 3, 50, bytes.length]) {
    const pieces = [];
    for (let at = 0; at < bytes.length; at += size) pieces.push(bytes.slice(at, at + size));
    const { hits, read, end } = await told(pieces);
    assert.deepEqual(hits.map(({ text, ranges }) => [text, ranges]), [["größer 😀 x", [[10, 11]]], ["b", []]]);
    assert.deepEqual([read, end], [[7], { read: 20, more: true, next: 9 }]);
  }
});

test("What is asked for is in the address, and nothing else is.", async () => {
  const end = [new TextEncoder().encode(lines({ read: 0, more: false }))];
  const query = { q: "a&b=c d", regex: true, case: false, from: 0, limit: 5, reverse: true };
  assert.deepEqual((await told(end, query)).asked, ["/s?q=a%26b%3Dc+d&regex=1&from=0&limit=5&reverse=1"]);
});

test("Ranges are in UTF-16 units, and none is outside the text.", () => {
  assert.deepEqual(inUnits("a😀b😀c", [[0, 1], [1, 2], [2, 4], [4, 99]]), [[0, 1], [1, 3], [3, 6], [6, 7]]);
});

test("An answer that ends too early, is no answer, or says that it failed, is an error with a sentence.", async () => {
  const cut = { name: "SearchError", message: "The search was cut off.", isWrong: false };
  for (const text of ["", lines(hit("a")), "{", "null\n", "<html>\n"]) {
    await assert.rejects(told([new TextEncoder().encode(text)]), cut);
  }
  const said = [new TextEncoder().encode(lines(hit("a"), { error: "Session 'a' cannot be read." }))];
  await assert.rejects(told(said), { message: "Session 'a' cannot be read." });
});

test("A refusal is said in the server's sentence, if that is one.", async () => {
  const sentence = "The pattern is wrong at character 2: missing ).";
  const ask = (answer) => search("/s", { q: "a" }, { signal: new AbortController().signal, onHit() {}, fetch: async () => answer });
  await assert.rejects(ask(plain(`${sentence}\n`, 400)), { message: sentence, isWrong: true });
  await assert.rejects(ask(plain("no", 401)), { message: "The server does not know you any more.", isWrong: true });
  const page = new Response("<h1>Bad gateway</h1>", { status: 502, headers: { "Content-Type": "text/html" } });
  await assert.rejects(ask(page), { message: "The server says no (502).", isWrong: false });
  const gone = { message: "The server cannot be reached.", isWrong: false };
  await assert.rejects(search("/s", { q: "a" }, { signal: new AbortController().signal, onHit() {}, fetch: () => Promise.reject(new TypeError()) }), gone);
});

test("Where there are too many searches, it is tried again, later each time, until nobody wants it any more.", async (context) => {
  mock.timers.enable({ apis: ["setTimeout"] });
  context.after(() => mock.timers.reset());
  const controller = new AbortController();
  let [asked, busy] = [0, 0];
  const fetch = async () => {
    asked += 1;
    return plain("4 searches are going on.", 503, { "Retry-After": "2" });
  };
  const searching = search("/s", { q: "a" }, { signal: controller.signal, onHit() {}, onBusy: () => (busy += 1), fetch });
  const turns = async () => {
    for (let turn = 0; turn < 5; turn += 1) await new Promise(setImmediate);
  };
  await turns();
  mock.timers.tick(1999);
  await turns();
  assert.deepEqual([asked, busy], [1, 1]);
  mock.timers.tick(1001);
  await turns();
  assert.deepEqual([asked, busy], [2, 2]);
  mock.timers.tick(3999);
  await turns();
  assert.equal(asked, 2);
  controller.abort(new Error("closed"));
  await assert.rejects(searching, { message: "closed" });
});

test("A search that is aborted in the middle tells of nothing more, and lets go of its answer.", async () => {
  const controller = new AbortController();
  let isCancelled = false;
  const body = new ReadableStream({
    start: (stream) => stream.enqueue(new TextEncoder().encode(lines(hit("a"), hit("b")))),
    cancel: () => (isCancelled = true),
  });
  const hits = [];
  const onHit = ({ text }) => {
    hits.push(text);
    controller.abort(new Error("enough"));
  };
  const searching = search("/s", { q: "a" }, { signal: controller.signal, onHit, fetch: async () => new Response(body) });
  await assert.rejects(searching, { message: "enough" });
  assert.deepEqual([hits, isCancelled], [["a"], true]);
  assert.ok(SearchError);
});
