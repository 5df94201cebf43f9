// What is known of where a pattern is found in a log: the places of hits, and which parts of the log have been searched.
// All places are offsets in bytes.

import { firstWhere } from "./bisection.js";

/** @typedef {{ offset: number, end: number }} Place a line that matches: where it begins, and the next one */

export class FoundHits {
  /** In order. @type {Place[]} */
  #hits = [];
  /** Parts that have been searched: in order, none next to another. @type {[number, number][]} */
  #searched = [];
  /** A hit in a line that has grown since: it may be none any more. */
  #doubtful = -1;

  /** How many hits are known. */
  get count() {
    return this.#hits.length;
  }

  /** A hit was found; what was known of its line is void. @param {Place} hit */
  add({ offset, end }) {
    const at = this.rank(offset);
    this.#hits.splice(at, this.#hits[at]?.offset === offset ? 1 : 0, { offset, end });
    if (offset === this.#doubtful) this.#doubtful = -1;
  }

  /** A part has been searched, and its hits have been added. @param {number} from @param {number} to */
  cover(from, to) {
    if (from >= to) return;
    if (from <= this.#doubtful && this.#doubtful < to) {
      this.#hits.splice(this.rank(this.#doubtful), 1);
      this.#doubtful = -1;
    }
    const parts = this.#searched.filter(([begin, end]) => end < from || begin > to);
    const joined = this.#searched.filter(([begin, end]) => end >= from && begin <= to);
    const part = /** @type {[number, number]} */ ([
      Math.min(from, ...joined.map(([begin]) => begin)),
      Math.max(to, ...joined.map(([, end]) => end)),
    ]);
    this.#searched = [...parts, part].sort(([a], [b]) => a - b);
  }

  /** What stands from a place on has grown, and must be searched again. @param {number} from */
  reopen(from) {
    const at = this.rank(from);
    this.#doubtful = this.#hits[at]?.offset === from ? from : -1;
    this.#hits.length = this.#doubtful < 0 ? at : at + 1;
    this.#searched = this.#searched
      .filter(([begin]) => begin < from)
      .map(([begin, end]) => [begin, Math.min(end, from)]);
  }

  /** How many known hits are before a place. @param {number} place */
  rank(place) {
    return firstWhere(this.#hits.length, (at) => this.#hits[at].offset >= place);
  }

  /** Whether a hit begins at a place, as far as is known. @param {number} place */
  has(place) {
    return this.#hits[this.rank(place)]?.offset === place;
  }

  /**
   * The first hit from a place on; or else from where on it has to be searched for.
   *
   * @param {number} place
   * @returns {{ hit: Place | null, from: number }}
   */
  next(place) {
    const hit = this.#hits[this.rank(place)] ?? null;
    const from = this.#searched.find(([begin, end]) => begin <= place && place < end)?.[1] ?? place;
    return { hit: hit !== null && hit.offset < from ? hit : null, from };
  }

  /**
   * The last hit that begins before a place; or else before where it has to be searched for.
   *
   * @param {number} place
   * @returns {{ hit: Place | null, to: number }}
   */
  previous(place) {
    const hit = this.#hits[this.rank(place) - 1] ?? null;
    const to = this.#searched.find(([begin, end]) => begin < place && place <= end)?.[0] ?? place;
    return { hit: hit !== null && hit.offset >= to ? hit : null, to };
  }

  /**
   * The first part of a log of a size that has not been searched; null where there is none.
   *
   * @param {number} size
   * @returns {{ from: number, to: number } | null}
   */
  gap(size) {
    const [first, second] = this.#searched;
    if (first === undefined) return size > 0 ? { from: 0, to: size } : null;
    if (first[0] > 0) return { from: 0, to: Math.min(size, first[0]) };
    if (first[1] >= size) return null;
    return { from: first[1], to: Math.min(size, second?.[0] ?? size) };
  }

  /** How many bytes have been searched. */
  get searched() {
    return this.#searched.reduce((sum, [from, to]) => sum + to - from, 0);
  }
}
