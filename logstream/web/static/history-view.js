// What a terminal has in its history, on the page: in chunks that the browser need not lay out while they are out of sight.
//
// All lines have their text at once, as that costs little. How it looks takes far more nodes, and comes later, the newest
// lines first.

import { mayHaveAddress } from "./addresses.js";
import { firstWhere } from "./bisection.js";
import { appendRuns, appendText } from "./runs.js";

/**
 * Lines of the history, by number: up to `styled` they look as they should, and up to `filled` their text is in `plain`.
 *
 * @typedef {{ from: number, to: number, styled: number, filled: number, plain: Text | null, characters: number,
 *             element: HTMLElement }} Chunk
 * @typedef {import("./history.js").History} History
 */

const NEWEST = 2; // chunks that are in sight at the end

export class HistoryView {
  /** The first ones first. @type {Chunk[]} */
  chunks = [];
  /** The number of the line after the last one that is shown. */
  end = 0;
  #after;

  /** @param {Element} after what stands behind the history */
  constructor(after) {
    this.#after = after;
  }

  /** The number of the first line that is shown. */
  get first() {
    return this.chunks[0]?.from ?? this.end;
  }

  /** Show nothing. */
  clear() {
    this.#shift(this.chunks.length);
    this.end = 0;
  }

  /** Show more lines. @param {History} history @param {number} end the line to stop before */
  extend(history, end) {
    if (history.first > this.end) {
      // More has come than is kept: nothing of that is shown yet, and what is shown was before it.
      this.#shift(this.chunks.length);
      this.end = history.first;
    }
    while (this.end < end) {
      const block = history.block(this.end);
      let chunk = this.chunks.at(-1);
      if (chunk === undefined || chunk.from !== block.first) chunk = this.#add();
      this.end = Math.min(end, block.end);
      chunk.to = this.end;
    }
    for (let at = this.chunks.length - 1; at >= 0 && this.chunks[at].filled < this.chunks[at].to; at -= 1) {
      if (at < this.chunks.length - NEWEST) fill(history, this.chunks[at]);
      else style(history, this.chunks[at]);
    }
  }

  /**
   * Let lines look as they should: the newest ones and those that are in sight, then others as long as there is time.
   *
   * @param {History} history
   * @param {Chunk[]} sight
   * @param {number} until a time, in milliseconds
   * @returns {boolean} whether all do
   */
  style(history, sight, until) {
    for (const chunk of [...this.chunks.slice(-NEWEST), ...sight]) style(history, chunk);
    for (let at = this.chunks.length - 1; at >= 0; at -= 1) {
      if (isStyled(this.chunks[at])) continue;
      if (performance.now() > until) return false;
      style(history, this.chunks[at]);
    }
    return true;
  }

  /** The first line that does not look as it should yet. */
  get unstyled() {
    return this.chunks.find((chunk) => !isStyled(chunk))?.styled ?? this.end;
  }

  /**
   * Let go of the oldest lines, as far as there are more than there may be.
   *
   * @param {History} history which has lines that are shown, and more
   * @param {number} mostLines
   * @param {number} mostCharacters
   */
  drop(history, mostLines, mostCharacters) {
    let { characters } = history;
    for (const chunk of this.chunks) if (chunk.to <= history.first) characters += chunk.characters;
    let count = 0;
    for (const { from, to, characters: own } of this.chunks) {
      if (this.end - from < mostLines && characters <= mostCharacters) break;
      if (to <= history.first) characters -= own;
      count += 1;
    }
    this.#shift(count);
  }

  /** The chunk that a line is in. @param {number} line */
  chunkOf(line) {
    return this.chunks.find(({ from, to }) => from <= line && line < to);
  }

  /** The place in `chunks` of the last one that begins at a height of the window or above; -1 if none does. @param {number} height */
  indexAt(height) {
    const { chunks } = this;
    return firstWhere(chunks.length, (at) => chunks[at].element.getBoundingClientRect().top > height) - 1;
  }

  #add() {
    const element = document.createElement("div");
    element.className = "chunk";
    this.#after.before(element);
    /** @type {Chunk} */
    const chunk = { from: this.end, to: this.end, styled: this.end, filled: this.end, plain: null, characters: 0, element };
    this.chunks.push(chunk);
    return chunk;
  }

  /** @param {number} count */
  #shift(count) {
    for (const { element } of this.chunks.splice(0, count)) element.remove();
  }
}

/** Show the text of the lines that are not shown. @param {History} history @param {Chunk} chunk */
function fill(history, chunk) {
  const runs = history.runs(chunk.filled, chunk.to);
  const text = runs.map((run) => run.text).join("");
  if (chunk.plain === null) {
    chunk.plain = document.createTextNode("");
    chunk.element.append(chunk.plain);
  }
  chunk.plain.appendData(text);
  chunk.characters += text.length;
  chunk.filled = chunk.to;
  if (runs.every((run) => run.style === null) && !mayHaveAddress(text)) settle(chunk);
  measure(chunk);
}

/** Let lines look as they should. @param {History} history @param {Chunk} chunk */
function style(history, chunk) {
  if (isStyled(chunk)) return;
  if (chunk.styled < history.first) {
    settle(chunk); // how they looked is not known any more
    return;
  }
  const runs = history.runs(chunk.styled, chunk.to);
  chunk.characters -= chunk.plain?.length ?? 0;
  chunk.plain?.remove();
  chunk.plain = null;
  appendRuns(chunk.element, runs, !runs.at(-1)?.text.endsWith("\n"));
  chunk.characters += runs.reduce((sum, run) => sum + run.text.length, 0);
  chunk.styled = chunk.filled = chunk.to;
  measure(chunk);
}

/** Let lines look as they do. @param {Chunk} chunk */
function settle(chunk) {
  chunk.plain?.remove();
  appendText(chunk.element, chunk.plain?.data ?? "");
  chunk.plain = null;
  chunk.styled = chunk.filled;
}

/** Say how high a chunk may be as long as nobody has seen it. @param {Chunk} chunk */
function measure({ from, to, element }) {
  element.style.containIntrinsicBlockSize = `auto ${to - from}lh`;
}

/** @param {Chunk} chunk */
function isStyled({ styled, to }) {
  return styled === to;
}
