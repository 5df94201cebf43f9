import assert from "node:assert/strict";
import { mock, test } from "node:test";

import { load } from "./modules.mjs";
import { randomNumbers } from "./random.mjs";

const { FoundHits } = await load("found-hits.js");
const { Finder, MOST_COUNTED } = await load("finder.js");
const { HitWindow } = await load("hit-window.js");
const { SearchError } = await load("search-stream.js");
const { SENT_AWAY, Turns } = await load("turns.js");

const PATTERN = { q: "x", regex: false, case: false };
const never = new AbortController().signal;
const turn = () => new Promise(setImmediate);

/** A server of one log of ASCII lines, which searches a line at each turn. */
class FakeServer {
  log = "";
  asked = [];
  atOnce = 0;
  refuses = null;

  lines() {
    let offset = 0;
    return this.log.split(/(?<=\n)/).filter(Boolean).map((text) => ({ offset, end: (offset += text.length), text }));
  }

  hits() {
    return this.lines().filter(({ text }) => text.includes("x")).map(({ offset }) => offset);
  }

  lineAt = async (place) => this.lines().findLast(({ offset }) => offset <= place).offset;

  search = async (query, { signal, onHit, onRead }) => {
    const { from = 0, to = this.log.length, limit = 1000, reverse = false, context = 0 } = query;
    this.asked.push(query);
    this.atOnce += 1;
    try {
      assert.equal(this.atOnce, 1, "one search at a time");
      if (this.refuses !== null) throw this.refuses;
      const stop = Math.min(to, this.log.length);
      const all = this.lines();
      let left = limit;
      let found = all.map((line, index) => ({ ...line, index })).filter((line) => line.offset >= from && line.offset < stop);
      if (reverse) found = found.reverse();
      for (const { offset, end, text, index } of found) {
        await turn();
        signal.throwIfAborted();
        if (text.includes("x")) {
          onHit({ offset, end, text, after: all.slice(index + 1, index + 1 + context) });
          left -= 1;
          if (left === 0) return { read: 0, more: reverse ? offset > from : end < stop };
        } else {
          onRead(reverse ? to - offset : end - from);
        }
      }
      return { read: Math.max(0, stop - from), more: false };
    } finally {
      this.atOnce -= 1;
    }
  };
}

async function settle(condition) {
  for (let turns = 0; turns < 20_000; turns += 1) {
    if (condition()) return;
    await turn();
  }
  assert.fail("it does not come to that");
}

test("What is known of hits agrees with a plain model, whatever is searched in whatever order.", () => {
  const random = randomNumbers(1);
  for (let round = 0; round < 300; round += 1) {
    const size = 1 + random(40);
    const hits = Array.from({ length: size }, (_, at) => at).filter(() => random(4) === 0);
    const found = new FoundHits();
    const searched = new Set();
    for (let step = 0; step < 8; step += 1) {
      const [from, to] = [random(size + 1), random(size + 1)].sort((a, b) => a - b);
      for (const offset of hits) if (from <= offset && offset < to) found.add({ offset, end: offset + 1 });
      found.cover(from, to);
      for (let at = from; at < to; at += 1) searched.add(at);
      const known = hits.filter((offset) => searched.has(offset));
      assert.equal(found.count, known.length);
      const free = Array.from({ length: size }, (_, at) => at).find((at) => !searched.has(at));
      assert.equal(found.gap(size)?.from, free);
      for (let place = 0; place <= size; place += 1) {
        let end = place;
        while (searched.has(end) && !hits.includes(end)) end += 1;
        const next = found.next(place);
        assert.equal(next.hit?.offset ?? null, searched.has(end) ? end : null);
        if (next.hit === null) assert.equal(next.from, end);
        let begin = place;
        while (searched.has(begin - 1) && !hits.includes(begin - 1)) begin -= 1;
        const previous = found.previous(place);
        assert.equal(previous.hit?.offset ?? null, searched.has(begin - 1) ? begin - 1 : null);
        if (previous.hit === null) assert.equal(previous.to, begin);
      }
    }
  }
});

test("A line that has grown is a hit until it is known to be none.", () => {
  const found = new FoundHits();
  for (const offset of [0, 10]) found.add({ offset, end: offset + 10 });
  found.cover(0, 20);
  found.reopen(10);
  assert.deepEqual([found.count, found.gap(30)], [2, { from: 10, to: 30 }]);
  found.cover(10, 30);
  assert.equal(found.count, 1);
  found.add({ offset: 10, end: 40 });
  found.reopen(10);
  found.add({ offset: 10, end: 50 });
  found.cover(10, 50);
  assert.equal(found.count, 2);
});

