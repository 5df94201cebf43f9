// When the lines of a log arrived, as the server has seen it.

import { answerOf } from "./answers.js";
import { firstWhere } from "./bisection.js";

/**
 * Bytes that arrived after one time and no later than another, in seconds since the epoch; null where that is not known.
 *
 * @typedef {{ offset: number, end: number, earliest: number | null, latest: number | null }} Span
 */

const EXACT = 2.5; // seconds between two times that are as good as one: the server looks once a second

export class Arrivals {
  #address;

  /** @param {string} url of the session's page */
  constructor(url) {
    this.#address = `${url}/times`;
  }

  /**
   * When the bytes between two offsets arrived, in order.
   *
   * @param {number} from
   * @param {number} to
   * @returns {Promise<Span[]>}
   * @throws {Error} with a sentence for the reader
   */
  async between(from, to) {
    return (await answerOf(this.#address, { from: `${from}`, to: `${to}` })).spans;
  }

  /**
   * The line that arrived at a time, or else the next one.
   *
   * @param {number} time in seconds since the epoch
   * @returns {Promise<Span>}
   * @throws {Error} with a sentence for the reader
   */
  async at(time) {
    return answerOf(this.#address, { at: `${Math.max(0, time)}` });
  }
}

/** The span that an offset is in; undefined where none is. @param {readonly Span[]} spans in order @param {number} offset */
export function spanAt(spans, offset) {
  const span = spans.at(firstWhere(spans.length, (at) => spans[at].end > offset));
  return span !== undefined && span.offset <= offset ? span : undefined;
}

/**
 * When something arrived, in the reader's own time: one time where it was seen, else the two that it came between.
 *
 * @param {Span} span
 * @param {Date} [now] times of this day are said without it
 */
export function timeText({ earliest, latest }, now = new Date()) {
  if (latest === null) return earliest === null ? "" : `after ${clock(earliest, now)}`;
  if (earliest === null) return `by ${clock(latest, now)}`;
  if (latest - earliest <= EXACT) return clock(latest, now);
  return `${clock(earliest, now)} – ${clock(latest, now)}`;
}

/** The same in a sentence. @param {Span} span */
export function timeTitle({ earliest, latest }) {
  if (latest === null) return earliest === null ? "" : `Arrived after ${whole(earliest)}`;
  if (earliest === null) return `Arrived by ${whole(latest)}; nobody looked before`;
  if (latest - earliest <= EXACT) return `Arrived ${whole(latest)}`;
  return `Arrived between ${whole(earliest)} and ${whole(latest)}; nobody looked in between`;
}

/** @param {number} time @param {Date} now */
function clock(time, now) {
  const date = new Date(time * 1000);
  const [day, moment] = localTime(date).split("T");
  return day === localTime(now).split("T")[0] ? moment : `${day} ${moment}`;
}

/** @param {number} time */
function whole(time) {
  return localTime(new Date(time * 1000)).replace("T", " ");
}

/** A time as a field for local times has it, to the second. @param {Date} date */
export function localTime(date) {
  const [month, day, hours, minutes, seconds] = [
    date.getMonth() + 1,
    date.getDate(),
    date.getHours(),
    date.getMinutes(),
    date.getSeconds(),
  ].map((part) => `${part}`.padStart(2, "0"));
  return `${`${date.getFullYear()}`.padStart(4, "0")}-${month}-${day}T${hours}:${minutes}:${seconds}`;
}
