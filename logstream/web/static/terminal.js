// Terminal output as lines of styled text: what a log looks like after the escape sequences in it.
//
// Colours and attributes (SGR), carriage return, backspace and what programs use to redraw a line are carried out.
// All other sequences are dropped. Nothing here knows of a page.

/**
 * How a run of text looks. A colour is an index from 0 to 15 or "#rrggbb"; what is absent is as usual.
 *
 * @typedef {{ fg?: number | string, bg?: number | string, bold?: true, dim?: true, italic?: true, underline?: true,
 *             inverse?: true, hidden?: true, strike?: true }} Style
 * @typedef {{ text: string, style: Style | null }} Run
 * @typedef {string | Run[]} Line text without a style, or runs; with its newline, which a line that is cut has not
 */

const MAX_LINE = 10_000; // characters; a longer line is cut, so that redrawing it stays cheap
const MAX_SEQUENCE = 1_000; // characters of a sequence that are awaited

// All but text and tab.
const CONTROL = /[\x00-\x08\x0a-\x1f\x7f-\x9f]/g;
// Control sequences: parameters, intermediate characters, and a final one that says what to do.
const CSI = /(?:\x1b\[|\x9b)([0-?]*)([ -/]*)([@-~])/y;
const CSI_BEGUN = /(?:\x1b\[|\x9b)[0-?]*[ -/]*/y;
// Sequences that carry text for the terminal itself, such as a window's title.
const STRING = /\x1b[\]PX^_]|[\x90\x98\x9d-\x9f]/y;
const STRING_END = /[\x07\x9c\x18\x1a\n]|\x1b(?:\\|(?=[^]))/g;
const ESCAPE = /\x1b[ -/]*[0-~]/y;
const ESCAPE_BEGUN = /\x1b[ -/]*/y;

const WIDE = /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{20000}-\u{3fffd}]|\p{Emoji_Presentation}/u;
const ZERO_WIDTH = /[\p{M}\u200b-\u200f\ufe00-\ufe0f]/u;

/** A terminal without a screen: text goes in, lines come out. */
export class Terminal {
  #onLine;
  #held = ""; // a sequence that is not whole yet
  #inString = false;
  /** @type {Style | null} */
  #style = null;
  #line = new OpenLine();

  /** @param {(line: Line) => void} onLine called with each line that is finished */
  constructor(onLine) {
    this.#onLine = onLine;
  }

  /** The runs of the line that is not finished yet. @returns {Run[]} */
  get current() {
    return this.#line.runs();
  }

  /** Take some more output, cut anywhere. @param {string} text */
  write(text) {
    const data = this.#held === "" ? text : this.#held + text;
    this.#held = "";
    let at = this.#inString ? this.#skipString(data, 0) : 0;
    while (at < data.length) {
      CONTROL.lastIndex = at;
      const end = CONTROL.exec(data)?.index ?? data.length;
      if (data[end] === "\n" && this.#style === null && this.#line.untouched && end - at < MAX_LINE) {
        this.#onLine(data.slice(at, end + 1));
        at = end + 1;
        continue;
      }
      if (end > at) this.#append(data, at, end);
      at = end < data.length ? this.#control(data, end) : end;
    }
  }

  /** @param {string} data @param {number} from @param {number} to */
  #append(data, from, to) {
    while (from < to) {
      if (this.#line.length >= MAX_LINE) this.#finish("");
      let cut = Math.min(to, from + MAX_LINE - this.#line.length);
      if (cut < to && (data.charCodeAt(cut) & 0xfc00) === 0xdc00) cut += 1; // not within a character
      this.#line.append(data.slice(from, cut), this.#style);
      from = cut;
    }
  }

  /** @param {string} ending */
  #finish(ending) {
    const runs = this.#line.runs();
    if (ending !== "") {
      const last = runs.at(-1);
      if (last?.style === null) last.text += ending;
      else runs.push({ text: ending, style: null });
    }
    this.#line = new OpenLine();
    this.#onLine(runs.length === 1 && runs[0].style === null ? runs[0].text : runs);
  }

