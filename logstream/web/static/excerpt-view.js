// An excerpt of a log on the page: whole lines around any place of it, with their numbers. More come while its reader
// scrolls, on either side, and those that are far away go: what it keeps is bounded, however large the log is.

import { sentenceOf } from "./answers.js";
import { firstWhere } from "./bisection.js";
import { setText } from "./elements.js";
import { ExcerptLines } from "./excerpt-lines.js";
import { bytes } from "./format.js";
import { numberLink, showNumber } from "./line-number.js";
import { lineRuns } from "./line-runs.js";
import { appendRuns, appendText } from "./runs.js";

/**
 * @typedef {import("./line-source.js").Line} Line
 * @typedef {import("./line-address.js").Marks} Marks
 * @typedef {{ element: HTMLElement, above: number }} Reading a line, and how much of its height is above what is in sight
 *
 * @typedef {object} Callbacks
 * @property {(elements: HTMLElement[]) => void} onLines lines have been made, or made anew
 * @property {() => void} onMove other lines are in sight, or the log has another size
 * @property {(line: HTMLElement, extend: boolean) => void} onNumber a line's number was chosen
 */

const BATCH = 100; // lines that are asked for at once
const SEARCHED = 400; // lines on each side among which one is chosen
const MOST_LINES = 600; // that are kept, but those that are near
const MOST_CHARACTERS = 1_000_000; // the same
const MARGIN = 1.5; // heights of the window that are to be there beyond what is in sight
const SLOW = 1_000; // milliseconds after which it is said that there is no answer yet
const AGAIN = 2_000; // milliseconds until something is asked for again

export class ExcerptView {
  /** Bytes of the log, as far as it is known. */
  size = 0;
  /** The lines that are marked. @type {Marks | null} */
  marks = null;
  #scroller;
  #source;
  #callbacks;
  #notice;
  #content = document.createElement("div");
  #lines = new ExcerptLines();
  #log = ""; // which one they are of
  /** Of each line. @type {HTMLElement[]} */
  #elements = [];
  /** @type {Reading | null} */
  #reading = null;
  #generation = 0; // of what is shown: what was asked for before is not for it
  /** In which directions something is being asked for. @type {Set<"above" | "below">} */
  #asking = new Set();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer = undefined;
  #failed = false; // the last question had no answer
  /** Asks again for what was to be shown, where there was no answer. @type {(() => Promise<boolean>) | null} */
  #missed = null;
  #active = false;
  #hasLostMarks = false; // as the log has begun anew

