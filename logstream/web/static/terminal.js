// A terminal: output goes in, and what it would show comes out, as lines of styled text.
//
// Nothing here knows of a page. The parts: `parser.js` cuts output into text and sequences, `screen.js` and `row.js` are
// the screen, `history.js` is what has scrolled off it, `styles.js` is how text looks, and `characters.js` knows how wide
// it is.

import { INVISIBLE, OTHER, joinedKind, joinedWidth, joins, kindOf, simpleEnd, widthOf } from "./characters.js";
import { CHARSETS } from "./charsets.js";
import { History } from "./history.js";
import { Parser } from "./parser.js";
import { Screen } from "./screen.js";
import { addRun, Pens } from "./styles.js";

/**
 * @typedef {import("./styles.js").Style} Style
 * @typedef {import("./styles.js").Run} Run
 * @typedef {import("./styles.js").Pen} Pen
 * @typedef {import("./parser.js").Parameters} Parameters
 * @typedef {((text: string) => string) | null} Charset
 * @typedef {{ x: number, row: number, pen: Pen, charset: Charset }} Saved a cursor; `row` counts from the first row ever
 * @typedef {{ key: number, changed: boolean, runs: () => Run[] }} ScreenLine a line on the screen, which may have wrapped:
 *   `key` tells it from others for as long as it is there, and `changed` whether it is not what it was at the last look
 */

const MIN_SHARE = 4; // what is kept alive for lines that are taken at once is at most so many times as long as they are
const MAX_CLUSTER = 32; // UTF-16 units of a character with all that joins it

/** A terminal with a screen and a history. */
export class Terminal {
  /** What has scrolled off the screen. @type {History} */
  history;
  /** Whether a program has said that what it draws is not whole yet (synchronized output). */
  drawing = false;
  /** Called when that is whole. */
  onDrawn = () => {};
  #convertEol;
  #tabs;
  #parser;
  #pens = new Pens();
  #pen = this.#pens.plain;
  /** @type {Style | null} */
  #style = null;
  #normal;
  /** @type {Screen | null} */
  #alternate = null;
  #screen;
  /** @type {WeakMap<Screen, Saved>} */
  #saved = new WeakMap();
  #newline = false;
  #wraps = true;
  #wrapsBack = false;
  #inserts = false;
  /** @type {Charset[]} */
  #charsets = [null, null, null, null];
  #charsetIndex = 0;
  /** @type {Charset} */
  #charset = null;
  // The character that was written last, as long as nothing else has happened: the next one may join it.
  #lastKind = OTHER;
  #lastWidth = 0;
  /** Where lines begin that are taken at once. @type {number[]} */
  #begins = [];
  /** Up to where in what is written lines are too few to be taken at once. */
  #triedTo = 0;
  /** The rows of each line at the last look, by its key. @type {Map<number, number>} */
  #seen = new Map();

  /**
   * @param {{ columns?: number, rows?: number, convertEol?: boolean }} options `convertEol`: a line feed begins a line, as
   *   in a log that was not recorded from a terminal, and tabs stay tabs in runs
   */
  constructor({ columns = 80, rows = 24, convertEol = false } = {}) {
    this.#convertEol = this.#newline = this.#tabs = convertEol;
    this.history = new History(convertEol);
    this.#normal = this.#screen = new Screen(Math.max(2, columns), Math.max(1, rows), this.history);
    this.#parser = new Parser(this);
  }

  /** Whether a line feed begins a line. */
  get convertEol() {
    return this.#convertEol;
  }

  set convertEol(converts) {
    this.#convertEol = this.#newline = this.#tabs = this.history.tabs = converts;
  }

  get columns() {
    return this.#screen.columns;
  }

  get rows() {
    return this.#screen.rows.length;
  }

  /** The screen that is shown. */
  get screen() {
    return this.#screen;
  }

  /** Whether a program shows the alternate screen, over the other one. */
  get isAlternate() {
    return this.#alternate !== null;
  }

