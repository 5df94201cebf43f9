// The lines that have scrolled off a terminal's screen: they do not change any more.
//
// Lines are kept in blocks, each one text with the places in it that have a style, so that 100,000 of them take little
// more memory than their characters.

import { addRun } from "./styles.js";

/**
 * @typedef {import("./styles.js").Style} Style
 * @typedef {import("./styles.js").Run} Run
 */

const BLOCK_LINES = 200;
const BLOCK_CHARACTERS = 64_000;
const LONGEST = 10_000; // characters; a longer line is kept in pieces, so that no one of them is dear to show

class Block {
  /** The number of its first line. */
  first;
  /** How many lines there are. */
  lines = 0;
  characters = 0;
  /** What its text is made of, as long as lines are added. @type {string[]} */
  #parts = [];
  /** Whether some of its lines still end in CR LF. */
  #returns = false;
  /** Where lines end without a newline: they go on in the next one. @type {number[]} */
  #cuts = [];
  /** Beginning and end of each run that has a style, and which of the styles it is. */
  #places;
  #runs = 0;
  /** @type {Style[]} */
  #styles = [];
  /** Where in these each one is. @type {Map<Style, number> | null} */
  #indexes = new Map();

  /** @param {number} first @param {Uint32Array<ArrayBuffer>} places room for those, which it has until it is sealed */
  constructor(first, places) {
    this.first = first;
    this.#places = places;
  }

  get isFull() {
    return this.lines >= BLOCK_LINES || this.characters >= BLOCK_CHARACTERS;
  }

  /** @param {string} text @param {Style | null} style */
  add(text, style) {
    if (style !== null) this.#place(text.length, style);
    this.#parts.push(text);
    this.characters += text.length;
  }

  /** @param {number} length @param {Style} style */
  #place(length, style) {
    let index = this.#indexes?.get(style);
    if (index === undefined) {
      index = this.#styles.push(style) - 1;
      this.#indexes?.set(style, index);
    }
    const at = 3 * this.#runs;
    if (at === this.#places.length) {
      const more = new Uint32Array(2 * at);
      more.set(this.#places);
      this.#places = more;
    }
    this.#places[at] = this.characters;
    this.#places[at + 1] = this.characters + length;
    this.#places[at + 2] = index;
    this.#runs += 1;
  }

  /** @param {string} text whole lines, each with CR LF at its end @param {number} lines how many */
  addLines(text, lines) {
    this.#parts.push(text);
    this.#returns = true;
    this.characters += text.length - lines;
    this.lines += lines;
  }

  /** @param {boolean} newline whether the line ends here, or goes on in the next one */
  endLine(newline) {
    if (newline) {
      this.#parts.push("\n");
      this.characters += 1;
    } else {
      this.#cuts.push(this.characters);
    }
    this.lines += 1;
  }

  /**
   * Nothing is added any more; the room that it had is for another one. Parts would keep alive all of what they are parts
   * of, and that is more than one large part.
   */
  seal() {
    if (this.#parts.length > 1 || !this.#returns) this.text();
    const places = this.#places;
    this.#places = places.slice(0, 3 * this.#runs);
    this.#indexes = null;
    return places;
  }

  text() {
    if (this.#parts.length > 1 || this.#returns) {
      const text = this.#parts.join("");
      this.#parts = [this.#returns ? text.replaceAll("\r\n", "\n") : text];
      this.#returns = false;
    }
    return this.#parts[0] ?? "";
  }

  /** Where so many of its lines end in the text. @param {number} lines */
  #end(lines) {
    if (lines <= 0) return 0;
    if (lines >= this.lines) return this.characters;
    const text = this.text();
    let at = 0;
    let cut = 0;
    for (let line = 0; line < lines; line += 1) {
      const newline = text.indexOf("\n", at);
      if (cut < this.#cuts.length && (newline < 0 || this.#cuts[cut] <= newline)) {
        at = this.#cuts[cut];
        cut += 1;
      } else {
        at = newline + 1;
      }
    }
    return at;
  }

