// Finds all hits of one pattern in one session's log, while that grows, and first of all what somebody asks for. Asks the
// server for one search at a time, so that there is room for others.

import { FoundHits } from "./found-hits.js";
import { SearchError } from "./search-stream.js";
import { SENT_AWAY, Turns } from "./turns.js";

/**
 * @typedef {import("./search-stream.js").Hit} Hit
 * @typedef {import("./search-stream.js").Query} Query
 * @typedef {import("./search-stream.js").End} End
 * @typedef {import("./search-stream.js").Options} Options
 * @typedef {import("./found-hits.js").Place} Place
 * @typedef {{ q: string, regex: boolean, case: boolean }} Pattern
 * @typedef {{ from?: number, to?: number, limit?: number, context?: number, reverse?: boolean }} Part of a log, and how
 * @typedef {{ hits: Hit[], isAll: boolean }} Page neighbouring hits in order, and whether there are no more on that side
 * @typedef {{ hit: Place, wrapped: boolean }} Step a next hit, and whether it was looked for from the other end on
 * @typedef {{ search: (query: Query, options: Options) => Promise<End>, lineAt: (place: number) => Promise<number> }} Server
 *   `lineAt` tells where the line begins that a place is in
 */

export const MOST_COUNTED = 10_000; // hits that are looked for without being asked for
const MOST_OF_ONE = 1000; // hits of one such search
const GROWTH = 400; // milliseconds after which what a log has grown by is searched
const ANEW = 3000; // milliseconds until a search that has failed is tried again

const [COUNTING, LISTING, STEPPING] = [0, 1, 2]; // how urgent a search is

export class Finder {
  #server;
  #pattern;
  #onChange;
  #found = new FoundHits();
  #turns = new Turns();
  #ended = new AbortController();
  #stepping = new AbortController();
  #size; // of the log, as far as it has been looked at
  #grown; // and now
  #reopened = Infinity; // from where on the log has grown since the current search began, which may not have seen that
  #wantsAll = false;
  #isCounting = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #growing = undefined;
  /** Told of each hit, whatever it was found for. @type {((hit: Hit) => void) | null} */
  onHit = null;
  /** Told from where on the log has changed when it has grown. @type {((from: number) => void) | null} */
  onGrown = null;
  /** Why nothing more is found. @type {SearchError | null} */
  error = null;
  /** Whether the server has too many searches to do. */
  isBusy = false;

  /**
   * @param {Server} server
   * @param {Pattern} pattern
   * @param {number} size of the log
   * @param {() => void} onChange called when more is known
   */
  constructor(server, pattern, size, onChange) {
    this.#server = server;
    this.#pattern = pattern;
    this.#size = this.#grown = size;
    this.#onChange = onChange;
  }

  /** How many hits are known. */
  get count() {
    return this.#found.count;
  }

  /** Whether these are all. */
  get isComplete() {
    return this.#found.gap(this.#size) === null;
  }

  /** How much of the log has been searched, of 1. */
  get share() {
    return this.#size === 0 ? 1 : Math.min(1, this.#found.searched / this.#size);
  }

  /** Which hit a place is, from 1 on; null where hits before it may not be known. @param {number} place */
  numberOf(place) {
    return this.#found.has(place) && this.#found.gap(place) === null ? this.#found.rank(place) + 1 : null;
  }

