// A terminal's screen: rows of cells, a cursor, margins and tab stops. What scrolls off its top goes to a history.

import { CONTINUED, EMPTY, Row } from "./row.js";

/** @typedef {import("./styles.js").Style} Style */

const TAB = 8; // columns between stops

export class Screen {
  columns;
  /** @type {Row[]} */
  rows = [];
  /** The cursor's column. It is `columns` after a row was filled: the next character wraps. */
  x = 0;
  y = 0;
  /** The margins: first and last row of what scrolls. */
  top = 0;
  bottom;
  /** Whether places count from the margins, and the cursor stays between them. */
  origin = false;
  /** Rows that have scrolled off. */
  scrolled = 0;
  #history;
  /** @type {boolean[]} */
  #stops = [];
  /** Whether there are other tab stops than every eighth column. */
  ownStops = false;

  /**
   * @param {number} columns
   * @param {number} rows
   * @param {import("./history.js").History | null} history where rows go that scroll off; null where they are lost
   */
  constructor(columns, rows, history) {
    this.columns = columns;
    this.#history = history;
    this.bottom = rows - 1;
    for (let y = 0; y < rows; y += 1) this.rows.push(new Row());
    this.#setStops(0);
  }

  get row() {
    return this.rows[this.y];
  }

  // The cursor

  /** Bring the cursor back to where it may be. @param {number} last the last column that it may be in */
  restrict(last = this.columns - 1) {
    this.x = Math.min(last, Math.max(0, this.x));
    this.y = this.origin
      ? Math.min(this.bottom, Math.max(this.top, this.y))
      : Math.min(this.rows.length - 1, Math.max(0, this.y));
  }

  /** @param {number} x @param {number} y a row, from the top margin on in origin mode */
  moveTo(x, y) {
    this.x = x;
    this.y = this.origin ? this.top + y : y;
    this.restrict();
  }

  /** @param {number} x */
  moveToColumn(x) {
    this.x = x;
    this.restrict();
  }

  /** @param {number} x @param {number} y */
  moveBy(x, y) {
    this.restrict();
    this.x += x;
    this.y += y;
    this.restrict();
  }

  /** Go up, but not over the top margin. @param {number} count */
  up(count) {
    const room = this.y - this.top;
    this.moveBy(0, -(room >= 0 ? Math.min(room, count) : count));
  }

  /** Go down, but not over the bottom margin. @param {number} count */
  down(count) {
    const room = this.bottom - this.y;
    this.moveBy(0, room >= 0 ? Math.min(room, count) : count);
  }

  /** Go back a column, with `wraps` to the end of the row above where that wrapped. @param {boolean} wraps */
  back(wraps) {
    this.restrict(wraps ? this.columns : this.columns - 1);
    if (this.x > 0) {
      this.x -= 1;
    } else if (wraps && this.y > this.top && this.y <= this.bottom && this.row.wrapped) {
      this.row.wrapped = false;
      this.row.changed = true;
      this.y -= 1;
      this.x = this.columns - 1;
      const { text, width } = this.row.cell(this.x);
      if (text === EMPTY && width === 1) this.x -= 1; // a wide character had no place there
    }
    this.restrict();
  }

  // Tab stops