  /**
   * @param {number} first line
   * @param {number} last line, not included
   * @param {(text: string, style: Style | null) => void} add
   */
  runs(first, last, add) {
    const text = this.text();
    const to = this.#end(last);
    let at = this.#end(first);
    for (let run = 0; run < this.#runs; run += 1) {
      const begin = Math.max(this.#places[3 * run], at);
      const end = Math.min(this.#places[3 * run + 1], to);
      if (begin >= end) continue;
      if (begin > at) add(text.slice(at, begin), null);
      add(text.slice(begin, end), this.#styles[this.#places[3 * run + 2]]);
      at = end;
    }
    if (at < to) add(text.slice(at, to), null);
  }
}

export class History {
  /** The line that goes on in the screen's first row: runs that have scrolled off. @type {Run[]} */
  open = [];
  #openLength = 0;
  /** The number of the first line that is kept. */
  first = 0;
  /** The number of the line after the last one. */
  end = 0;
  /** Characters that are kept. */
  characters = 0;
  /** @type {Block[]} */
  #blocks = [];
  #mostLines = Infinity;
  #mostCharacters = Infinity;
  /** Whether tabs stay tabs. */
  tabs;

  /** @param {boolean} tabs whether tabs stay tabs */
  constructor(tabs) {
    this.tabs = tabs;
  }

  /** Keep so much from now on. @param {number} lines up to a block more are kept @param {number} characters */
  limit(lines, characters) {
    this.#mostLines = lines + BLOCK_LINES;
    this.#mostCharacters = characters;
  }

  /**
   * Take what is in a row that scrolls off.
   *
   * @param {import("./row.js").Row} row
   * @param {boolean} continued whether its line goes on in the next row
   * @param {number} columns of the screen
   */
  push(row, continued, columns) {
    if (this.#openLength > 0 && !row.wrapped) this.close();
    if (continued || this.#openLength > 0) {
      row.runs(this.#addOpen, continued ? columns : 0, false);
      if (!continued) this.close();
      else if (this.#openLength >= LONGEST) this.#flush(false);
    } else {
      const block = this.#block();
      const before = block.characters;
      if (row.cells === null && !row.tabbed) {
        for (let at = 0; at < row.count; at += 1) block.add(row.texts[at], row.styles[at]);
      } else {
        row.runs((text, style) => block.add(text, style), 0, this.tabs);
      }
      block.endLine(true);
      this.#count(1, block.characters - before);
    }
  }

  /**
   * Take lines that have never been on the screen, as there were more of them at once than it has rows.
   *
   * @param {string} data what they are in, without styles, each with CR LF at its end
   * @param {number[]} begins where each line begins, and what follows the last one
   * @param {number} count of lines
   */
  pushLines(data, begins, count) {
    this.close();
    for (let line = 0; line < count; ) {
      const block = this.#block();
      const last = Math.min(count, line + BLOCK_LINES - block.lines);
      const before = block.characters;
      block.addLines(data.slice(begins[line], begins[last]), last - line);
      this.#count(last - line, block.characters - before);
      line = last;
    }
  }

  /** The line that scrolled off in part does not go on. */
  close() {
    if (this.#openLength > 0) this.#flush(true);
  }

  #addOpen = (/** @type {string} */ text, /** @type {Style | null} */ style) => {
    addRun(this.open, text, style);
    this.#openLength += text.length;
  };

  /** @param {boolean} newline */
  #flush(newline) {
    const block = this.#block();
    const before = block.characters;
    for (const { text, style } of this.open) block.add(text, style);
    block.endLine(newline);
    this.#count(1, block.characters - before);
    this.open = [];
    this.#openLength = 0;
  }

  #block() {
    let block = this.#blocks.at(-1);
    if (block === undefined || block.isFull) {
      block = new Block(this.end, block?.seal() ?? new Uint32Array(3 * BLOCK_LINES));
      this.#blocks.push(block);
    }
    return block;
  }

  /** Count what has been added, and let go of what is too much. @param {number} lines @param {number} characters */
  #count(lines, characters) {
    this.end += lines;
    this.characters += characters;
    while (this.end - this.first >= this.#mostLines || this.characters > this.#mostCharacters) {
      if (this.#blocks.length < 2) break;
      this.#shift();
    }
  }

  #shift() {
    this.characters -= this.#blocks.shift()?.characters ?? 0;
    this.first = this.#blocks[0].first;
  }

  /** Let go of lines that are not asked for again, as far as they are whole blocks. @param {number} line the first to keep */
  release(line) {
    while (this.#blocks.length > 1 && this.#blocks[1].first <= line) this.#shift();
  }

  /** Keep nothing of what there was. The numbers go on. */
  clear() {
    this.#blocks = [];
    this.open = [];
    this.#openLength = 0;
    this.characters = 0;
    this.first = this.end;
  }

  /**
   * Lines as runs, each with its newline, which a piece of a long line has not unless it is the last one.
   *
   * @param {number} from the number of the first one
   * @param {number} to the number after the last one
   * @returns {Run[]} neighbours that look the same are one
   */
  runs(from, to) {
    /** @type {Run[]} */
    const found = [];
    const add = (/** @type {string} */ text, /** @type {Style | null} */ style) => addRun(found, text, style);
    for (const block of this.#blocks) {
      const first = Math.max(from, block.first) - block.first;
      const last = Math.min(to - block.first, block.lines);
      if (first < last) block.runs(first, last, add);
    }
    return found;
  }

  /** The block of lines that a line is in: its first one, and the one after its last. @param {number} line */
  block(line) {
    const block = this.#blocks.findLast(({ first }) => first <= line);
    return block === undefined ? { first: line, end: line } : { first: block.first, end: block.first + block.lines };
  }

  /** All of its text. */
  text() {
    return this.#blocks.map((block) => block.text()).join("");
  }
}
