import assert from "node:assert/strict";
import { test } from "node:test";

import { load } from "./modules.mjs";

const { ExcerptLines } = await load("excerpt-lines.js");
const { LineOffsets } = await load("line-offsets.js");

/** What the server gives of a log around a place, the first line's number with it or not. */
function around(log, at, before, after, { numbered = true } = {}) {
  const lines = [];
  for (let offset = 0, line = 1; offset < log.length; line += 1) {
    const feed = log.indexOf("\n", offset);
    const end = feed < 0 ? log.length : feed + 1;
    const text = log.slice(offset, feed < 0 ? end : feed);
    lines.push({ offset, end, line: numbered ? line : null, text, ...(feed < 0 ? { open: true } : {}) });
    offset = end;
  }
  const found = lines.findIndex(({ end }) => at < end);
  const index = found < 0 ? lines.length - 1 : found;
  return lines.slice(Math.max(0, index - before), index + after + 1);
}

const log = Array.from({ length: 100 }, (_, number) => `line ${number}\n`).join("");
const texts = ({ lines }) => lines.map(({ text }) => text);

test("Lines come on both sides, and go, and always stand beside each other.", () => {
  const excerpt = new ExcerptLines();
  excerpt.set(around(log, 400, 2, 2));
  assert.equal(excerpt.prepend(around(log, excerpt.first.offset, 10, 0)).length, 10);
  assert.equal(excerpt.append(around(log, excerpt.last.offset, 0, 10)).length, 10);
  const first = Number(excerpt.first.text.slice(5));
  assert.deepEqual(texts(excerpt), Array.from({ length: 25 }, (_, at) => `line ${first + at}`));
  assert.equal(excerpt.characters, texts(excerpt).join("").length);
  excerpt.dropFirst(3);
  excerpt.dropLast(4);
  excerpt.dropLast(0);
  assert.deepEqual(texts(excerpt), Array.from({ length: 18 }, (_, at) => `line ${first + 3 + at}`));
  assert.equal(excerpt.characters, texts(excerpt).join("").length);
  assert.equal(excerpt.lines[excerpt.indexOf(400)].line, around(log, 400, 0, 0)[0].line);
  assert.equal(excerpt.indexOf(0), -1);
});

test("What comes and does not fit is not taken: the log is another one.", () => {
  const other = log.replace("line 50\n", "LINE 50\n");
  const at = log.indexOf("line 50");
  const excerpt = new ExcerptLines();
  excerpt.set(around(log, at, 0, 0));
  assert.equal(excerpt.prepend(around(other, at, 5, 0)), null);
  assert.equal(excerpt.append(around(other, at, 0, 5)), null);
  assert.equal(excerpt.append(around(log.slice(0, 100), at, 0, 5)), null, "it was truncated");
  assert.equal(excerpt.append([]), null, "it is empty");
  assert.deepEqual(texts(excerpt), ["line 50"]);
});

test("A last line that goes on is replaced by what it is then.", () => {
  const excerpt = new ExcerptLines();
  excerpt.set(around("one\ntw\ufffd", 0, 0, 9));
  assert.equal(excerpt.append(around("one\ntw\ufffd", 4, 0, 9)).length, 0);
  const added = excerpt.append(around("one\ntwö and more\nthree", 4, 0, 9));
  assert.deepEqual(added.map(({ text }) => text), ["twö and more", "three"]);
  assert.deepEqual(texts(excerpt), ["one", "twö and more", "three"]);
  assert.deepEqual(excerpt.lines.map(({ line }) => line), [1, 2, 3]);
  assert.equal(excerpt.append(around("one\ntwö and more\nthreX more", excerpt.last.offset, 0, 9)), null);
});

test("All lines have numbers as soon as one's is known, and parts of a line have the same.", () => {
  const excerpt = new ExcerptLines();
  excerpt.set([
    { offset: 10, end: 20, line: null, text: "before" },
    { offset: 20, end: 30, line: null, text: "part", open: true },
    { offset: 30, end: 40, line: null, text: "part" },
    { offset: 40, end: 50, line: null, text: "after" },
  ]);
  excerpt.number({ offset: 40, end: 50, line: 7, text: "after" });
  assert.deepEqual(excerpt.lines.map(({ line }) => line), [5, 6, 6, 7]);
});

test("Where lines of a terminal are in the log is known near them.", () => {
  const offsets = new LineOffsets();
  assert.equal(offsets.find(0), null);
  offsets.note(0, 0);
  offsets.note(100, 1000);
  offsets.note(100, 1500);
  offsets.note(200, 3000);
  assert.deepEqual(offsets.find(50), { offset: 0, lines: 50, estimate: 500 });
  assert.deepEqual(offsets.find(100), { offset: 1000, lines: 0, estimate: 1000 });
  assert.deepEqual(offsets.find(205), { offset: 3000, lines: 5, estimate: 3000 });
  offsets.forget(150);
  assert.deepEqual(offsets.find(150), { offset: 1000, lines: 50, estimate: 2000 });
  offsets.note(120, 5000);
  assert.deepEqual(offsets.find(120), { offset: 5000, lines: 0, estimate: 5000 });
});
