// One row of a terminal's screen.
//
// A row that is only added to is kept as runs of text, of characters that take one column each (and tabs, in a log that
// is not of a terminal). Once anything else happens to it, it is kept as cells.

/**
 * @typedef {import("./styles.js").Style} Style
 * @typedef {import("./styles.js").Run} Run
 */

/** What the second column of a wide character has for its text. */
export const CONTINUED = "\0";
/** The text of a cell that nothing is in. */
export const EMPTY = "";

const TAB = 8; // columns between stops, in a row that keeps its tabs

let ids = 0;

export class Row {
  /** Tells rows apart, and one row from what it is after it was made blank to be another. */
  id = (ids += 1);
  /** Whether it goes on with the line that the row above it ends with. */
  wrapped = false;
  /** Whether its last column is only empty because a wide character had no place there. */
  padded = false;
  /** Whether it is another than it was at the last look. */
  changed = true;
  /** Columns of the runs, where there are no cells. */
  width = 0;
  /** Whether there are tabs in the runs. */
  tabbed = false;
  /** How many runs there are. */
  count = 0;
  /** The text of each run, and then what is not in use. @type {string[]} */
  texts = [];
  /** The style of each run. @type {(Style | null)[]} */
  styles = [];
  /** The text of each cell, if there are cells. @type {string[] | null} */
  cells = null;
  /** The style of each cell. @type {(Style | null)[]} */
  cellStyles = [];

  /** Make it another row, which is blank. @param {number} columns @param {Style | null} style */
  renew(columns, style) {
    this.id = ids += 1;
    this.clear(columns, style);
  }

  /** Make it blank. @param {number} columns @param {Style | null} style of its cells */
  clear(columns, style) {
    this.wrapped = false;
    this.blank();
    if (style !== null) this.append(0, " ".repeat(columns), style);
  }

  blank() {
    this.changed = true;
    this.padded = false;
    this.tabbed = false;
    this.width = 0;
    this.count = 0;
    if (this.cells !== null) {
      this.cells = null;
      this.cellStyles = [];
    }
  }

  /** Whether nothing is in it. */
  get isBlank() {
    if (this.cells !== null) return this.cells.every((text, at) => text === EMPTY && this.cellStyles[at] === null);
    return this.width === 0;
  }

  /** Columns up to the last one that something is in. */
  get length() {
    const { cells, cellStyles } = this;
    if (cells === null) return this.width;
    let { length } = cells;
    while (length > 0 && cells[length - 1] === EMPTY && cellStyles[length - 1] === null) length -= 1;
    return length;
  }

  /**
   * Write text of characters that take one column each.
   *
   * @param {number} column
   * @param {string} text
   * @param {Style | null} style
   */
  write(column, text, style) {
    this.changed = true;
    if (this.cells === null) {
      if (column >= this.width) {
        this.append(column, text, style);
        return;
      }
      if (column === 0 && text.length >= this.width) {
        this.blank();
        this.append(0, text, style);
        return;
      }
    }
    this.#overwrite(column, text, style);
  }

  /** Add to the runs. @param {number} column at the end of them, or after it @param {string} text @param {Style | null} style */
  append(column, text, style) {
    if (column > this.width) this.add(" ".repeat(column - this.width), null);
    this.add(text, style);
    this.width = column + text.length;
  }

  /** Add to the runs at their end, whose width is set by whoever calls. @param {string} text @param {Style | null} style */
  add(text, style) {
    this.changed = true;
    const { count, texts, styles } = this;
    if (count > 0 && styles[count - 1] === style) {
      texts[count - 1] += text;
    } else {
      texts[count] = text;
      styles[count] = style;
      this.count = count + 1;
    }
  }

  /** Keep a tab at the end of the runs as one. @param {number} stop the column that it leads to */
  appendTab(stop) {
    this.changed = this.tabbed = true;
    this.add("\t", null);
    this.width = stop;
  }

