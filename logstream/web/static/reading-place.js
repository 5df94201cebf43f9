// Which text is read: it stays where it is in the window, whatever happens above it, and however wide the window is.

import { characterAt, placeOf, startOfLine } from "./places.js";

/**
 * A character, by how many UTF-16 units of what it is in are before it: a chunk of the history, or a line of the screen by
 * its number. `above` is how much of its height is above the part of the window that scrolls; less than 0 where it begins
 * below that part's top.
 *
 * @typedef {{ chunk: import("./history-view.js").Chunk | null, line: number, offset: number, above: number }} Reading
 * @typedef {import("./history-view.js").HistoryView} HistoryView
 * @typedef {import("./screen-view.js").ScreenView} ScreenView
 */

export class ReadingPlace {
  #scroller;
  #history;
  #screen;
  /** @type {Reading | null} */
  #reading = null;

  /** @param {Element} scroller @param {HistoryView} history @param {ScreenView} screen */
  constructor(scroller, history, screen) {
    this.#scroller = scroller;
    this.#history = history;
    this.#screen = screen;
  }

  /** Look what is read: the first line in sight. */
  note() {
    this.#reading = this.#look();
  }

  /** Nothing is. */
  forget() {
    this.#reading = null;
  }

  /** Scroll to where that was. */
  restore() {
    const reading = this.#reading;
    if (reading === null) return;
    this.#follow(reading);
    const element = reading.chunk?.element ?? this.#screen.element.children[reading.line - this.#screen.first];
    if (element === undefined) return;
    const { top, height } = placeOf(element, reading.offset);
    const away = top + reading.above * height - this.#top;
    if (Math.abs(away) >= 0.5) this.#scroller.scrollTop += away;
  }

  /** The first line in sight, by its number and its text; null where there is none. @returns {{ line: number, text: string } | null} */
  line() {
    const reading = this.#look();
    if (reading === null) return null;
    const element = reading.chunk?.element ?? this.#screen.element.children[reading.line - this.#screen.first];
    const text = element?.textContent ?? "";
    const from = reading.chunk === null ? 0 : text.lastIndexOf("\n", reading.offset - 1) + 1;
    const to = text.indexOf("\n", from);
    const line = reading.chunk === null ? reading.line : reading.chunk.from + count(text, from);
    return { line, text: text.slice(from, to < 0 ? undefined : to) };
  }

  get #top() {
    return this.#scroller.getBoundingClientRect().top;
  }

  /** @returns {Reading | null} */
  #look() {
    const top = this.#top;
    const { chunks } = this.#history;
    const screen = this.#screen;
    const below = chunks.length === 0 || screen.element.getBoundingClientRect().top <= top;
    const line = below ? screen.indexAt(top) : -1;
    if (line >= 0) {
      const element = screen.element.children[line];
      const offset = characterAt(element, top);
      return { chunk: null, line: screen.first + line, offset, above: above(element, offset, top) };
    }
    const chunk = chunks[Math.max(0, this.#history.indexAt(top))];
    if (chunk === undefined) return null;
    const offset = characterAt(chunk.element, top);
    return { chunk, line: 0, offset, above: above(chunk.element, offset, top) };
  }

  /** Find it where it is now: a line of the screen may have scrolled off, and what is not kept any more is not read. @param {Reading} reading */
  #follow(reading) {
    const history = this.#history;
    if (reading.chunk === null) {
      if (reading.line >= this.#screen.first) return;
      reading.chunk = history.chunkOf(Math.max(reading.line, history.first)) ?? null;
      if (reading.chunk === null) return;
      reading.offset += startOfLine(reading.chunk.element, reading.line - reading.chunk.from);
    }
    if (reading.chunk.element.isConnected) return;
    reading.chunk = history.chunks[0] ?? null;
    reading.line = this.#screen.first;
    reading.offset = reading.above = 0;
  }
}

/** @param {Element} element @param {number} offset @param {number} height of the window */
function above(element, offset, height) {
  const place = placeOf(element, offset);
  return (height - place.top) / place.height;
}

/** How many newlines there are in the beginning of a text. @param {string} text @param {number} length of the beginning */
function count(text, length) {
  let lines = 0;
  for (let at = text.indexOf("\n"); at >= 0 && at < length; at = text.indexOf("\n", at + 1)) lines += 1;
  return lines;
}