test("What is more urgent comes first and sends away what is less; nothing is done beside anything else.", async () => {
  const turns = new Turns();
  const done = [];
  const work = (name) => (signal) =>
    new Promise((resolve, reject) => {
      const timer = setTimeout(() => resolve(done.push(name)), 5);
      signal.addEventListener("abort", () => {
        clearTimeout(timer);
        reject(signal.reason);
      });
    });
  const first = turns.take(0, never, work("slow"));
  const gone = new AbortController();
  const others = [turns.take(0, never, work("last")), turns.take(1, never, work("soon")), turns.take(2, never, work("now"))];
  const given = turns.take(2, gone.signal, work("given up"));
  gone.abort(SENT_AWAY);
  await assert.rejects(first, (error) => error === SENT_AWAY);
  await assert.rejects(given, (error) => error === SENT_AWAY);
  await Promise.all(others);
  assert.deepEqual(done, ["now", "soon", "last"]);
});

test("All hits are counted, while steps and pages come first, and whatever the log grows by.", async (context) => {
  mock.timers.enable({ apis: ["setTimeout"] });
  context.after(() => mock.timers.reset());
  const random = randomNumbers(2);
  for (let round = 0; round < 40; round += 1) {
    const server = new FakeServer();
    const grow = () => {
      for (let pieces = random(20); pieces > 0; pieces -= 1) server.log += ["x", "o", "o\n", "x\n", "oo\n", "\n"][random(6)];
    };
    grow();
    const finder = new Finder(server, PATTERN, server.log.length, () => {});
    const window = new HitWindow(finder, random(2) * server.log.length, { page: 3, most: 1000, context: 2 }, () => {});
    finder.onGrown = (from) => window.grown(from);
    finder.countAll();
    window.load("before");
    window.load("after");
    for (let step = 0; step < 10; step += 1) {
      const hits = server.hits();
      const lines = server.lines().map(({ offset }) => offset);
      const place = lines[random(lines.length)] ?? 0;
      const isDown = random(2) === 0;
      const wanted = isDown ? (hits.find((hit) => hit >= place) ?? hits[0]) : (hits.findLast((hit) => hit < place) ?? hits.at(-1));
      const found = await (isDown ? finder.next(place) : finder.previous(place)).catch((error) => error);
      assert.equal(found?.hit?.offset, wanted);
      if (found !== null) assert.equal(found.wrapped, isDown ? wanted < place : wanted >= place);
      if (random(3) > 0) continue;
      grow();
      finder.grow(server.log.length);
      mock.timers.tick(400);
      await turn(); // until it is known where the last line began
      await settle(() => finder.isComplete && finder.share === 1);
    }
    await settle(() => finder.isComplete && !window.isLoading);
    while (!window.isAll.before) await window.load("before");
    while (!window.isAll.after) await window.load("after");
    assert.deepEqual(window.hits.map(({ offset }) => offset), server.hits());
    const lines = server.lines();
    for (const { offset, text, after } of window.hits) {
      const at = lines.findIndex((line) => line.offset === offset);
      assert.deepEqual([text, ...after.map((line) => line.text)], lines.slice(at, at + 3).map((line) => line.text));
    }
    assert.equal(finder.count, server.hits().length);
    for (const [index, hit] of server.hits().entries()) assert.equal(finder.numberOf(hit), index + 1);
    finder.close();
  }
});

test("A window keeps so many hits at most, and loads again what it has let go of.", async () => {
  const server = new FakeServer();
  server.log = "x\n".repeat(100);
  const finder = new Finder(server, PATTERN, 200, () => {});
  const window = new HitWindow(finder, 100, { page: 10, most: 30, context: 0 }, () => {});
  for (let pages = 0; pages < 9; pages += 1) {
    await window.load("after");
    assert.ok(window.hits.length <= 30);
  }
  assert.deepEqual([window.isAll.after, window.hits.at(-1).offset], [true, 198]);
  while (!window.isAll.before) await window.load("before");
  assert.deepEqual([window.hits.length, window.hits[0].offset, window.isAll.after], [30, 0, false]);
});

