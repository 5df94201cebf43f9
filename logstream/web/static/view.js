// A log on the page: what a terminal has in its history, in chunks that the browser need not lay out while they are out of
// sight, and its screen below, of which only lines that changed are painted.

import { ScriptRecording } from "./script-recording.js";
import { Terminal } from "./terminal.js";

/**
 * @typedef {import("./styles.js").Run} Run
 * @typedef {import("./styles.js").Style} Style
 * @typedef {{ from: number, to: number, characters: number, element: HTMLElement }} Chunk lines of the history, by number
 * @typedef {{ element: HTMLElement, ends: boolean }} Shown a line of the screen, and whether a newline is after it
 * @typedef {{ end: number, lines: { key: number, changed: boolean, runs: () => Run[] }[] }} Picture what a terminal shows:
 *   the history up to a line, and the screen
 */

export const MAX_LINES = 100_000; // that are kept
const MAX_CHARACTERS = 32_000_000; // that are kept
const CHUNK_LINES = 200;
const CHUNK_CHARACTERS = 64_000;
const LINES_AT_ONCE = 20; // between looks at how many characters a chunk has
const LONGEST_DRAWING = 1_000; // milliseconds that a program may take to draw before it is shown half done
const FRAME = 8; // milliseconds of a frame that may go into showing lines
const REST = 3; // times what a frame has cost that go to other work, such as reading on
const LONGEST_REST = 150; // milliseconds
const GLIDE = 500; // milliseconds that a scroll which has begun may still take
const NEAR = 8; // pixels from the end that count as at the end
const JITTER = 2; // pixels that a browser moves by itself when it rounds

/** Shows what a terminal would, and keeps to the end until its reader scrolls up. */
export class LogView {
  #scroller;
  #onChange;
  #recording = new ScriptRecording();
  #terminal = this.#blank({});
  /** @type {Chunk[]} */
  #chunks = [];
  #characters = 0; // in them
  #next = 0; // the first line of the history that is not shown
  /** The last picture that was whole, where a program is drawing the next one. @type {Picture | null} */
  #picture = null;
  #awaitsPicture = false;
  #drawing = 0; // since when nothing has been shown, as a program is drawing
  #content = document.createElement("div");
  #screen = document.createElement("div");
  /** The lines of the screen that are shown. @type {Map<number, Shown>} */
  #shown = new Map();
  #screenFrom = 0; // the number of the first of them
  #stale = false; // there is something to show
  #showing = false;
  #top = 0; // how far down the scroller was when it was last looked at
  #following = true;
  #gliding = 0; // until when scrolling up may be what began before the reader asked for the end
  /** Lines that are not kept any more. */
  dropped = 0;