  /** Carry out the control character or sequence at a place; where to go on. @param {string} data @param {number} at */
  #control(data, at) {
    switch (data[at]) {
      case "\n":
      case "\v":
      case "\f":
        this.#finish("\n");
        return at + 1;
      case "\r":
        this.#line.moveTo(0);
        return at + 1;
      case "\b":
        this.#line.moveBy(-1);
        return at + 1;
      case "\x1b":
      case "\x90":
      case "\x98":
      case "\x9b":
      case "\x9d":
      case "\x9e":
      case "\x9f":
        return this.#sequence(data, at);
      default:
        return at + 1;
    }
  }

  /** @param {string} data @param {number} at */
  #sequence(data, at) {
    const csi = matchAt(CSI, data, at);
    if (csi !== null) {
      if (csi[2] === "") this.#carryOut(csi[3], csi[1]);
      return CSI.lastIndex;
    }
    if (matchAt(STRING, data, at) !== null) return this.#skipString(data, STRING.lastIndex);
    let begun = matchAt(CSI_BEGUN, data, at);
    if (begun === null) {
      if (matchAt(ESCAPE, data, at) !== null) return ESCAPE.lastIndex;
      begun = matchAt(ESCAPE_BEGUN, data, at);
    }
    const end = at + (begun?.[0].length ?? 1); // here it breaks off, or the rest is still to come
    if (end === data.length && end - at < MAX_SEQUENCE) this.#held = data.slice(at);
    return end;
  }

  /**
   * Go past a string's end, which may not be here yet. A newline ends one too, or a stray beginning would take all.
   *
   * @param {string} data
   * @param {number} at
   */
  #skipString(data, at) {
    STRING_END.lastIndex = at;
    const end = STRING_END.exec(data);
    this.#inString = end === null;
    if (end !== null) return end[0] === "\n" || end[0] === "\x1b" ? end.index : STRING_END.lastIndex;
    if (data.length > at && data.endsWith("\x1b")) this.#held = "\x1b"; // the end may have begun
    return data.length;
  }

  /** @param {string} final @param {string} parameters */
  #carryOut(final, parameters) {
    if (/^[<-?]/.test(parameters)) return; // private to some terminal
    const count = parseInt(parameters, 10) || 0;
    switch (final) {
      case "m":
        this.#style = restyle(this.#style, parameters);
        break;
      case "K":
        this.#line.erase(count);
        break;
      case "C":
        this.#line.moveBy(Math.max(1, count));
        break;
      case "D":
        this.#line.moveBy(-Math.max(1, count));
        break;
      case "G":
        this.#line.moveTo(Math.max(1, count) - 1);
        break;
    }
  }
}

/** The line that output goes to: runs as long as text is only added, cells once something in it is written over. */
class OpenLine {
  /** @type {Run[]} */
  #runs = [];
  /** @type {Run[] | null} */
  #cells = null; // one for each column; the second one of a wide character has no text
  /** @type {number | null} */
  #column = null; // where output goes, if that is not the end
  length = 0; // characters, or columns

  get untouched() {
    return this.length === 0 && this.#column === null;
  }

