// What of a line that is shown matches. A word is looked for here; a regular expression is the server's, so that the same is
// marked as is found, and no pattern can hold up the page: what it has said of a line's text holds wherever that is.

/**
 * @typedef {import("./search-stream.js").Range} Range
 * @typedef {import("./search-stream.js").Hit} Hit
 * @typedef {import("./finder.js").Pattern} Pattern
 */

const MOST_CHARACTERS = 2_000_000; // of lines whose ranges are kept
const MOST_RANGES = 100; // of a line

export class Matcher {
  /** What to look for; null for a regular expression. @type {RegExp | null} */
  #word = null;
  /** By text, the one that was heard of last behind the others. @type {Map<string, Range[]>} */
  #known = new Map();
  #characters = 0;

  /** @param {Pattern} pattern */
  constructor({ q, regex, case: cases }) {
    if (!regex) this.#word = new RegExp(q.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&"), cases ? "gu" : "giu");
  }

  /** Whether the server has to be asked for what matches. */
  get isTold() {
    return this.#word === null;
  }

  /** Remember what matches in a hit, where all of its line is in it. Returns whether that is new. @param {Hit} hit */
  note({ text, ranges, skipped, cut }) {
    if (this.#word !== null || skipped > 0 || cut) return false;
    const isNew = !this.#known.delete(text);
    this.#known.set(text, ranges);
    if (!isNew) return false;
    this.#characters += text.length;
    for (const [oldest] of this.#known) {
      if (this.#characters <= MOST_CHARACTERS) break;
      this.#known.delete(oldest);
      this.#characters -= oldest.length;
    }
    return true;
  }

  /** What matches in a line, as far as is known. @param {string} line @returns {Range[]} */
  ranges(line) {
    if (this.#word === null) return this.#known.get(line) ?? [];
    /** @type {Range[]} */
    const found = [];
    for (const { index, 0: match } of line.matchAll(this.#word)) {
      if (found.length === MOST_RANGES) break;
      found.push([index, index + match.length]);
    }
    return found;
  }
}