  /**
   * @param {HTMLElement} scroller the element that the log is shown in, below what it holds already
   * @param {() => void} onChange called when `following` or `dropped` may have changed
   */
  constructor(scroller, onChange) {
    this.#scroller = scroller;
    this.#onChange = onChange;
    this.#content.className = "lines";
    this.#screen.className = "screen";
    this.#content.append(this.#screen);
    scroller.append(this.#content);
    scroller.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    const observer = new ResizeObserver(() => this.#keep());
    observer.observe(scroller);
    observer.observe(this.#content); // lines that come in sight have another height than was assumed
    for (const kind of ["wheel", "touchmove", "pointerdown", "keydown"]) {
      scroller.addEventListener(kind, () => (this.#gliding = 0), { passive: true });
    }
  }

  /** Whether the end stays in sight. */
  get following() {
    return this.#following;
  }

  /** What is known of the session. */
  get facts() {
    return this.#recording.facts;
  }

  /** Show nothing. */
  reset() {
    this.#recording = new ScriptRecording();
    this.#begin({});
    this.dropped = 0;
    this.#show();
  }

  /** Show some more output. @param {string} text */
  write(text) {
    const { columns, rows } = this.#recording.facts;
    const before = this.#recording.fromTerminal;
    const shown = this.#recording.read(text);
    const { facts, fromTerminal } = this.#recording;
    if (facts.columns !== columns || facts.rows !== rows) this.#terminal.resize(facts.columns ?? 80, facts.rows ?? 24);
    if (fromTerminal !== before) this.#terminal.convertEol = !fromTerminal;
    this.#terminal.write(shown);
    this.#show();
  }

  /** Go to the end, and stay there. */
  follow() {
    this.#gliding = performance.now() + GLIDE;
    this.#setFollowing(true);
    this.#keep();
  }

  /** @param {{ columns?: number, rows?: number }} size */
  #blank(size) {
    const terminal = new Terminal({ ...size, convertEol: true });
    terminal.history.limit(MAX_LINES, MAX_CHARACTERS);
    terminal.onDrawn = () => {
      if (this.#awaitsPicture) this.#picture = this.#look();
    };
    return terminal;
  }

  /** @param {{ columns?: number, rows?: number }} size */
  #begin(size) {
    this.#terminal = this.#blank(size);
    for (const chunk of this.#chunks) chunk.element.remove();
    this.#chunks = [];
    this.#characters = this.#next = 0;
    this.#picture = null;
    this.#shown.clear();
    this.#screen.replaceChildren();
  }

  /** What the terminal shows now. @returns {Picture} */
  #look() {
    this.#awaitsPicture = false;
    const earlier = new Map(this.#picture?.lines.map((line) => [line.key, line]));
    const lines = this.#terminal.look().map(({ key, changed, runs }) => {
      if (!changed) return earlier.get(key) ?? { key, changed, runs };
      const found = runs();
      return { key, changed, runs: () => found };
    });
    return { end: this.#terminal.history.end, lines };
  }

  async #show() {
    this.#stale = true;
    if (this.#showing) return;
    this.#showing = true;
    while (this.#stale) {
      const begun = await new Promise(requestAnimationFrame);
      this.#stale = false;
      this.#paint();
      await pause(0); // until the browser has laid it out and drawn it
      await pause(Math.min(REST * (performance.now() - begun), LONGEST_REST));
    }
    this.#showing = false;
  }

  #paint() {
    const picture = this.#whole();
    if (picture === null) {
      this.#stale = true;
      return;
    }
    const reading = this.#reading();
    this.#skip();
    this.#paintHistory(picture.end);
    this.#terminal.history.release(this.#next);
    this.#drop(picture.lines.length - 1);
    if (this.#next === picture.end) this.#paintScreen(picture);
    else this.#picture = picture;
    if (reading !== null) this.#return(reading);
    this.#keep();
    this.#onChange();
  }

  /** What is to be shown; null while a program is drawing, unless it does not end. */
  #whole() {
    if (!this.#terminal.drawing || (this.#drawing > 0 && performance.now() - this.#drawing > LONGEST_DRAWING)) {
      this.#drawing = 0;
      return this.#take(this.#look());
    }
    if (this.#picture !== null) {
      this.#drawing = 0;
      return this.#take(this.#picture);
    }
    if (this.#drawing === 0) this.#drawing = performance.now();
    this.#awaitsPicture = true;
    return null;
  }

  /** @param {Picture} picture */
  #take(picture) {
    this.#picture = null;
    return picture;
  }

  /** Leave out what the history does not have any more: more has come than is kept, and nothing of that is shown yet. */
  #skip() {
    const { first } = this.#terminal.history;
    if (first <= this.#next) return;
    this.#next = first;
    for (const chunk of this.#chunks) chunk.element.remove();
    this.#chunks = [];
    this.#characters = 0;
  }

  /** Keep no more than there may be. @param {number} beside lines that are on the screen */
  #drop(beside) {
    const { history } = this.#terminal;
    const chunks = this.#chunks;
    while (
      chunks.length > 0 &&
      (history.end - chunks[0].from + beside >= MAX_LINES + CHUNK_LINES ||
        this.#characters + history.characters > MAX_CHARACTERS)
    ) {
      this.#characters -= chunks[0].characters;
      chunks.shift()?.element.remove();
    }
    this.dropped = chunks[0]?.from ?? this.#next;
  }

  /** @param {number} end the line to stop before */
  #paintHistory(end) {
    const until = performance.now() + FRAME;
    while (this.#next < end) {
      let chunk = this.#chunks.at(-1);
      if (chunk === undefined || chunk.to !== this.#next || isFull(chunk)) {
        if (chunk !== undefined && performance.now() > until) {
          this.#stale = true;
          return;
        }
        chunk = { from: this.#next, to: this.#next, characters: 0, element: document.createElement("div") };
        chunk.element.className = "chunk";
        this.#screen.before(chunk.element);
        this.#chunks.push(chunk);
      }
      const most = Math.min(CHUNK_LINES - (chunk.to - chunk.from), LINES_AT_ONCE);
      const to = Math.min(end, this.#next + most);
      const runs = this.#terminal.history.runs(this.#next, to);
      chunk.element.append(render(runs));
      chunk.element.normalize();
      chunk.to = this.#next = to;
      const characters = runs.reduce((sum, run) => sum + run.text.length, 0);
      chunk.characters += characters;
      this.#characters += characters;
      chunk.element.style.containIntrinsicBlockSize = `auto ${chunk.to - chunk.from}lh`;
    }
  }

  /** What is read: a chunk of the history, or a line of the screen by its number, and where in the window it is. */
  #reading() {
    if (this.#following) return null;
    const { top } = this.#scroller.getBoundingClientRect();
    let number = this.#screenFrom;
    for (const { element } of this.#shown.values()) {
      const rect = element.getBoundingClientRect();
      if (rect.top <= top && rect.bottom > top) return { number, place: rect.top };
      number += 1;
    }
    const element = this.#chunks.findLast((chunk) => chunk.element.getBoundingClientRect().top <= top)?.element;
    return element === undefined ? null : { element, place: element.getBoundingClientRect().top };
  }

  /**
   * Scroll to where something was. A browser does so for what is still there, but a line that scrolls off the screen is
   * another element then.
   *
   * @param {{ element?: HTMLElement, number?: number, place: number }} reading
   */
  #return({ element, number, place }) {
    const now = element?.isConnected ? element.getBoundingClientRect().top : this.#placeOf(number ?? -1);
    if (now !== null && now !== place) this.#scroller.scrollTop += now - place;
  }

  /** Where a line is in the window, by its number. @param {number} number */
  #placeOf(number) {
    if (number >= this.#next) {
      return this.#screen.children[number - this.#screenFrom]?.getBoundingClientRect().top ?? null;
    }
    const chunk = this.#chunks.find(({ from, to }) => from <= number && number < to);
    if (chunk === undefined) return null;
    const texts = document.createTreeWalker(chunk.element, NodeFilter.SHOW_TEXT);
    let left = number - chunk.from;
    const range = document.createRange();
    for (let node = texts.nextNode(); node !== null; node = texts.nextNode()) {
      const text = node.textContent ?? "";
      for (let at = 0; at < text.length; at += 1) {
        if (left === 0) {
          range.setStart(node, at);
          range.setEnd(node, at + 1);
          return range.getBoundingClientRect().top;
        }
        at = text.indexOf("\n", at);
        if (at < 0) break;
        left -= 1;
      }
    }
    return null;
  }

  /** @param {Picture} picture */
  #paintScreen({ lines, end }) {
    this.#screenFrom = end;
    /** @type {Map<number, Shown>} */
    const shown = new Map();
    const keys = new Set(lines.map((line) => line.key));
    for (const [key, { element }] of this.#shown) if (!keys.has(key)) element.remove();
    let after = this.#screen.firstChild;
    for (const [index, { key, changed, runs }] of lines.entries()) {
      const ends = index < lines.length - 1;
      let line = this.#shown.get(key);
      if (line === undefined || changed) {
        line ??= { element: document.createElement("div"), ends };
        line.element.replaceChildren(render(runs()));
        if (ends) line.element.append("\n");
        line.element.normalize();
      } else if (line.ends !== ends) {
        if (ends) line.element.append("\n");
        else line.element.lastChild?.remove();
      }
      line.ends = ends;
      shown.set(key, line);
      if (line.element === after) after = after.nextSibling;
      else this.#screen.insertBefore(line.element, after);
    }
    this.#shown = shown;
  }

  #keep() {
    if (this.#following) this.#scroller.scrollTop = this.#scroller.scrollHeight;
    this.#top = this.#scroller.scrollTop;
  }

  #scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.#scroller;
    const end = scrollHeight - clientHeight;
    // Where the place that was left is no longer there, what was shown has shrunk: nobody has scrolled.
    if (scrollTop < this.#top && scrollTop >= this.#top - JITTER) return;
    if (scrollTop < this.#top && this.#top <= end + 1) {
      if (performance.now() < this.#gliding) return this.#keep();
      this.#setFollowing(false);
    } else if (scrollTop > this.#top && end - scrollTop <= NEAR) {
      this.#setFollowing(true);
    }
    this.#top = scrollTop;
  }

  /** @param {boolean} following */
  #setFollowing(following) {
    this.#following = following;
    this.#show();
  }
}

/** @param {number} milliseconds */
function pause(milliseconds) {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** @param {Chunk} chunk */
function isFull({ from, to, characters }) {
  return to - from >= CHUNK_LINES || characters >= CHUNK_CHARACTERS;
}

/** Runs as nodes. Text becomes text nodes only: nothing in a log is ever taken for markup. @param {Run[]} runs */
function render(runs) {
  const fragment = document.createDocumentFragment();
  for (const { text, style } of runs) fragment.append(style === null ? text : styled(text, style));
  return fragment;
}

/** @param {string} text @param {Style} style */
function styled(text, { fg, bg, inverse, link: _, ...attributes }) {
  const span = document.createElement("span");
  if (inverse) [fg, bg] = [bg ?? "var(--back)", fg ?? "var(--fore)"];
  span.style.color = css(fg);
  span.style.backgroundColor = css(bg);
  span.classList.add(...Object.keys(attributes));
  span.append(text);
  return span;
}

/** @param {number | string | undefined} color */
function css(color) {
  return typeof color === "number" ? `var(--c${color})` : (color ?? "");
}
