// What is selected in a log: it stays so when its lines scroll off the screen, or are made anew.

import { pointAt, startOfLine } from "./places.js";

/**
 * An end of a selection, by the text before it in a chunk of the history, or in a line of the screen by its number.
 *
 * @typedef {{ chunk: import("./history-view.js").Chunk | null, line: number, before: string }} End
 * @typedef {{ node: Node | null, offset: number }} Boundary as the browser has it
 */

export class SelectionPlace {
  #history;
  #screen;
  /** @type {{ anchor: End, focus: End, boundaries: Boundary[] } | null} */
  #noted = null;

  /** @param {import("./history-view.js").HistoryView} history @param {import("./screen-view.js").ScreenView} screen */
  constructor(history, screen) {
    this.#history = history;
    this.#screen = screen;
  }

  /** Look what is selected. */
  note() {
    this.#noted = null;
    const selection = getSelection();
    if (selection === null || selection.isCollapsed) return;
    const boundaries = boundariesOf(selection);
    const [anchor, focus] = boundaries.map((one) => this.#endAt(one));
    if (anchor !== null && focus !== null) this.#noted = { anchor, focus, boundaries };
  }

  /** Select it, where the browser does so no more. */
  restore() {
    const selection = getSelection();
    if (this.#noted === null || selection === null) return;
    const { anchor, focus, boundaries } = this.#noted;
    const isSame = (/** @type {Boundary} */ { node, offset }, /** @type {number} */ at) =>
      node === boundaries[at].node && offset === boundaries[at].offset;
    if (boundariesOf(selection).every(isSame)) return;
    const [from, to] = [this.#find(anchor), this.#find(focus)];
    if (from !== null && to !== null) selection.setBaseAndExtent(from.node, from.offset, to.node, to.offset);
  }

  /** @param {Boundary} boundary @returns {End | null} null where it is elsewhere */
  #endAt({ node, offset }) {
    const { element: screen, first } = this.#screen;
    const element = node instanceof Element ? node : (node?.parentElement ?? null);
    if (element === null || node === null) return null;
    if (element === screen) return { chunk: null, line: first + offset, before: "" };
    const within = element.closest(".chunk, .screen > div");
    if (within === null) return null;
    const range = document.createRange();
    range.selectNodeContents(within);
    range.setEnd(node, offset);
    const before = range.toString();
    const line = [...screen.children].indexOf(within);
    if (line >= 0) return { chunk: null, line: first + line, before };
    const chunk = this.#history.chunks.find((one) => one.element === within);
    return chunk === undefined ? null : { chunk, line: 0, before };
  }

  /** @param {End} end @returns {{ node: Node, offset: number } | null} null where its text is there no more */
  #find({ chunk, line, before }) {
    const onScreen = this.#screen.element.children[line - this.#screen.first];
    const now = chunk ?? (onScreen === undefined ? this.#history.chunkOf(line) : undefined);
    const element = now?.element ?? onScreen;
    if (element === undefined || !element.isConnected) return null;
    const from = chunk === null && now !== undefined ? startOfLine(element, line - now.from) : 0;
    return element.textContent?.startsWith(before, from) ? pointAt(element, from + before.length) : null;
  }
}

/** @param {Selection} selection @returns {Boundary[]} */
function boundariesOf({ anchorNode, anchorOffset, focusNode, focusOffset }) {
  return [
    { node: anchorNode, offset: anchorOffset },
    { node: focusNode, offset: focusOffset },
  ];
}
