// What is read of a log, and where in it: its end, live, as a terminal shows it, or an excerpt of it from anywhere.
//
// The live view keeps what it keeps, and follows the log in the background while an excerpt is shown. An excerpt is asked
// for when it is wanted.

import { setText } from "./elements.js";
import { ExcerptView } from "./excerpt-view.js";
import { hashOf, marksOf } from "./line-address.js";
import { nearest } from "./line-offsets.js";
import { LineSource } from "./line-source.js";
import { PlaceBar, placeText } from "./place-bar.js";
import { watchPastTheTop } from "./scrolling-up.js";

/**
 * @typedef {import("./line-address.js").Marks} Marks the offsets of the first line and the last one that are marked
 * @typedef {import("./view.js").LogView} LogView
 *
 * @typedef {object} Parts of the page
 * @property {HTMLElement} views what both views and the bar are in
 * @property {HTMLElement} log where the live view is
 * @property {HTMLElement} excerpt where excerpts are
 * @property {HTMLElement} notice where it is said what is wrong with them
 * @property {HTMLElement} bar the scroll bar
 * @property {HTMLElement} place where it is said where one is
 */

const SHARE = 0.3; // of the window's height that is above a line that was marked
const NEAR = 300; // lines that are asked for beyond the one whose offset is known

/**
 * Goes to any place of a session's log. Other parts of the page use it: offsets are bytes of the log, and a line of an
 * excerpt is an element `.line` with `data-offset`, `data-end` (the next line's offset), `data-line` (its number, where it
 * is known), its number in `a.number` and its text, without escape sequences, in `.text`.
 */
export class Reader {
  /** How large the log is. */
  size = 0;
  /** Bytes at the beginning of the log that the live view has not. */
  #missing = false;
  #parts;
  #live;
  #excerpt;
  #bar;
  #isLive = true;
  /** Where to go when the server has answered. @type {{ show: () => Promise<boolean>, done: (isShown: boolean) => void } | null} */
  #next = null;
  #going = false;
  #wishes = 0; // how often a place was wanted
  /** @type {((elements: HTMLElement[]) => void)[]} */
  #onLines = [];
  /** @type {(() => void)[]} */
  #onMove = [];
  /** @type {(() => void)[]} */
  #onRestart = [];