  /** The number of the line that the cursor is in, behind those of the history; not of the alternate screen. */
  get cursorLine() {
    const { rows, y } = this.#normal;
    let line = this.history.end + (this.history.open.length > 0 && !rows[0].wrapped ? 1 : 0);
    for (let at = 1; at <= y; at += 1) if (!rows[at].wrapped) line += 1;
    return line;
  }

  /** Take some more output, cut anywhere. @param {string} text */
  write(text) {
    this.#triedTo = 0;
    this.#parser.write(text);
  }

  /**
   * Take another size. Nothing is wrapped anew: rows keep what they have, beyond the last column too, lines in the history
   * have no width, and programs draw their screen again. Rows that have no place any more scroll off.
   *
   * @param {number} columns
   * @param {number} rows
   */
  resize(columns, rows) {
    for (const screen of [this.#normal, this.#alternate]) screen?.resize(Math.max(2, columns), Math.max(1, rows));
  }

  /**
   * Every line as text, history and screen, without blanks at its end; not the alternate screen, but what lies under it.
   * Blank lines at the end are left out.
   *
   * @returns {string[]}
   */
  lines() {
    const screen = this.#groups(this.#normal).map(({ open, rows }) => this.#runs(rows, open));
    const text = this.history.text() + screen.map((runs) => `${runs.map((run) => run.text).join("")}\n`).join("");
    const lines = expanded(text)
      .split("\n")
      .map((line) => line.replace(/ +$/, ""));
    while (lines.length > 0 && lines[lines.length - 1] === "") lines.pop();
    return lines;
  }

  /**
   * The lines of the screen that is shown, down to the cursor or to the last one that something is in. The first one begins
   * with what has scrolled off of it. What is not changed at the next look is what has been looked at here.
   *
   * @returns {ScreenLine[]}
   */
  look() {
    /** @type {Map<number, number>} */
    const seen = new Map();
    const found = this.#groups(this.#screen).map(({ open, rows }) => {
      const key = rows[0].id;
      const count = rows.length + (open ? 1 : 0);
      const changed = this.#seen.get(key) !== count || rows.some((row) => row.changed);
      seen.set(key, count);
      return { key, changed, runs: () => this.#runs(rows, open) };
    });
    for (const row of this.#screen.rows) row.changed = false;
    this.#seen = seen;
    return found;
  }

  /** @param {Screen} screen */
  #groups(screen) {
    /** @type {{ open: boolean, rows: import("./row.js").Row[] }[]} */
    const groups = [];
    if (screen === this.#normal && !screen.rows[0].wrapped) this.history.close();
    const used = screen.used(true);
    for (let y = 0; y < used; y += 1) {
      const row = screen.rows[y];
      if (y > 0 && row.wrapped) groups[groups.length - 1].rows.push(row);
      else groups.push({ open: y === 0 && screen === this.#normal && this.history.open.length > 0, rows: [row] });
    }
    return groups;
  }

  /** @param {import("./row.js").Row[]} rows @param {boolean} open whether they go on with what has scrolled off */
  #runs(rows, open) {
    /** @type {Run[]} */
    const runs = open ? this.history.open.map((run) => ({ ...run })) : [];
    const add = (/** @type {string} */ text, /** @type {Style | null} */ style) => addRun(runs, text, style);
    const tabs = this.#tabs && rows.length === 1 && !open; // where a line has wrapped they have another width
    for (const [index, row] of rows.entries()) row.runs(add, index < rows.length - 1 ? this.columns : 0, tabs);
    return runs;
  }

  // What the parser finds

  /** @param {string} data @param {number} from @param {number} to */
  print(data, from, to) {
    if (this.#charset !== null || this.#inserts || this.#lastKind !== OTHER) {
      this.#printSlowly(data, from, to);
      return;
    }
    const screen = this.#screen;
    const { columns } = screen;
    const row = screen.rows[screen.y];
    const end = screen.x + to - from;
    if (row.cells === null && row.width === screen.x && end <= columns) {
      row.add(data.slice(from, to), this.#style);
      row.width = screen.x = end;
      this.#lastWidth = 1;
      return;
    }
    while (from < to) {
      let room = columns - screen.x;
      if (room <= 0) {
        if (this.#wraps) screen.wrap(this.#pen.erased);
        else screen.x = columns - 1;
        room = columns - screen.x;
      }
      if (to - from <= room) {
        screen.rows[screen.y].write(screen.x, data.slice(from, to), this.#style);
        screen.x += to - from;
        break;
      }
      if (!this.#wraps) {
        // All that has no place is written into the last column.
        screen.rows[screen.y].write(screen.x, data.slice(from, from + room - 1) + data[to - 1], this.#style);
        screen.x = columns;
        break;
      }
      screen.rows[screen.y].write(screen.x, data.slice(from, from + room), this.#style);
      screen.x = columns;
      from += room;
    }
    this.#lastWidth = 1;
  }

  /**
   * Plain lines at the bottom of the screen, many of them at once: most of them need not be written to it.
   *
   * @param {string} data
   * @param {number} from where the first one begins
   * @param {number} end where it ends: there is a carriage return
   */
  printLines(data, from, end) {
    const screen = this.#screen;
    const { rows, columns } = screen;
    const bottom = rows.length - 1;
    if (from < this.#triedTo || screen.x !== 0 || screen.y !== bottom || this.#style !== null || this.#alternate !== null) return from;
    if (screen.top !== 0 || screen.bottom !== bottom || screen.row.width > 0 || screen.row.cells !== null) return from;
    if (this.#charset !== null || this.#inserts || screen.row.wrapped) return from;
    const begins = this.#begins;
    let count = 0;
    let at = from;
    while (end - at <= columns && data.charCodeAt(end) === 0x0d && data.charCodeAt(end + 1) === 0x0a) {
      begins[count] = at;
      count += 1;
      at = end + 2;
      end = simpleEnd(data, at);
    }
    if (count <= bottom || (at - from) * MIN_SHARE < data.length) {
      this.#triedTo = at;
      return from;
    }
    begins[count] = at;
    for (let y = 0; y < bottom; y += 1) this.history.push(rows[y], rows[y + 1].wrapped, columns);
    const gone = count - bottom;
    this.history.pushLines(data, begins, gone);
    for (let y = 0; y < bottom; y += 1) {
      rows[y].renew(columns, null);
      if (begins[gone + y + 1] - 2 > begins[gone + y]) {
        rows[y].append(0, data.slice(begins[gone + y], begins[gone + y + 1] - 2), null);
      }
    }
    rows[bottom].renew(columns, null);
    screen.scrolled += count;
    this.#endCharacter();
    return at;
  }

  /** @param {string} data @param {number} from @param {number} to */
  #printSlowly(data, from, to) {
    const text = data.slice(from, to);
    for (const character of this.#charset === null ? text : this.#charset(text)) {
      this.printCharacter(/** @type {number} */ (character.codePointAt(0)));
    }
  }

  /** @param {number} code */
  printCharacter(code) {
    const screen = this.#screen;
    const { columns } = screen;
    const style = this.#style;
    const kind = kindOf(code);
    const text = String.fromCodePoint(code);
    if (kind === INVISIBLE) {
      if (screen.x > 0) screen.row.join(screen.x - 1, text, MAX_CLUSTER);
      return;
    }
    const joined = this.#lastWidth > 0 && joins(this.#lastKind, kind);
    const before = joined ? this.#lastWidth : 0;
    const width = joined ? joinedWidth(before, code) : widthOf(code);
    if (this.#lastWidth === 0 && screen.x > 0 && joins(OTHER, kind)) {
      screen.row.join(screen.x - 1, text, MAX_CLUSTER); // an accent after a sequence
      return;
    }
    this.#lastKind = joined ? joinedKind(kind) : kind;
    this.#lastWidth = width;
    if (!joined) screen.row.separate(screen.x, style);
    if (screen.x + width - before > columns) {
      if (this.#wraps) {
        const from = screen.x - before;
        const moved = before > 0 ? screen.characterEndingAt(screen.x - 1) : "";
        if (from < columns) screen.row.pad(from, columns, style);
        screen.wrap(this.#pen.erased);
        if (before > 0) {
          screen.row.writeCharacter(0, moved, before, style);
          screen.x = before;
        }
      } else {
        screen.x = columns - 1;
        if (width === 2) return;
      }
    }
    const { row } = screen;
    if (joined && screen.x > 0) {
      row.join(screen.x - 1, text, MAX_CLUSTER);
      if (width > before) {
        row.widen(screen.x - 1, style);
        screen.x += 1;
      }
      return;
    }
    if (this.#inserts) row.insert(screen.x, width, columns, style);
    row.writeCharacter(screen.x, text, width, style);
    screen.x += width;
  }

  /** @param {number} code */
  control(code) {
    this.#endCharacter();
    switch (code) {
      case 0x08:
        this.#screen.back(this.#wrapsBack);
        break;
      case 0x09:
        this.#tab();
        break;
      case 0x0a:
      case 0x0b:
      case 0x0c:
        if (this.#newline) this.#screen.x = 0;
        this.#screen.lineFeed(this.#pen.erased);
        break;
      case 0x0d:
        this.#screen.x = 0;
        break;
      case 0x0e:
        this.#useCharset(1);
        break;
      case 0x0f:
        this.#useCharset(0);
        break;
    }
  }

  #tab() {
    const screen = this.#screen;
    const { row, x } = screen;
    if (this.#tabs && row.cells === null && row.width === x && !screen.ownStops && x < screen.columns - 1) {
      const stop = x + 8 - (x % 8);
      if (stop < screen.columns) {
        row.appendTab(stop);
        screen.x = stop;
        return;
      }
    }
    screen.tab(1);
  }

  #endCharacter() {
    this.#lastKind = OTHER;
    this.#lastWidth = 0;
  }

  newLine() {
    this.#endCharacter();
    this.#screen.x = 0;
    this.#screen.lineFeed(this.#pen.erased);
  }

  /** @param {string} final @param {string} intermediates */
  escape(final, intermediates) {
    this.#endCharacter();
    const screen = this.#screen;
    const { erased } = this.#pen;
    if (intermediates !== "") {
      const set = "()*+".indexOf(intermediates);
      if (set >= 0) {
        if (final in CHARSETS) this.#setCharset(set, CHARSETS[final]);
      } else if (intermediates === "%" && (final === "@" || final === "G")) {
        this.#useCharset(0);
        this.#setCharset(0, null);
      } else if (intermediates === "#" && final === "8") {
        screen.fill("E", this.#style);
        screen.moveTo(0, 0);
      }
      return;
    }
    switch (final) {
      case "7":
        this.#save();
        break;
      case "8":
        this.#restore();
        break;
      case "D":
        screen.index(erased);
        break;
      case "E":
        screen.x = 0;
        screen.index(erased);
        break;
      case "H":
        screen.setStop();
        break;
      case "M":
        screen.reverseIndex(erased);
        break;
      case "c":
        this.#reset();
        break;
      case "n":
      case "}":
        this.#useCharset(2);
        break;
      case "o":
      case "|":
        this.#useCharset(3);
        break;
      case "~":
        this.#useCharset(1);
        break;
    }
  }

  /** @param {number} key @param {string} data @param {number} from @param {number} to */
  restyle(key, data, from, to) {
    this.#endCharacter();
    const pen = (this.#pen = this.#pens.after(this.#pen, key, data, from, to));
    this.#style = pen.style;
  }

  /** @param {number} final @param {string} prefix @param {string} intermediates @param {Parameters} parameters */
  sequence(final, prefix, intermediates, parameters) {
    if (prefix === "" && intermediates === "") {
      this.#carryOut(String.fromCharCode(final), parameters);
      this.#endCharacter();
    } else {
      this.#endCharacter();
      if (prefix === "?" && intermediates === "") this.#private(String.fromCharCode(final), parameters);
      else if (prefix === "" && intermediates === "!" && final === 0x70) this.#softReset();
    }
  }

  /** @param {string} final @param {Parameters} parameters */
  #carryOut(final, parameters) {
    const screen = this.#screen;
    const { erased } = this.#pen;
    const count = parameters.count(0);
    switch (final) {
      case "@":
        return screen.insertCharacters(count, erased);
      case "A":
        return screen.up(count);
      case "B":
        return screen.down(count);
      case "C":
      case "a":
        return screen.moveBy(count, 0);
      case "D":
        return screen.moveBy(-count, 0);
      case "E":
        screen.down(count);
        screen.x = 0;
        return;
      case "F":
        screen.up(count);
        screen.x = 0;
        return;
      case "G":
      case "`":
        return screen.moveToColumn(count - 1);
      case "H":
      case "f":
        return screen.moveTo(parameters.count(1) - 1, count - 1);
      case "I":
        return screen.tab(count);
      case "J":
        if (parameters.get(0) === 3) return this.#clearHistory();
        return screen.eraseInDisplay(parameters.get(0), erased);
      case "K":
        return screen.eraseInLine(parameters.get(0), erased);
      case "L":
        return screen.insertLines(count, erased);
      case "M":
        return screen.deleteLines(count, erased);
      case "P":
        return screen.deleteCharacters(count, erased);
      case "S":
        return screen.scrollUp(count, erased);
      case "T":
        return screen.scrollDown(count);
      case "X":
        return screen.eraseCharacters(count, erased);
      case "Z":
        return screen.tabBack(count);
      case "b":
        return this.#repeat(count);
      case "d":
        return screen.moveTo(screen.x, count - 1);
      case "e":
        return screen.moveBy(0, count);
      case "g":
        if (parameters.get(0) === 0 || parameters.get(0) === 3) screen.clearStops(parameters.get(0) === 3);
        return;
      case "h":
      case "l":
        for (let at = 0; at < parameters.length; at += 1) {
          if (parameters.get(at) === 4) this.#inserts = final === "h";
          else if (parameters.get(at) === 20) this.#newline = final === "h";
        }
        return;
      case "r":
        return this.#setMargins(count, parameters.get(1));
      case "s":
        return this.#save();
      case "u":
        return this.#restore();
    }
  }

  /** @param {string} final @param {Parameters} parameters */
  #private(final, parameters) {
    if (final === "J" && parameters.get(0) < 3) this.#screen.eraseInDisplay(parameters.get(0), this.#pen.erased);
    else if (final === "K") this.#screen.eraseInLine(parameters.get(0), this.#pen.erased);
    if (final !== "h" && final !== "l") return;
    for (let at = 0; at < parameters.length; at += 1) this.#setMode(parameters.get(at), final === "h");
  }

  /** @param {number} mode @param {boolean} on */
  #setMode(mode, on) {
    switch (mode) {
      case 2:
        if (on) this.#charsets.fill(null);
        if (on) this.#charset = null;
        break;
      case 6:
        this.#screen.origin = on;
        this.#screen.moveTo(0, 0);
        break;
      case 7:
        this.#wraps = on;
        break;
      case 45:
        this.#wrapsBack = on;
        break;
      case 1048:
        if (on) this.#save();
        else this.#restore();
        break;
      case 1049:
      case 1047:
      case 47:
        if (on) {
          if (mode === 1049) this.#save();
          this.#showAlternate();
        } else {
          this.#showNormal();
          if (mode === 1049) this.#restore();
        }
        break;
      case 2026:
        if (this.drawing && !on) this.onDrawn();
        this.drawing = on;
        break;
    }
  }

  /** @param {string} text @param {boolean} isWhole */
  command(text, isWhole) {
    this.#endCharacter();
    if (!text.startsWith("8;")) return;
    const address = /^8;[^;]*;(.*)$/s.exec(text)?.[1] ?? "";
    const isLink = isWhole && /^https?:\/\//i.test(address); // part of an address leads elsewhere
    this.#setPen(this.#pens.linked(this.#pen, isLink ? address : undefined));
  }

  // How things are

  /** @param {Pen} pen */
  #setPen(pen) {
    this.#pen = pen;
    this.#style = pen.style;
  }

  /** @param {number} index @param {Charset} charset */
  #setCharset(index, charset) {
    this.#charsets[index] = charset;
    if (index === this.#charsetIndex) this.#charset = charset;
  }

  /** @param {number} index */
  #useCharset(index) {
    this.#charsetIndex = index;
    this.#charset = this.#charsets[index];
  }

  #save() {
    const { x, y, scrolled } = this.#screen;
    this.#saved.set(this.#screen, { x, row: scrolled + y, pen: this.#pen, charset: this.#charset });
  }

  #restore() {
    const screen = this.#screen;
    const saved = this.#saved.get(screen) ?? { x: 0, row: 0, pen: this.#pens.plain, charset: null };
    screen.x = saved.x;
    screen.y = Math.max(0, saved.row - screen.scrolled);
    screen.restrict();
    this.#setPen(this.#pens.linked(saved.pen, this.#style?.link));
    this.#charset = saved.charset;
  }

  #showAlternate() {
    if (this.#alternate !== null) return;
    const { x, y, columns, rows } = this.#normal;
    const alternate = new Screen(columns, rows.length, null);
    for (const row of alternate.rows) row.clear(columns, this.#pen.erased);
    alternate.x = x;
    alternate.y = y;
    alternate.origin = this.#normal.origin;
    this.#alternate = this.#screen = alternate;
  }

  #showNormal() {
    if (this.#alternate === null) return;
    const { x, y, origin } = this.#alternate;
    this.#normal.x = x;
    this.#normal.y = y;
    this.#normal.origin = origin;
    this.#screen = this.#normal;
    this.#alternate = null;
    for (const row of this.#normal.rows) row.changed = true;
  }

  #clearHistory() {
    if (this.#alternate !== null) return; // which has none
    this.history.clear();
    this.#normal.scrolled = 0;
  }

  /** @param {number} top @param {number} bottom rows, from 1 on */
  #setMargins(top, bottom) {
    const screen = this.#screen;
    const last = bottom === 0 || bottom > screen.rows.length ? screen.rows.length : bottom;
    if (last <= top) return;
    screen.top = top - 1;
    screen.bottom = last - 1;
    screen.moveTo(0, 0);
  }

  /** Write the last character again. @param {number} count */
  #repeat(count) {
    if (this.#lastWidth === 0) return;
    const text = this.#screen.characterEndingAt(this.#screen.x - 1);
    const times = Math.min(count, this.columns * this.rows);
    for (let left = times; left > 0; left -= 1) for (const one of text) this.printCharacter(one.codePointAt(0) ?? 0);
  }

  #softReset() {
    const screen = this.#screen;
    screen.top = 0;
    screen.bottom = screen.rows.length - 1;
    screen.origin = false;
    this.#setPen(this.#pens.linked(this.#pens.plain, this.#style?.link));
    this.#resetModes();
    this.#saved.set(screen, { x: 0, row: screen.scrolled, pen: this.#pens.plain, charset: null });
  }

  #resetModes() {
    this.#wraps = true;
    this.#wrapsBack = this.#inserts = this.drawing = false;
    this.#charsets.fill(null);
    this.#charset = null;
    this.#charsetIndex = 0;
  }

  #reset() {
    const { columns, rows } = this.#normal;
    this.history.clear();
    this.#alternate = null;
    this.#normal = this.#screen = new Screen(columns, rows.length, this.history);
    this.#setPen(this.#pens.plain);
    this.#newline = this.#convertEol;
    this.#resetModes();
  }
}

/** Text with blanks in place of tabs. @param {string} text */
function expanded(text) {
  if (!text.includes("\t")) return text;
  return text.replace(/^.*\t.*$/gm, (line) => {
    let found = "";
    for (const part of line.split(/(\t)/)) found += part === "\t" ? " ".repeat(8 - (found.length % 8)) : part;
    return found;
  });
}
