// Some neighbouring hits out of however many there are: more on both sides when they are asked for, and at the end when the
// log has grown. So many are kept at most.

import { SearchError } from "./search-stream.js";
import { SENT_AWAY } from "./turns.js";

const ANEW = 3000; // milliseconds until it is tried again to load what could not be

/**
 * @typedef {import("./search-stream.js").Hit} Hit
 * @typedef {import("./finder.js").Finder} Finder
 * @typedef {"before" | "after"} Side
 * @typedef {{ page: number, most: number, context: number }} Bounds how many hits are loaded at once and kept, and how many
 *   lines are around each
 */

export class HitWindow {
  /** The first one first. @type {Hit[]} */
  hits = [];
  /** Whether there are no more on that side. @type {Record<Side, boolean>} */
  isAll = { before: false, after: false };
  #finder;
  #bounds;
  #onChange;
  #ended = new AbortController();
  #place = 0; // that there are hits on both sides of
  /** What is being loaded, or will be, on each side. @type {Record<Side, Promise<void> | null>} */
  #loading = { before: null, after: null };
  /** The last of that: one is done after the other. */
  #last = Promise.resolve();
  /** Why nothing more could be loaded, in a sentence. @type {string | null} */
  error = null;
  /** From where on hits may have changed, as the log has grown. */
  #changed = Infinity;
  #isBehind = false; // whether that is to be loaded at once

  /**
   * @param {Finder} finder
   * @param {number} place that hits are shown around at first
   * @param {Bounds} bounds
   * @param {() => void} onChange called when there are other hits
   */
  constructor(finder, place, bounds, onChange) {
    this.#finder = finder;
    this.#place = place;
    this.#bounds = bounds;
    this.#onChange = onChange;
  }

  /** Whether more are on their way. */
  get isLoading() {
    return this.#loading.before !== null || this.#loading.after !== null;
  }

  /** Load nothing more. */
  close() {
    this.#ended.abort(new DOMException("nobody looks any more", "AbortError"));
  }

  /** Load some more on a side, unless that is being done. @param {Side} side @returns {Promise<void>} */
  load(side) {
    if (this.#loading[side] === null) {
      this.#last = this.#last.then(() => this.#load(side));
      this.#loading[side] = this.#last;
    }
    return this.#last;
  }

  /** The log has grown: there may be other hits from a place on. @param {number} from */
  grown(from) {
    this.#changed = Math.min(this.#changed, from);
    if (!this.isAll.after && this.#loading.after === null) return; // they come when they are asked for
    this.isAll.after = false;
    this.#isBehind = true;
    this.load("after");
  }

  /** @param {Side} side */
  async #load(side) {
    try {
      if (!this.isAll[side]) await (side === "before" ? this.#loadBefore() : this.#loadAfter());
      this.error = null;
    } catch (error) {
      if (this.#ended.signal.aborted || error === SENT_AWAY) return;
      if (!(error instanceof SearchError)) throw error;
      this.error = error.message;
      if (!error.isWrong) setTimeout(() => this.#ended.signal.aborted || this.load(side), ANEW);
    } finally {
      this.#loading[side] = null;
    }
    this.#onChange();
    if (this.#isBehind && this.#changed < Infinity && this.error === null) this.load("after");
    else this.#isBehind = false;
  }

  async #loadBefore() {
    const { page, context } = this.#bounds;
    const place = this.hits[0]?.offset ?? this.#place;
    const { hits, isAll } = await this.#finder.page("before", place, page, context, this.#ended.signal);
    this.hits.unshift(...hits);
    this.isAll.before = isAll;
    const over = this.hits.length - this.#bounds.most;
    if (over <= 0) return;
    this.hits.length -= over;
    this.isAll.after = false;
  }

  async #loadAfter() {
    const { page, context } = this.#bounds;
    const changed = this.#changed;
    this.#changed = Infinity;
    // What has less around it than there may be now, or something else, is loaded again.
    const isOld = (/** @type {Hit} */ hit) =>
      hit.offset >= changed || hit.after.length < context || (hit.after.at(-1)?.end ?? 0) > changed;
    const old = changed === Infinity ? -1 : this.hits.findIndex(isOld);
    const kept = old < 0 ? this.hits.length : old;
    const place = this.hits[kept]?.offset ?? Math.min(changed, this.hits.at(-1)?.end ?? this.#place);
    const finding = this.#finder.page("after", place, page, context, this.#ended.signal);
    const { hits, isAll } = await finding.catch((error) => {
      this.#changed = Math.min(this.#changed, changed); // it is still to be found
      throw error;
    });
    this.hits.splice(kept, Infinity, ...hits);
    this.isAll.after = isAll && this.#changed === Infinity;
    const over = this.hits.length - this.#bounds.most;
    if (over <= 0) return;
    this.hits.splice(0, over);
    this.isAll.before = false;
  }
}
