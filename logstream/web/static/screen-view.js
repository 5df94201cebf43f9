// A terminal's screen on the page: only lines that changed are painted, so that what is selected in others stays so.

import { appendRuns, appendText } from "./runs.js";

/**
 * @typedef {import("./terminal.js").ScreenLine} ScreenLine
 * @typedef {{ element: HTMLElement, ends: boolean }} Shown a line, and whether a newline is after it
 */

export class ScreenView {
  element = document.createElement("div");
  /** The number of its first line, behind those of the history. */
  first = 0;
  /** By key. @type {Map<number, Shown>} */
  #shown = new Map();

  constructor() {
    this.element.className = "screen";
  }

  /** Show nothing. */
  clear() {
    this.first = 0;
    this.#shown.clear();
    this.element.replaceChildren();
  }

  /** @param {ScreenLine[]} lines @param {number} first the number of the first one */
  show(lines, first) {
    this.first = first;
    /** @type {Map<number, Shown>} */
    const shown = new Map();
    const keys = new Set(lines.map((line) => line.key));
    for (const [key, { element }] of this.#shown) if (!keys.has(key)) element.remove();
    let after = this.element.firstChild;
    for (const [index, { key, changed, runs }] of lines.entries()) {
      const ends = index < lines.length - 1;
      let line = this.#shown.get(key);
      if (line === undefined || changed) {
        line ??= { element: document.createElement("div"), ends };
        line.element.replaceChildren();
        appendRuns(line.element, runs());
        if (ends) appendText(line.element, "\n");
      } else if (line.ends !== ends) {
        if (ends) line.element.append("\n");
        else cutNewline(line.element);
      }
      line.ends = ends;
      shown.set(key, line);
      if (line.element === after) after = after.nextSibling;
      else this.element.insertBefore(line.element, after);
    }
    this.#shown = shown;
  }

  /** The place of the first line that ends below a height of the window; -1 if none does. @param {number} height in pixels */
  indexAt(height) {
    return [...this.element.children].findIndex((line) => line.getBoundingClientRect().bottom > height);
  }
}

/** @param {Element} element */
function cutNewline(element) {
  const last = element.lastChild;
  if (!(last instanceof Text)) return;
  if (last.data === "\n") last.remove();
  else last.deleteData(last.length - 1, 1);
}
