// Marks what matches in the text that is in sight, by the browser's highlights, which change nothing of the text's elements;
// or where it has none, by frames around it.

import { firstWhere } from "./bisection.js";

/**
 * @typedef {import("./matcher.js").Matcher} Matcher
 * @typedef {import("./reader.js").Reader} Reader
 */

const NAME = "found"; // of the highlight in the style sheet
const CURRENT = "current"; // of that of the line that was gone to
const MOST = 3000; // that are marked
const REST = 100; // milliseconds between two looks at what is in sight
const BEYOND = 300; // pixels above and below that are marked too

export class Marks {
  #reader;
  #log;
  #excerpt;
  #frames = document.createElement("div");
  #observer = new MutationObserver((changes) => {
    if (changes.some(({ target, addedNodes: [node] }) => target !== this.#frames && node !== this.#frames)) this.#later();
  });
  /** @type {Matcher | null} */
  #matcher = null;
  #current = -1;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer = undefined;

  /** @param {Reader} reader @param {HTMLElement} log the live view @param {HTMLElement} excerpt the other one */
  constructor(reader, log, excerpt) {
    this.#reader = reader;
    this.#log = log;
    this.#excerpt = excerpt;
    this.#frames.id = "frames";
    this.#frames.ariaHidden = "true";
    reader.onLines(() => this.#later());
    reader.onMove(() => this.#later());
  }

  /** Mark what matches from now on. @param {Matcher | null} matcher null: nothing */
  show(matcher) {
    if (matcher === null) this.#observer.disconnect();
    else if (this.#matcher === null) this.#observer.observe(this.#log, { childList: true, characterData: true, subtree: true });
    this.#matcher = matcher;
    this.#current = -1;
    this.#paint();
  }

  /** The line at an offset is the one that was gone to. @param {number} offset */
  point(offset) {
    this.#current = offset;
    this.#later();
  }

  /** More is known of what matches. */
  update() {
    this.#later();
  }

  #later() {
    if (this.#matcher !== null) this.#timer ??= setTimeout(() => this.#paint(), REST);
  }

  #paint() {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    /** @type {Range[]} */
    const found = [];
    /** @type {Range[]} */
    const current = [];
    if (this.#matcher !== null) {
      for (const element of this.#inSight()) {
        const { parentElement } = element;
        const isCurrent = Number(parentElement?.dataset.offset ?? NaN) === this.#current;
        mark(element, this.#matcher, isCurrent ? current : found);
        if (found.length > MOST) break;
      }
    }
    if ("highlights" in CSS) {
      CSS.highlights.set(NAME, new Highlight(...found));
      CSS.highlights.set(CURRENT, new Highlight(...current));
    } else {
      this.#frame([...found, ...current]);
    }
  }

  /** The elements in sight that have lines in them. */
  #inSight() {
    const scroller = this.#reader.isLive ? this.#log : this.#excerpt;
    const { top, bottom } = scroller.getBoundingClientRect();
    const elements = this.#reader.isLive ? [...scroller.querySelectorAll(".chunk, .screen > div")] : this.#reader.lines;
    const rects = (/** @type {number} */ at) => elements[at].getBoundingClientRect();
    const first = firstWhere(elements.length, (at) => rects(at).bottom > top - BEYOND);
    const after = firstWhere(elements.length, (at) => rects(at).top > bottom + BEYOND);
    const seen = elements.slice(first, after);
    return this.#reader.isLive ? seen : seen.flatMap((line) => [...line.querySelectorAll(".text")]);
  }

  /** @param {Range[]} ranges */
  #frame(ranges) {
    const host = (this.#reader.isLive ? this.#log : this.#excerpt).querySelector(".lines");
    if (host === null) return;
    if (this.#frames.parentElement !== host) host.append(this.#frames);
    const origin = this.#frames.getBoundingClientRect();
    const rects = ranges.slice(0, MOST).flatMap((range) => [...range.getClientRects()]);
    const frames = rects.map(({ left, top, width, height }) => {
      const frame = document.createElement("mark");
      Object.assign(frame.style, {
        left: `${left - origin.left}px`,
        top: `${top - origin.top}px`,
        width: `${width}px`,
        height: `${height}px`,
      });
      return frame;
    });
    this.#frames.replaceChildren(...frames);
  }
}

/** Add what matches in an element's lines. @param {Element} element @param {Matcher} matcher @param {Range[]} found */
function mark(element, matcher, found) {
  const text = element.textContent ?? "";
  const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
  let node = /** @type {Text | null} */ (walker.nextNode());
  let begin = 0; // of the node
  const at = (/** @type {number} */ place, /** @type {boolean} */ isEnd) => {
    while (node !== null && (isEnd ? begin + node.length < place : begin + node.length <= place)) {
      begin += node.length;
      node = /** @type {Text | null} */ (walker.nextNode());
    }
    return node === null ? null : { node, offset: place - begin };
  };
  let line = 0;
  for (const shown of text.split("\n")) {
    for (const [from, to] of matcher.ranges(shown)) {
      const [first, last] = [at(line + from, false), at(line + to, true)];
      if (first === null || last === null || found.length > MOST) return;
      const range = document.createRange();
      range.setStart(first.node, first.offset);
      range.setEnd(last.node, last.offset);
      found.push(range);
    }
    line += shown.length + 1;
  }
}