  /** End all searches. */
  close() {
    clearTimeout(this.#growing);
    this.#ended.abort(SENT_AWAY);
  }

  /** Look from now on for hits that nobody asks for, so that they are counted. */
  async countAll() {
    this.#wantsAll = true;
    if (this.#isCounting) return;
    this.#isCounting = true;
    while (!this.#ended.signal.aborted && this.count < MOST_COUNTED) {
      if (this.isComplete) break;
      try {
        await this.#run(COUNTING, () => ({ ...this.#found.gap(this.#size), limit: MOST_OF_ONE }), this.#ended.signal);
      } catch (error) {
        if (error === SENT_AWAY) continue;
        if (this.#fail(error)) break;
        await new Promise((resolve) => setTimeout(resolve, ANEW));
      }
    }
    this.#isCounting = false;
  }

  /** The log has another size now. @param {number} size */
  grow(size) {
    if (size <= this.#grown || this.#ended.signal.aborted) return;
    this.#grown = size;
    this.#growing ??= setTimeout(() => this.#searchGrowth(), GROWTH);
  }

  /** Look at once at what a log has grown by. @param {number} size */
  async catchUp(size) {
    if (size <= this.#size) return;
    clearTimeout(this.#growing);
    this.#grown = Math.max(size, this.#grown);
    await this.#searchGrowth();
  }

  async #searchGrowth() {
    const size = this.#size;
    let from = size;
    try {
      if (size > 0) from = await this.#server.lineAt(size - 1); // that line may have grown
      this.#size = this.#grown;
      if (!this.error?.isWrong) this.error = null;
    } catch (error) {
      this.#fail(error);
    }
    this.#growing = undefined;
    if (this.#ended.signal.aborted) return;
    if (this.#size === size) {
      this.#growing = setTimeout(() => this.#searchGrowth(), ANEW);
      return;
    }
    this.#found.reopen(from);
    this.#reopened = Math.min(this.#reopened, from);
    this.onGrown?.(from);
    this.#onChange();
    if (this.#wantsAll) this.countAll();
  }

  /**
   * The first hit that begins at a place or behind it; or else the first one of all; null where there is none.
   *
   * @param {number} place
   * @returns {Promise<Step | null>}
   * @throws {SearchError}
   */
  next(place) {
    return this.#step((signal) => this.#forward(place, signal), (signal) => this.#forward(0, signal));
  }

  /**
   * The last hit that begins before a place; or else the last one of all; null where there is none.
   *
   * @param {number} place
   * @returns {Promise<Step | null>}
   * @throws {SearchError}
   */
  previous(place) {
    return this.#step((signal) => this.#backward(place, signal), (signal) => this.#backward(this.#size, signal));
  }

  /**
   * @param {(signal: AbortSignal) => Promise<Place | null>} near
   * @param {(signal: AbortSignal) => Promise<Place | null>} far
   * @returns {Promise<Step | null>}
   */
  async #step(near, far) {
    this.#stepping.abort(SENT_AWAY); // whoever goes on does not wait for that
    this.#stepping = new AbortController();
    const signal = AbortSignal.any([this.#stepping.signal, this.#ended.signal]);
    const hit = await near(signal);
    if (hit !== null) return { hit, wrapped: false };
    const other = await far(signal);
    return other === null ? null : { hit: other, wrapped: true };
  }

  /** @param {number} place @param {AbortSignal} signal @returns {Promise<Place | null>} */
  async #forward(place, signal) {
    for (;;) {
      const { hit, from } = this.#found.next(place);
      if (hit !== null || from >= this.#size) return hit;
      await this.#run(STEPPING, () => ({ from: this.#found.next(place).from, limit: 1 }), signal);
    }
  }

  /** @param {number} place @param {AbortSignal} signal @returns {Promise<Place | null>} */
  async #backward(place, signal) {
    for (;;) {
      const { hit, to } = this.#found.previous(place);
      if (hit !== null || to <= 0) return hit;
      await this.#run(STEPPING, () => ({ to: this.#found.previous(place).to, limit: 1, reverse: true }), signal);
    }
  }

  /**
   * Hits beside a place, with what stands around them.
   *
   * @param {"before" | "after"} side those that begin before the place, or at it and behind
   * @param {number} place
   * @param {number} limit
   * @param {number} context lines
   * @param {AbortSignal} signal
   * @returns {Promise<Page>}
   * @throws {SearchError}
   */
  async page(side, place, limit, context, signal) {
    const reverse = side === "before";
    const both = AbortSignal.any([signal, this.#ended.signal]);
    /** @type {Hit[]} */
    const hits = [];
    /** Where to go on: what is known to have no hits is not read. */
    const ahead = () => {
      const last = hits.at(-1);
      const from = last === undefined ? place : reverse ? last.offset : last.end;
      if (!reverse) {
        const known = this.#found.next(from);
        return { from: known.hit?.offset ?? known.from, isAll: known.hit === null && known.from >= this.#size };
      }
      const known = this.#found.previous(from);
      return { to: known.hit?.end ?? known.to, isAll: known.hit === null && known.to <= 0 };
    };
    let more = true;
    while (more && hits.length < limit && !ahead().isAll) {
      const plan = () => {
        const { from, to } = ahead();
        return { ...(reverse ? { to } : { from }), limit: limit - hits.length, context, reverse };
      };
      try {
        ({ more } = await this.#run(LISTING, plan, both, (hit) => hits.push(hit)));
      } catch (error) {
        if (error !== SENT_AWAY || both.aborted) throw error;
      }
    }
    const isAll = !more || ahead().isAll;
    return { hits: reverse ? hits.reverse() : hits, isAll };
  }

  /**
   * Search a part, whose hits `onHit` is told, whatever else has been searched.
   *
   * @param {number} from where a line begins
   * @param {number} to
   * @throws {SearchError}
   */
  async look(from, to) {
    await this.#run(LISTING, () => ({ from, to, limit: MOST_COUNTED }), this.#ended.signal);
  }

  /**
   * Search a part of the log, and note what is known by that.
   *
   * @param {number} urgency
   * @param {() => Part} plan which part, asked when it is its turn
   * @param {AbortSignal} signal
   * @param {(hit: Hit) => void} onHit
   * @returns {Promise<End>}
   */
  #run(urgency, plan, signal, onHit = () => {}) {
    return this.#turns.take(urgency, signal, async (turn) => {
      if (this.error?.isWrong) throw this.error;
      const part = plan();
      const { from = 0, to = Infinity, reverse = false } = part;
      this.#reopened = Infinity;
      const cover = (/** @type {number} */ place) => {
        const [first, last] = reverse ? [place, to] : [from, place];
        this.#found.cover(first, Math.min(last, this.#reopened));
      };
      const searching = this.#server.search(
        { ...this.#pattern, ...part },
        {
          signal: turn,
          onHit: (hit) => {
            if (hit.offset < this.#reopened) this.#found.add(hit);
            cover(reverse ? hit.offset : hit.end);
            this.#succeed();
            onHit(hit);
            this.onHit?.(hit);
          },
          onRead: (bytes) => {
            cover(reverse ? to - bytes : from + bytes);
            this.#succeed();
          },
          onBusy: () => {
            this.isBusy = true;
            this.#onChange();
          },
        },
      );
      const end = await searching.catch((error) => {
        if (error instanceof SearchError && error.isWrong) this.#fail(error);
        throw error;
      });
      if (!end.more) cover(reverse ? from : Math.min(to, Math.max(this.#size, from + end.read)));
      this.#succeed();
      return end;
    });
  }

  #succeed() {
    this.isBusy = false;
    this.error = null;
    this.#onChange();
  }

  /** Note why a search has failed. Returns whether another try makes no sense. @param {unknown} error */
  #fail(error) {
    if (this.#ended.signal.aborted) return true;
    if (!(error instanceof SearchError)) throw error;
    this.error = error;
    this.#onChange();
    return error.isWrong;
  }
}