  /** @param {number} from the first column to set them in */
  #setStops(from) {
    for (let x = from; x < this.columns; x += 1) this.#stops[x] = x % TAB === 0;
  }

  setStop() {
    if (!this.#stops[this.x]) this.ownStops = true;
    this.#stops[this.x] = true;
  }

  /** @param {boolean} all whether all go, or the one in the cursor's column */
  clearStops(all) {
    this.ownStops = true;
    if (all) this.#stops.fill(false);
    else this.#stops[this.x] = false;
  }

  /** The column of the next stop, or the last column. */
  nextStop() {
    let { x } = this;
    do x += 1;
    while (x < this.columns && !this.#stops[x]);
    return Math.min(x, this.columns - 1);
  }

  /** @param {number} count */
  tab(count) {
    if (this.x >= this.columns) return;
    for (let left = Math.min(count, this.columns); left > 0; left -= 1) this.x = this.nextStop();
  }

  /** @param {number} count */
  tabBack(count) {
    if (this.x >= this.columns) return;
    for (let left = Math.min(count, this.columns); left > 0; left -= 1) {
      do this.x -= 1;
      while (this.x > 0 && !this.#stops[this.x]);
      this.x = Math.max(0, this.x);
    }
  }

  // Scrolling

  /** Scroll between the margins by a row. @param {Style | null} style @param {boolean} wrapped whether the new row goes on with a line */
  scroll(style, wrapped = false) {
    const { rows, top, bottom } = this;
    let row;
    if (top === 0) {
      row = rows[0];
      if (this.#history !== null) {
        const next = rows.length === 1 || bottom === 0 ? wrapped : rows[1].wrapped;
        this.#history.push(row, next, this.columns);
        this.scrolled += 1;
      }
    } else {
      row = rows[top];
    }
    if (bottom - top === rows.length - 1) {
      rows.shift();
      rows.push(row);
    } else {
      rows.splice(top, 1);
      rows.splice(bottom, 0, row);
    }
    row.renew(this.columns, style);
    row.wrapped = wrapped;
  }

  /** @param {Style | null} style */
  lineFeed(style) {
    this.y += 1;
    if (this.y === this.bottom + 1) {
      this.y -= 1;
      this.scroll(style);
    } else if (this.y >= this.rows.length) {
      this.y = this.rows.length - 1;
    } else if (this.row.wrapped) {
      this.row.wrapped = false;
      this.row.changed = true;
    }
    if (this.x >= this.columns) this.x -= 1;
  }

  /** Go down a row, and scroll at the bottom margin. @param {Style | null} style */
  index(style) {
    this.restrict();
    this.y += 1;
    if (this.y === this.bottom + 1) {
      this.y -= 1;
      this.scroll(style);
    }
    this.restrict();
  }

  /** Go up a row, and scroll at the top margin. @param {Style | null} style */
  reverseIndex(style) {
    this.restrict();
    if (this.y === this.top) this.#shiftDown(this.top, 1, style);
    else this.y -= 1;
    this.restrict();
  }

  /** Go on in the next row with the line that this one is full of. @param {Style | null} style */
  wrap(style) {
    this.y += 1;
    if (this.y === this.bottom + 1) {
      this.y -= 1;
      this.scroll(style, true);
    } else {
      this.y = Math.min(this.y, this.rows.length - 1);
      this.row.wrapped = true;
      this.row.changed = true;
    }
    this.x = 0;
  }

  /** Move the rows from one on to the bottom margin up: what they push out is lost. @param {number} from @param {number} count @param {Style | null} style */
  #shiftUp(from, count, style) {
    const out = this.rows.splice(from, Math.min(count, this.bottom - from + 1));
    for (const row of out) row.renew(this.columns, style);
    this.rows.splice(this.bottom - out.length + 1, 0, ...out);
  }

  /** @param {number} from @param {number} count @param {Style | null} style */
  #shiftDown(from, count, style) {
    const n = Math.min(count, this.bottom - from + 1);
    const out = this.rows.splice(this.bottom - n + 1, n);
    for (const row of out) row.renew(this.columns, style);
    this.rows.splice(from, 0, ...out);
  }

  /** @param {number} count @param {Style | null} style */
  scrollUp(count, style) {
    this.#shiftUp(this.top, count, style);
  }

  /** @param {number} count */
  scrollDown(count) {
    this.#shiftDown(this.top, count, null);
  }

  /** @param {number} count @param {Style | null} style */
  insertLines(count, style) {
    this.restrict();
    if (this.y < this.top || this.y > this.bottom) return;
    this.#shiftDown(this.y, count, style);
    this.x = 0;
  }

  /** @param {number} count @param {Style | null} style */
  deleteLines(count, style) {
    this.restrict();
    if (this.y < this.top || this.y > this.bottom) return;
    this.#shiftUp(this.y, count, style);
    this.x = 0;
  }

  // Within a row

  /** @param {number} count @param {Style | null} style */
  insertCharacters(count, style) {
    this.restrict();
    this.row.insert(this.x, count, this.columns, style);
  }

  /** @param {number} count @param {Style | null} style */
  deleteCharacters(count, style) {
    this.restrict();
    this.row.remove(this.x, count, this.columns, style);
  }

  /** @param {number} count @param {Style | null} style */
  eraseCharacters(count, style) {
    this.restrict();
    const to = Math.min(this.x + count, this.columns);
    if (to === this.columns) this.row.eraseRight(this.x, this.columns, style);
    else this.row.erase(this.x, to, style);
  }

  /** @param {number} what to the right (0), to the left (1), all of it (2) @param {Style | null} style */
  eraseInLine(what, style) {
    this.restrict(this.columns);
    const { row, x, columns } = this;
    if (what === 0) {
      row.eraseRight(x, columns, style);
      if (x === 0) row.wrapped = false;
    } else if (what === 1) {
      if (x + 1 >= columns) row.eraseRight(0, columns, style);
      else row.erase(0, x + 1, style);
    } else if (what === 2) {
      row.clear(columns, style);
    }
  }

  /** @param {number} what below (0), above (1), all of it (2) @param {Style | null} style */
  eraseInDisplay(what, style) {
    this.restrict(this.columns);
    const { rows, x, y, columns } = this;
    if (what === 0) {
      this.eraseInLine(0, style);
      for (let at = y + 1; at < rows.length; at += 1) rows[at].clear(columns, style);
    } else if (what === 1) {
      this.eraseInLine(1, style);
      rows[y].wrapped = false;
      if (x + 1 >= columns && y + 1 < rows.length && rows[y + 1].wrapped) {
        rows[y + 1].wrapped = false;
        rows[y + 1].changed = true;
      }
      for (let at = 0; at < y; at += 1) rows[at].clear(columns, style);
    } else if (what === 2) {
      for (const row of rows) row.clear(columns, style);
    }
  }

  /** Fill all of it with a character. @param {string} text @param {Style | null} style */
  fill(text, style) {
    for (const row of this.rows) row.fill(text, this.columns, style);
  }

  // All of it

  /**
   * Take another size. Rows keep what they have beyond the last column until they are written to there. Of rows that have
   * no place any more, blank ones below the cursor go first, then the ones at the top scroll off.
   *
   * @param {number} columns
   * @param {number} rows
   */
  resize(columns, rows) {
    const before = this.columns;
    this.columns = columns;
    this.#stops.length = Math.min(this.#stops.length, columns);
    this.#setStops(before);
    while (this.rows.length > rows) {
      if (this.rows.length - 1 > this.y && this.rows[this.rows.length - 1].isBlank) {
        this.rows.pop();
        continue;
      }
      const [row] = this.rows.splice(0, 1);
      if (this.#history !== null) {
        this.#history.push(row, this.rows[0].wrapped, before);
        this.scrolled += 1;
      }
      this.y = Math.max(0, this.y - 1);
    }
    while (this.rows.length < rows) this.rows.push(new Row());
    for (const row of this.rows) row.changed = true;
    this.top = 0;
    this.bottom = rows - 1;
    this.x = Math.min(this.x, columns - 1);
  }

  /** Rows down to the last one that something is in, or the cursor. @param {boolean} toCursor whether to look at the cursor */
  used(toCursor) {
    let { length } = this.rows;
    while (length > 0 && !(toCursor && length - 1 === this.y) && this.rows[length - 1].isBlank) length -= 1;
    return length;
  }

  /** The text of the character whose last column is given. @param {number} column */
  characterEndingAt(column) {
    const { cells } = this.row.toCells();
    const text = cells[column] === CONTINUED ? cells[column - 1] : cells[column];
    return text === undefined || text === EMPTY ? " " : text;
  }
}
