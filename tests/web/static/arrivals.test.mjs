// Tests of how the times of lines are found and said.

import assert from "node:assert/strict";
import test from "node:test";

import { localTime, spanAt, timeText, timeTitle } from "../../../logstream/web/static/arrivals.js";

const at = (hours, minutes, seconds = 0, day = 5) => new Date(2026, 0, day, hours, minutes, seconds).getTime() / 1000;
const now = new Date(2026, 0, 5, 18, 0);
const span = (earliest, latest) => ({ offset: 0, end: 1, earliest, latest });

test("a time that was seen is one time, to the second, of today without the day", () => {
  assert.equal(timeText(span(at(14, 3, 21), at(14, 3, 22)), now), "14:03:22");
  assert.equal(timeText(span(at(14, 3, 21, 4), at(14, 3, 22, 4)), now), "2026-01-04 14:03:22");
  assert.equal(timeTitle(span(at(14, 3, 21), at(14, 3, 22))), "Arrived 2026-01-05 14:03:22");
});

test("what was not seen has the two times that it came between, or the one that is known", () => {
  assert.equal(timeText(span(at(14, 3), at(15, 0)), now), "14:03:00 – 15:00:00");
  assert.equal(timeText(span(at(14, 3, 0, 4), at(15, 0)), now), "2026-01-04 14:03:00 – 15:00:00");
  assert.equal(timeText(span(null, at(15, 0)), now), "by 15:00:00");
  assert.equal(timeText(span(at(15, 0), null), now), "after 15:00:00");
  assert.equal(timeText(span(null, null), now), "");
  assert.match(timeTitle(span(at(14, 3), at(15, 0))), /^Arrived between 2026-01-05 14:03:00 and 2026-01-05 15:00:00/);
});

test("an offset is in the span that has it", () => {
  const spans = [
    { offset: 5, end: 10, earliest: null, latest: 1 },
    { offset: 10, end: 11, earliest: 1, latest: 2 },
    { offset: 11, end: 90, earliest: 2, latest: 3 },
  ];
  assert.deepEqual(
    [4, 5, 9, 10, 11, 89, 90].map((offset) => spanAt(spans, offset)?.latest),
    [undefined, 1, 1, 2, 3, 3, undefined],
  );
  assert.equal(spanAt([], 0), undefined);
});

test("a local time is what a field for it takes", () => {
  assert.equal(localTime(new Date(2026, 0, 5, 4, 3, 2)), "2026-01-05T04:03:02");
});