  /** @param {number} column @param {string} text @param {Style | null} style */
  #overwrite(column, text, style) {
    const { cells, cellStyles } = this.toCells();
    const end = column + text.length;
    if (column > 0 && isWide(cells, column - 1)) this.#put(column - 1, EMPTY, style);
    if (isWide(cells, end - 1)) this.#put(end, EMPTY, style);
    this.#extend(column);
    for (let at = 0; at < text.length; at += 1) {
      cells[column + at] = text[at];
      cellStyles[column + at] = style;
    }
  }

  /**
   * Write a character of any width, which must fit.
   *
   * @param {number} column
   * @param {string} text
   * @param {number} width
   * @param {Style | null} style
   */
  writeCharacter(column, text, width, style) {
    this.changed = true;
    const { cells } = this.toCells();
    const end = column + width;
    if (column > 0 && isWide(cells, column - 1)) this.#put(column - 1, EMPTY, style);
    if (isWide(cells, end - 1)) this.#put(end, EMPTY, style);
    this.#put(column, text, style);
    for (let at = column + 1; at < end; at += 1) this.#put(at, CONTINUED, style);
  }

  /** Add to the character whose last column is given. @param {number} column @param {string} text @param {number} longest */
  join(column, text, longest) {
    this.changed = true;
    const { cells } = this.toCells();
    const at = cells[column] === CONTINUED ? column - 1 : column;
    if (at >= 0 && at < cells.length && cells[at].length + text.length <= longest) cells[at] += text;
  }

  /** Leave no half of a wide character where the cursor is within one. @param {number} column of it @param {Style | null} style */
  separate(column, style) {
    if (this.cells === null || this.cells[column] !== CONTINUED) return;
    this.#put(column - 1, EMPTY, style);
    this.#put(column, EMPTY, style);
  }

  /** Let a character of one column take the next one too. @param {number} column of it @param {Style | null} style */
  widen(column, style) {
    const { cells } = this.toCells();
    if (isWide(cells, column + 1)) this.#put(column + 2, EMPTY, style);
    this.#put(column + 1, CONTINUED, style);
  }

  /** Put blanks in place of columns. @param {number} from @param {number} to not included @param {Style | null} style */
  erase(from, to, style) {
    this.changed = true;
    const { cells, cellStyles } = this.toCells();
    if (to >= cells.length) this.padded = false;
    if (from > 0 && isWide(cells, from - 1)) this.#put(from - 1, EMPTY, style);
    if (isWide(cells, to - 1)) this.#put(to, EMPTY, style);
    if (style === null && to >= cells.length) {
      cells.length = cellStyles.length = Math.min(from, cells.length);
      return;
    }
    this.#extend(from);
    cells.length = cellStyles.length = Math.max(cells.length, to);
    cells.fill(EMPTY, from, to);
    cellStyles.fill(style, from, to);
  }

  /** Put blanks from a column on. @param {number} from @param {number} columns of the screen @param {Style | null} style */
  eraseRight(from, columns, style) {
    if (this.cells === null && (from >= this.width || !this.tabbed)) {
      this.changed = true;
      if (from < this.width) this.#cut(from);
      if (style !== null && from < columns) this.append(from, " ".repeat(columns - from), style);
      this.padded = false;
    } else {
      this.erase(from, Math.max(columns, this.cells?.length ?? 0), style);
    }
  }

  /** @param {number} width to be left of the runs */
  #cut(width) {
    let over = this.width - width;
    while (over > 0) {
      const text = this.texts[this.count - 1];
      if (text.length <= over) this.count -= 1;
      else this.texts[this.count - 1] = text.slice(0, text.length - over);
      over -= text.length;
    }
    this.width = width;
  }

  /**
   * Make room for blanks, and lose what is moved out.
   *
   * @param {number} column
   * @param {number} count
   * @param {number} columns of the screen
   * @param {Style | null} style of the blanks
   */
  insert(column, count, columns, style) {
    this.changed = true;
    this.padded = false;
    const { cells, cellStyles } = this.toCells();
    const n = Math.min(count, columns - column);
    if (column > 0 && isWide(cells, column - 1)) {
      this.#put(column - 1, EMPTY, style);
      cells[column] = EMPTY;
    }
    this.#extend(column);
    cells.splice(column, 0, .../** @type {string[]} */ (Array(n).fill(EMPTY)));
    cellStyles.splice(column, 0, ...Array(n).fill(style));
    if (isWide(cells, columns - 1)) this.#put(columns - 1, EMPTY, style);
    if (cells.length > columns) cells.length = cellStyles.length = columns;
  }

  /**
   * Take columns out, and let what is after them follow.
   *
   * @param {number} column
   * @param {number} count
   * @param {number} columns of the screen
   * @param {Style | null} style of the blanks that come in at the end
   */
  remove(column, count, columns, style) {
    this.changed = true;
    this.padded = false;
    const { cells, cellStyles } = this.toCells();
    const n = Math.min(count, columns - column);
    const split = column > 0 && isWide(cells, column - 1);
    if (style !== null) this.#extend(columns);
    cells.splice(column, n);
    cellStyles.splice(column, n);
    if (style !== null) {
      for (let at = 0; at < n; at += 1) {
        cells.push(EMPTY);
        cellStyles.push(style);
      }
    }
    if (split) this.#put(column - 1, EMPTY, style);
    if (cells[column] === CONTINUED) this.#put(column, EMPTY, style);
  }

  /** Fill the row with a character. @param {string} text @param {number} columns @param {Style | null} style */
  fill(text, columns, style) {
    this.clear(columns, null);
    this.append(0, text.repeat(columns), style);
  }

  /** Leave the last column empty, as a wide character has no place there. @param {number} from @param {number} columns @param {Style | null} style */
  pad(from, columns, style) {
    this.changed = true;
    this.toCells();
    for (let at = from; at < columns; at += 1) this.#put(at, EMPTY, style);
    this.padded = true;
  }

  /** @param {number} column @param {string} text @param {Style | null} style */
  #put(column, text, style) {
    this.#extend(column);
    /** @type {string[]} */ (this.cells)[column] = text;
    this.cellStyles[column] = style;
  }

  /** Have at least so many cells. @param {number} length */
  #extend(length) {
    const { cells, cellStyles } = this;
    if (cells === null) return;
    while (cells.length < length) {
      cells.push(EMPTY);
      cellStyles.push(null);
    }
  }

  toCells() {
    if (this.cells === null) {
      /** @type {string[]} */
      const cells = (this.cells = []);
      /** @type {(Style | null)[]} */
      const cellStyles = (this.cellStyles = []);
      for (let index = 0; index < this.count; index += 1) {
        const text = this.texts[index];
        const style = this.styles[index];
        for (let at = 0; at < text.length; at += 1) {
          if (text[at] === "\t") {
            const stop = cells.length + TAB - (cells.length % TAB);
            while (cells.length < stop) {
              cells.push(EMPTY);
              cellStyles.push(null);
            }
          } else {
            cells.push(text[at]);
            cellStyles.push(style);
          }
        }
      }
      this.count = 0;
      this.tabbed = false;
    }
    return { cells: this.cells, cellStyles: this.cellStyles };
  }

  /**
   * Its text, in runs of one style each.
   *
   * @param {(text: string, style: Style | null) => void} add called with each
   * @param {number} continued the columns of the screen where its line goes on in the next row, else 0
   * @param {boolean} tabs whether tabs stay tabs
   */
  runs(add, continued, tabs) {
    const { cells, cellStyles } = this;
    if (cells === null) {
      let column = 0;
      for (let at = 0; at < this.count; at += 1) {
        if (this.tabbed && !tabs) {
          let text = "";
          for (const character of this.texts[at]) {
            const more = character === "\t" ? " ".repeat(TAB - (column % TAB)) : character;
            text += more;
            column += more.length;
          }
          add(text, this.styles[at]);
        } else {
          add(this.texts[at], this.styles[at]);
        }
      }
      if (continued > this.width) add(" ".repeat(continued - this.width), null);
      return;
    }
    let length = Math.max(this.length, continued);
    if (continued > 0 && this.padded && length === continued && (cells[length - 1] ?? EMPTY) === EMPTY) length -= 1;
    let from = 0;
    while (from < length) {
      const style = cellStyles[from] ?? null;
      let text = "";
      let to = from;
      for (; to < length && (cellStyles[to] ?? null) === style; to += 1) {
        const cell = cells[to] ?? EMPTY;
        text += cell === EMPTY ? " " : cell === CONTINUED ? "" : cell;
      }
      add(text, style);
      from = to;
    }
  }

  /** What is in a column. @param {number} column @returns {{ text: string, width: number, style: Style | null }} */
  cell(column) {
    const { cells, cellStyles } = this.toCells();
    const text = cells[column] ?? EMPTY;
    const width = text === CONTINUED ? 0 : isWide(cells, column) ? 2 : 1;
    return { text: text === CONTINUED ? "" : text, width, style: cellStyles[column] ?? null };
  }
}

/** Whether a column has the first half of a wide character. @param {string[]} cells @param {number} column */
function isWide(cells, column) {
  return cells[column + 1] === CONTINUED;
}