  runs() {
    if (this.#cells === null) return this.#runs.map((run) => ({ ...run }));
    /** @type {Run[]} */
    const runs = [];
    for (const { text, style } of this.#cells) {
      const last = runs.at(-1);
      if (last !== undefined && last.style === style) last.text += text;
      else runs.push({ text, style });
    }
    return runs;
  }

  /** @param {string} text @param {Style | null} style */
  append(text, style) {
    if (this.#column !== null) {
      this.#overwrite(text, style);
      return;
    }
    const last = this.#runs.at(-1);
    if (last !== undefined && last.style === style) last.text += text;
    else this.#runs.push({ text, style });
    this.length += text.length;
  }

  /** @param {number} column */
  moveTo(column) {
    if (this.length > 0 || this.#column !== null || column > 0) this.#column = Math.min(column, MAX_LINE);
  }

  /** @param {number} columns */
  moveBy(columns) {
    const { column } = this.#toCells();
    this.moveTo(Math.max(0, column + columns));
  }

  /** Erase from the cursor on (0), up to it (1), or all (2). @param {number} what */
  erase(what) {
    if (what === 0 && this.#column === null) return; // nothing is there
    const { cells, column } = this.#toCells();
    if (what === 1) {
      const end = Math.min(column + 1, cells.length);
      for (let at = 0; at < end; at += 1) put(cells, at, " ", null);
    } else {
      cells.length = what === 2 ? 0 : Math.min(cells.length, column);
    }
    this.length = cells.length;
  }

  #toCells() {
    if (this.#cells === null) {
      const column = this.#column;
      /** @type {Run[]} */
      const cells = (this.#cells = []);
      this.#column = 0;
      for (const { text, style } of this.#runs) this.#overwrite(text, style);
      this.#column = column ?? cells.length;
    }
    return { cells: this.#cells, column: this.#column ?? 0 };
  }

  /** @param {string} text @param {Style | null} style */
  #overwrite(text, style) {
    let { cells, column } = this.#toCells();
    for (const character of text) {
      if (character === "\t") {
        column += 8 - (column % 8);
      } else if (ZERO_WIDTH.test(character)) {
        combine(cells, column, character);
      } else {
        put(cells, column, character, style);
        column += 1;
        if (WIDE.test(character)) {
          put(cells, column, " ", style);
          cells[column].text = "";
          column += 1;
        }
      }
    }
    this.#column = column;
    this.length = cells.length;
  }
}

/** @param {Run[]} cells @param {number} column @param {string} text @param {Style | null} style */
function put(cells, column, text, style) {
  while (cells.length < column) cells.push({ text: " ", style: null });
  // Half of a wide character does not stay.
  if (cells[column]?.text === "" && column > 0) cells[column - 1].text = " ";
  if (cells[column + 1]?.text === "") cells[column + 1].text = " ";
  cells[column] = { text, style };
}

/** @param {Run[]} cells @param {number} cursor @param {string} character */
function combine(cells, cursor, character) {
  let column = Math.min(cursor, cells.length) - 1;
  if (column > 0 && cells[column].text === "") column -= 1;
  if (column >= 0 && cells[column].text.length < 32) cells[column].text += character;
}

/** @param {RegExp} expression @param {string} data @param {number} at */
function matchAt(expression, data, at) {
  expression.lastIndex = at;
  return expression.exec(data);
}

/**
 * A style after the codes of one SGR sequence; null for the usual one.
 *
 * @param {Style | null} style
 * @param {string} parameters
 * @returns {Style | null}
 */
function restyle(style, parameters) {
  /** @type {Style} */
  let next = { ...style };
  const codes = parameters.split(";");
  for (let at = 0; at < codes.length; at += 1) {
    const [code, ...rest] = codes[at].split(":").map(Number);
    if (code === 38 || code === 48 || code === 58) {
      let values = rest;
      if (rest.length === 0) {
        const kind = Number(codes[at + 1]);
        const count = kind === 5 ? 2 : kind === 2 ? 4 : codes.length;
        values = codes.slice(at + 1, at + 1 + count).map(Number);
        at += count;
      } else if (rest.length > 4) {
        values = [rest[0], ...rest.slice(2)]; // the colour space is not of interest
      }
      const color = colorOf(values);
      if (code !== 58 && color !== undefined) next[code === 38 ? "fg" : "bg"] = color;
    } else if (code === 4 && rest[0] === 0) {
      delete next.underline;
    } else if (code === 0) {
      next = {};
    } else if (code in ATTRIBUTES) {
      const { on, off } = ATTRIBUTES[code];
      for (const key of off ?? []) delete next[key];
      if (on) next[on] = true;
    } else if ((code >= 30 && code <= 37) || (code >= 90 && code <= 97)) {
      next.fg = code >= 90 ? code - 82 : code - 30;
    } else if ((code >= 40 && code <= 47) || (code >= 100 && code <= 107)) {
      next.bg = code >= 100 ? code - 92 : code - 40;
    }
  }
  return Object.keys(next).length === 0 ? null : next;
}

/**
 * @typedef {"bold" | "dim" | "italic" | "underline" | "inverse" | "hidden" | "strike"} Attribute
 * @type {Record<number, { on?: Attribute, off?: (Attribute | "fg" | "bg")[] }>}
 */
const ATTRIBUTES = {
  1: { on: "bold" },
  2: { on: "dim" },
  3: { on: "italic" },
  4: { on: "underline" },
  7: { on: "inverse" },
  8: { on: "hidden" },
  9: { on: "strike" },
  21: { on: "underline" },
  22: { off: ["bold", "dim"] },
  23: { off: ["italic"] },
  24: { off: ["underline"] },
  27: { off: ["inverse"] },
  28: { off: ["hidden"] },
  29: { off: ["strike"] },
  39: { off: ["fg"] },
  49: { off: ["bg"] },
};

/** A colour by what follows 38 or 48; undefined for what is none. @param {number[]} values */
function colorOf([kind, ...values]) {
  if (!values.every((value) => Number.isInteger(value) && value >= 0 && value <= 255)) return undefined;
  if (kind === 2 && values.length >= 3) return hex(values.slice(0, 3));
  if (kind !== 5 || values.length === 0) return undefined;
  const [index] = values;
  if (index < 16) return index;
  if (index >= 232) return hex(Array(3).fill(8 + 10 * (index - 232)));
  const steps = [Math.floor((index - 16) / 36), Math.floor((index - 16) / 6) % 6, (index - 16) % 6];
  return hex(steps.map((step) => (step === 0 ? 0 : 55 + 40 * step)));
}

/** @param {number[]} values red, green and blue */
function hex(values) {
  return `#${values.map((value) => value.toString(16).padStart(2, "0")).join("")}`;
}