  /** @param {string} url of the session's page, without what is behind its path @param {LogView} live @param {Parts} parts */
  constructor(url, live, parts) {
    this.#parts = parts;
    this.#live = live;
    this.#excerpt = new ExcerptView(parts.excerpt, parts.notice, new LineSource(url), {
      onLines: (elements) => this.#tell(this.#onLines, elements),
      onMove: () => this.#moved(),
      onNumber: (line, extend) => this.#choose(line, extend),
    });
    this.#bar = new PlaceBar(parts.bar, { onGo: (offset) => this.goTo(offset), onEnd: () => this.goLive() });
    parts.log.addEventListener("scroll", () => this.#moved(), { passive: true });
    watchPastTheTop(parts.log, () => {
      if (this.#isLive && this.#missing) this.goToLines();
    });
    addEventListener("hashchange", () => this.#addressChanged());
    this.#openAddress();
  }

  /** Whether the live view is shown, and not an excerpt. */
  get isLive() {
    return this.#isLive;
  }

  /** The offset of the first line in sight: in the live view about that; null where nothing is. @returns {number | null} */
  get topOffset() {
    return (this.#isLive ? this.#live.place?.estimate : this.#excerpt.topLine?.offset) ?? null;
  }

  /** The lines that are marked, and in the address; null if none are. @returns {Marks | null} */
  get marks() {
    return this.#excerpt.marks;
  }

  /** The lines of the excerpt that there are now; none in the live view. @returns {readonly HTMLElement[]} */
  get lines() {
    return this.#excerpt.elements;
  }

  /**
   * Show the line that has the byte at an offset, at the top of an excerpt, or with some lines above it where lines are
   * marked. Of several that are asked for while the server does not answer, the last one is shown.
   *
   * @param {number} offset
   * @param {{ mark?: Marks | null }} options `mark`: mark these lines, and put them into the address; null: mark none;
   *   else what is marked stays so
   * @returns {Promise<boolean>} whether it is shown; else it is said why not, and tried again
   */
  async goTo(offset, { mark } = {}) {
    this.look();
    this.#leaveLive();
    if (mark !== undefined) this.mark(mark);
    return this.#go(() => this.#excerpt.show(offset, { share: mark ? SHARE : 0 }));
  }

  /** Show the first line of the log, in the live view where that has it. */
  goToBeginning() {
    if (!this.#isLive || this.#missing) return this.goTo(0);
    this.look();
    this.#live.goToTop();
    return true;
  }

  /** Show the lines of the log, with their numbers, at the place where the reader is. */
  async goToLines() {
    const place = this.#live.place;
    if (!this.#isLive) return true;
    this.look();
    this.#leaveLive();
    if (place === null) return this.#go(() => this.#excerpt.show(Math.max(0, this.size - 1)));
    const isNear = place.lines < NEAR;
    const offset = isNear ? place.offset : place.estimate;
    return this.#go(() =>
      this.#excerpt.show(offset, {
        choose(lines) {
          const at = lines.findLastIndex((line) => line.offset <= offset);
          return nearest(lines.map(({ text }) => text), at + (isNear ? place.lines : 0), place.text);
        },
      }),
    );
  }

  /** Put the focus on the first marked line's number, or else the first in sight. */
  focusNumber() {
    this.#excerpt.focusNumber();
  }

  /** Show the end, live. */
  goLive() {
    this.look();
    this.#next?.done(false);
    this.#next = null;
    if (!this.#isLive) {
      this.#isLive = true;
      this.#excerpt.leave();
      this.#parts.views.dataset.view = "live";
      this.#parts.log.focus({ preventScroll: true });
    }
    this.#live.follow();
    this.#moved();
  }

  /** Mark lines, and put them into the address. @param {Marks | null} marks */
  mark(marks) {
    this.#excerpt.mark(marks);
    this.#address(marks);
  }

  /** @param {Marks | null} marks that the address is to name */
  #address(marks) {
    const { pathname, search } = location;
    history.replaceState(history.state, "", marks === null ? pathname + search : hashOf(marks));
  }

  /** Be told of lines that have been made for an excerpt, or made anew. @param {(elements: HTMLElement[]) => void} listener */
  onLines(listener) {
    this.#onLines.push(listener);
  }

  /** Be told when other lines are in sight, the other view is shown, or the log has another size. @param {() => void} listener */
  onMove(listener) {
    this.#onMove.push(listener);
  }

  /** Be told when the log begins anew: offsets from before are of another text. @param {() => void} listener */
  onRestart(listener) {
    this.#onRestart.push(listener);
  }

  /** A place is looked for, to go there. @returns {() => boolean} whether that is still wanted, and no other place since */
  look() {
    this.#wishes += 1;
    const wish = this.#wishes;
    return () => wish === this.#wishes;
  }

  // What the page tells

  /** The log has this size now. @param {number} size @param {boolean} missing whether the live view has not all of it */
  grown(size, missing) {
    const isOther = size !== this.size || missing !== this.#missing;
    this.size = size;
    this.#missing = missing;
    if (!isOther) return;
    if (!this.#isLive) this.#excerpt.grow(size);
    this.#moved();
  }

  /** The log was truncated, rewritten or replaced. */
  restarted() {
    if (!this.#isLive) this.#excerpt.restart();
    else this.#excerpt.mark(null);
    if (marksOf(location.hash) !== null) this.#address(null);
    for (const listener of this.#onRestart) listener();
  }

  // Going there

  #leaveLive() {
    if (!this.#isLive) return;
    const hadFocus = this.#parts.log.contains(document.activeElement) || document.activeElement === document.body;
    this.#isLive = false;
    this.#excerpt.size = this.size;
    this.#parts.views.dataset.view = "excerpt";
    if (hadFocus) this.#parts.excerpt.focus({ preventScroll: true });
    this.#moved();
  }

  /** Go there once the server has answered what it is asked now, unless another place is wanted then. @param {() => Promise<boolean>} show @returns {Promise<boolean>} */
  #go(show) {
    this.#next?.done(false);
    return new Promise((done) => {
      this.#next = { show, done };
      if (!this.#going) this.#goOn();
    });
  }

  async #goOn() {
    this.#going = true;
    while (this.#next !== null) {
      const { show, done } = this.#next;
      this.#next = null;
      done(await show());
    }
    this.#going = false;
  }

  /** Go to what the address names. Returns whether it names lines. */
  #openAddress() {
    const marks = marksOf(location.hash);
    if (marks !== null) this.goTo(marks[0], { mark: marks });
    return marks !== null;
  }

  /** The reader has gone back, say: what the address without lines leads to is the end. */
  #addressChanged() {
    if (this.#openAddress()) return;
    this.#excerpt.mark(null);
    if (!this.#isLive) this.goLive();
  }

  /** @param {HTMLElement} line whose number was chosen @param {boolean} extend whether it ends what begins at the marked line */
  #choose(line, extend) {
    const offset = Number(line.dataset.offset);
    const { marks } = this;
    if (!extend || marks === null) this.mark([offset, offset]);
    else if (offset < marks[0]) this.mark([offset, marks[1]]);
    else this.mark([marks[0], offset]);
  }

  #moved() {
    const { views, bar, place } = this.#parts;
    bar.hidden = this.#isLive && !this.#missing;
    views.dataset.bar = `${!bar.hidden}`;
    const first = this.#isLive ? null : this.#excerpt.topLine;
    const line = first?.line ?? null;
    const size = this.#isLive ? this.size : this.#excerpt.size;
    let [top, bottom] = [size, size];
    if (!this.#isLive) {
      top = first?.offset ?? 0;
      bottom = this.#excerpt.bottomLine?.end ?? top;
    } else if (!bar.hidden && !this.#live.following) {
      top = bottom = this.topOffset ?? size;
    }
    if (!bar.hidden) this.#bar.show(size, top, bottom, line);
    setText(place, this.#isLive ? "" : placeText(size, top, line));
    for (const listener of this.#onMove) listener();
  }

  /** @template T @param {((value: T) => void)[]} listeners @param {T} value */
  #tell(listeners, value) {
    for (const listener of listeners) listener(value);
  }
}