test("What is not asked for is counted up to a bound; what is asked for is found behind it.", async () => {
  const server = new FakeServer();
  server.search = async ({ from = 0, limit, to = 1e6 }, { onHit }) => {
    for (let hit = 0; hit < limit; hit += 1) onHit({ offset: from + 10 * hit, end: from + 10 * hit + 10, after: [] });
    return { read: 10 * limit, more: from + 10 * limit < to };
  };
  const finder = new Finder(server, PATTERN, 1e6, () => {});
  await finder.countAll();
  assert.deepEqual([finder.count, finder.isComplete], [MOST_COUNTED, false]);
  assert.equal((await finder.next(500_000)).hit.offset, 500_000);
  assert.deepEqual([finder.numberOf(500_000), finder.numberOf(10)], [null, 2]);
});

test("A search that has failed is tried again after a while, but not where the pattern is wrong.", async (context) => {
  mock.timers.enable({ apis: ["setTimeout"] });
  context.after(() => mock.timers.reset());
  const server = new FakeServer();
  server.log = "x\n";
  server.refuses = new SearchError("The server cannot be reached.", false);
  const finder = new Finder(server, PATTERN, 2, () => {});
  finder.countAll();
  await settle(() => finder.error !== null);
  server.refuses = null;
  mock.timers.tick(3000);
  await settle(() => finder.count === 1);
  assert.equal(finder.error, null);
  server.refuses = new SearchError("The pattern is wrong.", true);
  const wrong = new Finder(server, PATTERN, 2, () => {});
  await wrong.countAll();
  assert.equal(wrong.error, server.refuses);
  await assert.rejects(wrong.next(0), SearchError);
  const asked = server.asked.length;
  mock.timers.tick(10_000);
  await turn();
  assert.equal(server.asked.length, asked);
});

test("A finder that is closed asks nothing more.", async () => {
  const server = new FakeServer();
  server.log = "o\n".repeat(50) + "x\n";
  const finder = new Finder(server, PATTERN, server.log.length, () => {});
  const counting = finder.countAll();
  await turn();
  const step = finder.next(0);
  await turn();
  finder.close();
  await assert.rejects(step, (error) => error === SENT_AWAY);
  await counting;
  await settle(() => server.atOnce === 0);
  assert.equal(finder.count, 0);
});

test("A window whose server was away for a while loads again.", async (context) => {
  mock.timers.enable({ apis: ["setTimeout"] });
  context.after(() => mock.timers.reset());
  const server = new FakeServer();
  server.log = "x\n".repeat(5);
  const finder = new Finder(server, PATTERN, server.log.length, () => {});
  const window = new HitWindow(finder, 0, { page: 10, most: 30, context: 1 }, () => {});
  finder.onGrown = (from) => window.grown(from);
  server.refuses = new SearchError("The server cannot be reached.", false);
  await window.load("after");
  assert.equal(window.error, "The server cannot be reached.");
  server.refuses = null;
  mock.timers.tick(3000);
  await settle(() => window.hits.length === 5);
  assert.deepEqual([window.error, window.isAll.after], [null, true]);
  server.refuses = new SearchError("The server cannot be reached.", false);
  server.log += "y\n";
  finder.grow(server.log.length);
  mock.timers.tick(400);
  await settle(() => window.error !== null && !window.isLoading);
  server.refuses = null;
  mock.timers.tick(3000);
  await settle(() => window.error === null);
  assert.equal(window.hits.at(-1).after.at(-1).text, "y\n");
  window.close();
});

test("A server that answers again is no trouble any more.", async (context) => {
  mock.timers.enable({ apis: ["setTimeout"] });
  context.after(() => mock.timers.reset());
  const server = new FakeServer();
  server.search = async ({ from = 0, limit, to = 1e6 }, { onHit }) => {
    for (let hit = 0; hit < limit; hit += 1) onHit({ offset: from + 10 * hit, end: from + 10 * hit + 10, after: [] });
    return { read: 10 * limit, more: from + 10 * limit < to };
  };
  const finder = new Finder(server, PATTERN, 1e6, () => {});
  await finder.countAll();
  assert.equal(finder.count, MOST_COUNTED);
  server.lineAt = async () => {
    throw new SearchError("The server does not answer.", false);
  };
  finder.grow(1e6 + 10);
  mock.timers.tick(400);
  await settle(() => finder.error !== null);
  await turn();
  server.lineAt = async () => 1e6;
  mock.timers.tick(3000);
  await settle(() => finder.error === null);
});