  /**
   * @param {HTMLElement} scroller
   * @param {HTMLElement} notice where it is said what is wrong
   * @param {import("./line-source.js").LineSource} source
   * @param {Callbacks} callbacks
   */
  constructor(scroller, notice, source, callbacks) {
    this.#scroller = scroller;
    this.#notice = notice;
    this.#source = source;
    this.#callbacks = callbacks;
    this.#content.className = "lines";
    scroller.append(this.#content);
    scroller.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    const observer = new ResizeObserver(() => this.#resized());
    observer.observe(scroller);
    observer.observe(this.#content);
    this.#content.addEventListener("click", (event) => this.#clicked(event));
    this.#content.addEventListener("keydown", (event) => this.#moveFocus(event));
  }

  /** The first line in sight; null where there is none. */
  get topLine() {
    return this.#lineOf(this.#indexAt(this.#scroller.getBoundingClientRect().top + 1));
  }

  /** The last line in sight; null where there is none. */
  get bottomLine() {
    return this.#lineOf(this.#indexAt(this.#scroller.getBoundingClientRect().bottom - 1));
  }

  /** All lines that there are now. */
  get elements() {
    return this.#elements;
  }

  /**
   * Show the line that has the byte at an offset: at the top, or with some lines above it.
   *
   * @param {number} offset
   * @param {{ anew?: boolean, share?: number, choose?: (lines: Line[]) => number }} options `anew`: whatever is there is
   *   asked for again. `share` of the window's height is above the line. `choose` has another line shown, of those around
   *   the offset, by its place
   * @returns {Promise<boolean>} whether it is shown: not where there is no answer, or something else is to be shown since
   */
  async show(offset, { anew = false, share = 0, choose } = {}) {
    this.#active = true;
    this.#generation += 1;
    this.#asking.clear();
    this.#missed = null;
    const generation = this.#generation;
    const held = anew || choose !== undefined ? -1 : this.#lines.indexOf(offset);
    if (held >= 0) {
      if (!this.#failed) this.say("");
      this.#scrollTo(held, share);
      return true;
    }
    const [before, after] = choose === undefined ? [BATCH / 2, BATCH] : [SEARCHED, SEARCHED];
    const waiting = setTimeout(() => {
      if (generation === this.#generation && !this.#failed) this.say("Waiting for the server …");
    }, SLOW);
    let answer;
    try {
      answer = await this.#source.around(offset, before, after);
    } catch (error) {
      if (generation !== this.#generation) return false;
      this.#missed = () => this.show(offset, { anew, share, choose });
      this.#fail(error);
      return false;
    } finally {
      clearTimeout(waiting);
    }
    if (generation !== this.#generation) return false;
    this.#generation += 1; // what was asked for meanwhile is for the lines before
    this.#asking.clear();
    this.#succeed();
    this.say(this.marks !== null && this.marks[0] >= answer.size ? shorter(answer.size, this.marks[0]) : "");
    this.size = answer.size;
    this.#log = answer.log;
    const found = choose?.(answer.lines) ?? answer.lines.findLastIndex((line) => line.offset <= offset);
    const first = Math.max(0, found - BATCH / 2);
    const lines = answer.lines.slice(first, found + BATCH);
    this.#lines.set(lines);
    this.#elements = lines.map((line) => this.#elementOf(line));
    if (this.#content.contains(document.activeElement)) this.#scroller.focus({ preventScroll: true });
    this.#content.replaceChildren(...this.#elements);
    this.#renumber();
    this.#scrollTo(found - first, share);
    this.#callbacks.onLines(this.#elements);
    this.#callbacks.onMove();
    if (lines.length === 0) this.#later();
    return true;
  }

  /** Nobody looks: ask for nothing. */
  leave() {
    this.#active = false;
    this.#generation += 1;
    this.#asking.clear();
    clearTimeout(this.#timer);
    this.#lines.set([]);
    this.#elements = [];
    this.#content.replaceChildren();
    this.#reading = null;
    this.say("");
  }

  /** The log has another size now. @param {number} size */
  grow(size) {
    this.size = size;
    if (this.#active) this.#fill();
  }

  /** Mark lines. @param {Marks | null} marks */
  mark(marks) {
    this.#hasLostMarks = false;
    this.marks = marks;
    for (const element of this.#elements) this.#showMark(element);
  }

  /** Put the focus on a line's number: the first marked one, or else the first in sight. */
  focusNumber() {
    const top = this.#scroller.getBoundingClientRect().top;
    const inSight = this.#elements.slice(Math.max(0, this.#indexAt(top + 1)));
    const line = inSight.find((element) => element.classList.contains("marked")) ?? inSight.at(0);
    line?.querySelector("a")?.focus({ preventScroll: true });
  }

  /** Say something above the lines. @param {string} text nothing, where it is empty */
  say(text) {
    setText(this.#notice, text);
    this.#notice.hidden = text === "";
  }

  // Lines on the page

  /** @param {Line} line */
  #elementOf({ offset, end, text, open }) {
    const element = document.createElement("div");
    element.className = "line";
    element.dataset.offset = `${offset}`;
    element.dataset.end = `${end}`;
    const number = numberLink(offset);
    const content = document.createElement("span");
    content.className = "text";
    appendRuns(content, lineRuns(text), open);
    if (!open) appendText(content, "\n");
    element.append(number, content);
    this.#showMark(element);
    return element;
  }

  /** @param {HTMLElement} element */
  #showMark(element) {
    const [from, to] = this.marks ?? [-1, -1];
    const isMarked = Number(element.dataset.offset) <= to && from < Number(element.dataset.end);
    element.classList.toggle("marked", isMarked);
    if (isMarked) element.firstElementChild?.setAttribute("aria-current", "true");
    else element.firstElementChild?.removeAttribute("aria-current");
  }

  /** Show which numbers lines have, as far as that is known; a part of a line has none of its own. */
  #renumber() {
    const { lines } = this.#lines;
    for (const [index, line] of lines.entries()) {
      const element = this.#elements[index];
      const isPart = index > 0 && lines[index - 1].open === true;
      showNumber(/** @type {HTMLElement} */ (element.firstElementChild), line, isPart);
      if (line.line !== null) element.dataset.line = `${line.line}`;
    }
    const last = this.#lines.last?.line ?? null;
    this.#content.style.setProperty("--digits", `${Math.max(3, `${last ?? ""}`.length)}`);
    if (lines.length > 0 && last === null) this.#later();
  }

  // Where the reader is

  /** The place of the last line that begins above a height of the window; 0 if none does, -1 without lines. @param {number} height */
  #indexAt(height) {
    const { length } = this.#elements;
    const after = firstWhere(length, (at) => this.#elements[at].getBoundingClientRect().top > height);
    return Math.min(Math.max(0, after - 1), length - 1);
  }

  /** @param {number} index @returns {Line | null} */
  #lineOf(index) {
    return this.#lines.lines[index] ?? null;
  }

  #note() {
    const top = this.#scroller.getBoundingClientRect().top;
    const element = this.#elements[this.#indexAt(top)];
    if (element === undefined) return;
    const rect = element.getBoundingClientRect();
    this.#reading = { element, above: (top - rect.top) / (rect.height || 1) };
  }

  /** What is read is where it was. */
  #restore() {
    if (this.#reading === null || !this.#reading.element.isConnected) return;
    const { element, above } = this.#reading;
    const rect = element.getBoundingClientRect();
    const away = rect.top + above * rect.height - this.#scroller.getBoundingClientRect().top;
    if (Math.abs(away) >= 0.5) this.#scroller.scrollTop += away;
  }

  /** @param {number} index @param {number} share of the window's height that is above it */
  #scrollTo(index, share) {
    const element = this.#elements[index];
    if (element === undefined) return;
    const { top, height } = this.#scroller.getBoundingClientRect();
    this.#scroller.scrollTop += element.getBoundingClientRect().top - top - share * height;
    this.#note();
    this.#fill();
  }

  #scrolled() {
    if (!this.#active) return;
    this.#note();
    this.#fill();
    this.#callbacks.onMove();
  }

  #resized() {
    if (!this.#active) return;
    this.#restore();
    this.#fill();
    this.#callbacks.onMove();
  }

  // More lines

  /** Ask for what is missing around what is in sight. */
  #fill() {
    const { first, last } = this.#lines;
    if (!this.#active || this.#failed || first === undefined || last === undefined) return;
    const { scrollTop, scrollHeight, clientHeight } = this.#scroller;
    if (first.offset > 0 && scrollTop < MARGIN * clientHeight) this.#extend("above");
    const below = scrollHeight - clientHeight - scrollTop;
    if (last.end !== this.size && below < MARGIN * clientHeight) this.#extend("below");
  }

  /** @param {"above" | "below"} side */
  async #extend(side) {
    const { first, last } = this.#lines;
    if (this.#asking.has(side) || first === undefined || last === undefined) return;
    this.#asking.add(side);
    const generation = this.#generation;
    const isAbove = side === "above";
    let answer;
    try {
      answer = await this.#source.around(isAbove ? first.offset : last.offset, isAbove ? BATCH : 0, isAbove ? 0 : BATCH);
    } catch (error) {
      if (generation !== this.#generation) return;
      this.#asking.delete(side);
      this.#fail(error);
      return;
    }
    if (generation !== this.#generation) return;
    this.#asking.delete(side);
    this.#succeed();
    this.size = answer.size;
    const isOther = answer.log !== this.#log;
    const lines = isOther ? null : isAbove ? this.#lines.prepend(answer.lines) : this.#lines.append(answer.lines);
    if (lines === null) {
      this.restart();
      return;
    }
    const elements = lines.map((line) => this.#elementOf(line));
    this.#note();
    if (isAbove) {
      this.#content.prepend(...elements);
      this.#elements.unshift(...elements);
    } else {
      if (lines.length > 0 && this.#elements.at(-1)?.dataset.offset === `${lines[0].offset}`) this.#replaceLast(elements);
      else this.#elements.push(...elements);
      this.#content.append(...elements);
    }
    this.#renumber();
    this.#restore();
    this.#trim(side);
    this.#restore();
    if (elements.length > 0) this.#callbacks.onLines(elements);
    this.#callbacks.onMove();
    this.#fill();
  }

  /** The last line has gone on. @param {HTMLElement[]} elements it and what follows it */
  #replaceLast(elements) {
    const last = this.#elements.pop();
    if (this.#reading !== null && this.#reading.element === last) this.#reading.element = elements[0];
    last?.remove();
    this.#elements.push(...elements);
  }

  /** Let go of lines that are far from those in sight. @param {"above" | "below"} side where lines have come */
  #trim(side) {
    const { top, bottom, height } = this.#scroller.getBoundingClientRect();
    const far = (MARGIN + 1) * height; // nearer ones would be asked for again
    const [firstSeen, lastSeen] = [this.#indexAt(top - far), this.#indexAt(bottom + far)];
    let count = 0;
    let { length } = this.#lines.lines;
    let { characters } = this.#lines;
    const most = side === "above" ? length - lastSeen - 2 : firstSeen - 1;
    while (count < most && (length > MOST_LINES || characters > MOST_CHARACTERS)) {
      characters -= this.#lines.lines[side === "above" ? length - 1 : count].text.length;
      length -= 1;
      count += 1;
    }
    if (count <= 0) return;
    const gone = side === "above" ? this.#elements.splice(-count) : this.#elements.splice(0, count);
    if (side === "above") this.#lines.dropLast(count);
    else this.#lines.dropFirst(count);
    if (gone.some((element) => element.contains(document.activeElement))) this.#scroller.focus({ preventScroll: true });
    for (const element of gone) element.remove();
  }

  /** The log is not what it was: show what is there now, where the reader is. */
  async restart() {
    if (!this.#active) return;
    this.#hasLostMarks ||= this.marks !== null;
    const hasLostMarks = this.#hasLostMarks;
    this.mark(null);
    this.#hasLostMarks = hasLostMarks;
    if (!(await this.show(this.topLine?.offset ?? 0, { anew: true }))) return;
    this.say(`The log has begun anew.${hasLostMarks ? " What was marked is no longer in it." : ""}`);
  }

  /** @param {unknown} error */
  #fail(error) {
    this.#failed = true;
    this.say(sentenceOf(error));
    this.#later();
  }

  #succeed() {
    if (this.#failed) this.say("");
    this.#failed = false;
  }

  /**
   * Ask in a while for what was not known: numbers, while the server counts, or lines, where there was no answer, or none
   * of them.
   */
  #later() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#askAgain(), AGAIN);
  }

  async #askAgain() {
    const { last } = this.#lines;
    if (!this.#active) return;
    if (document.hidden) {
      this.#later();
      return;
    }
    if (this.#missed !== null) {
      this.#missed();
      return;
    }
    if (last === undefined) {
      const said = this.#notice.textContent ?? "";
      if (await this.show(0, { anew: true })) this.say(said);
      return;
    }
    const generation = this.#generation;
    try {
      const answer = await this.#source.around(last.offset, 0, 0);
      if (generation !== this.#generation) return;
      this.#succeed();
      const [line] = answer.lines;
      if (answer.log !== this.#log || line?.offset !== last.offset) {
        this.restart();
        return;
      }
      this.#lines.number(line);
      this.#renumber();
      this.#callbacks.onMove();
      this.#fill();
    } catch (error) {
      if (generation === this.#generation) this.#fail(error);
    }
  }

  // Numbers that are chosen

  /** @param {MouseEvent} event */
  #clicked(event) {
    const number = event.target instanceof Element ? event.target.closest("a.number") : null;
    if (number === null || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    this.#callbacks.onNumber(/** @type {HTMLElement} */ (number.parentElement), event.shiftKey);
  }

  /** From number to number. @param {KeyboardEvent} event */
  #moveFocus(event) {
    const number = event.target instanceof Element ? event.target.closest("a.number") : null;
    if (number === null || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key !== "ArrowUp" && event.key !== "ArrowDown") return;
    event.preventDefault();
    const { previousElementSibling, nextElementSibling } = number.parentElement ?? {};
    const line = event.key === "ArrowUp" ? previousElementSibling : nextElementSibling;
    line?.querySelector("a")?.focus();
  }
}

/** @param {number} size @param {number} offset */
function shorter(size, offset) {
  return `The log ends before the marked place: it has ${bytes(size)} now, and the place is ${bytes(offset)} from its beginning.`;
}
