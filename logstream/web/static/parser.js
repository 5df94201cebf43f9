// Cuts terminal output into text, control characters and sequences, wherever the output itself is cut.
//
// The states are those of ECMA-48 and DEC's terminals. What differs: nothing but a well-formed sequence takes anything
// with it. One that breaks off (a line feed in it, a character that cannot be there, no end in sight) is left out as far
// as it goes, and what follows is text. C1 characters (U+0080 to U+009F) are ignored, as they are mostly badly decoded
// text.

import { simpleEnd } from "./characters.js";

const MAX_SEQUENCE = 1_000; // characters; what is longer is no sequence
const MAX_PARAMETER = 0x7fffffff;

const LF = 0x0a;
const CR = 0x0d;
const CAN = 0x18;
const SUB = 0x1a;
const ESC = 0x1b;
const DEL = 0x7f;

/**
 * What output is made of is handed to.
 *
 * @typedef {object} Target
 * @property {(data: string, from: number, to: number) => void} print text of simple characters
 * @property {(data: string, from: number, end: number) => number} printLines the line that ends at `end`, and lines that
 *   follow it, if that is worth while; where to go on, which is `from` if it is not
 * @property {(code: number) => void} printCharacter any other character, by its code point
 * @property {(code: number) => void} control a control character
 * @property {(final: string, intermediates: string) => void} escape
 * @property {() => void} newLine CR and LF
 * @property {(key: number, data: string, from: number, to: number) => void} restyle an SGR sequence, with the place of its
 *   parameters, and a number that no others have, or -1
 * @property {(final: number, prefix: string, intermediates: string, parameters: Parameters) => void} sequence a control
 *   sequence, by the code of its last character
 * @property {(text: string, isWhole: boolean) => void} command an operating system command: its number, and what follows,
 *   whole or only its beginning
 */

/** The parameters of a control sequence: numbers, 0 where one was left out. */
export class Parameters {
  length = 0;
  #values = new Int32Array(MAX_SEQUENCE);
  /** @param {number} index */
  get(index) {
    return index < this.length ? this.#values[index] : 0;
  }

  /** A count, or a place, which is 1 where nothing else is said. @param {number} index */
  count(index) {
    return this.get(index) || 1;
  }

  /** @param {string} data @param {number} from @param {number} to */
  read(data, from, to) {
    const values = this.#values;
    let value = 0;
    let length = 0;
    let sub = false; // in what belongs to the parameter before it
    for (let at = from; at < to; at += 1) {
      const code = data.charCodeAt(at);
      if (code === 0x3b) {
        values[length] = value;
        length += 1;
        value = 0;
        sub = false;
      } else if (code === 0x3a) {
        sub = true;
      } else if (!sub) {
        value = Math.min(10 * value + code - 0x30, MAX_PARAMETER);
      }
    }
    values[length] = value;
    this.length = length + 1;
  }
}

export class Parser {
  #target;
  #parameters = new Parameters();
  #held = ""; // what may be the beginning of something
  /** In a string, which goes by: what ends it besides ESC, CAN and SUB. @type {"" | "bell" | "line" | "none"} */
  #string = "";
  /** The beginning of an operating system command. */
  #command = "";

  /** @param {Target} target */
  constructor(target) {
    this.#target = target;
  }

  /** Take some more output. @param {string} text */
  write(text) {
    const data = this.#held === "" ? text : this.#held + text;
    const target = this.#target;
    this.#held = "";
    let at = this.#string === "" ? 0 : this.#skipString(data, 0);
    while (at < data.length) {
      const code = data.charCodeAt(at);
      if (code >= 0x20 && code !== DEL) {
        const end = simpleEnd(data, at);
        if (end > at) {
          const after = data.charCodeAt(end) === CR ? target.printLines(data, at, end) : at;
          if (after === at) {
            target.print(data, at, end);
            at = end;
          } else {
            at = after;
          }
        } else {
          at = this.#character(data, at, code);
        }
      } else if (code === ESC) {
        const after = this.#style(data, at);
        at = after > 0 ? after : this.#sequence(data, at);
      } else if (code === CR && data.charCodeAt(at + 1) === LF) {
        target.newLine();
        at += 2;
      } else {
        if (code !== DEL) target.control(code);
        at += 1;
      }
    }
  }

  /** A character that is not simple; where to go on. @param {string} data @param {number} at @param {number} unit */
  #character(data, at, unit) {
    if (unit < 0xa0) return at + 1;
    if (unit >= 0xd800 && unit < 0xdc00) {
      if (at + 1 === data.length) {
        this.#held = data[at];
        return at + 1;
      }
      const code = /** @type {number} */ (data.codePointAt(at));
      this.#target.printCharacter(code > 0xffff ? code : 0xfffd);
      return at + (code > 0xffff ? 2 : 1);
    }
    this.#target.printCharacter(unit >= 0xdc00 && unit < 0xe000 ? 0xfffd : unit);
    return at + 1;
  }

  /** An SGR sequence of up to three numbers, as most are; where to go on, or 0 if it is none. @param {string} data @param {number} begin */
  #style(data, begin) {
    if (data.charCodeAt(begin + 1) !== 0x5b) return 0;
    let key = 0;
    let count = 0;
    let value = 0;
    for (let at = begin + 2; ; at += 1) {
      const code = data.charCodeAt(at);
      if (code >= 0x30 && code < 0x3a) {
        value = 10 * value + code - 0x30;
        if (value > 255) return 0;
      } else if (code === 0x3b && count < 2) {
        key |= value << (8 * count);
        count += 1;
        value = 0;
      } else if (code === 0x6d) {
        this.#target.restyle(key | (value << (8 * count)) | (count << 24), data, begin + 2, at);
        return at + 1;
      } else {
        return 0;
      }
    }
  }

  /** What an ESC begins; where to go on. @param {string} data @param {number} begin */
  #sequence(data, begin) {
    const target = this.#target;
    const { length } = data;
    let at = begin + 1;
    if (at === length) return this.#hold(data, begin);
    let code = data.charCodeAt(at);
    switch (code) {
      case 0x5b: // [
        return this.#controlSequence(data, begin);
      case 0x5d: // ]
        return this.#operatingSystemCommand(data, begin);
      case 0x50: // P
      case 0x58: // X
      case 0x5e: // ^
      case 0x5f: // _
        this.#string = "none";
        return this.#skipString(data, at + 1);
      case 0x6b: // k
        this.#string = "line"; // a title, as screen and tmux have it
        return this.#skipString(data, at + 1);
    }
    const first = at;
    const limit = Math.min(length, begin + MAX_SEQUENCE);
    let controls = false;
    for (; at < limit; at += 1) {
      code = data.charCodeAt(at);
      if (code >= 0x20 && code < 0x30) continue;
      if (code >= 0x30 && code < DEL) {
        target.escape(data[at], controls ? stripped(data, first, at) : data.slice(first, at));
        return at + 1;
      }
      if (!this.#within(code)) return this.#broken(code, at);
      controls = true;
    }
    return at === length ? this.#hold(data, begin, controls) : at;
  }

  /** @param {string} data @param {number} begin */
  #controlSequence(data, begin) {
    const { length } = data;
    const limit = Math.min(length, begin + MAX_SEQUENCE);
    let at = begin + 2;
    let prefix = "";
    let controls = false;
    let from = at;
    let code = at < length ? data.charCodeAt(at) : 0;
    if (code >= 0x3c && code <= 0x3f) {
      prefix = data[at];
      at += 1;
      from = at;
    }
    let to = -1; // where the parameters end and intermediate characters begin
    for (; at < limit; at += 1) {
      code = data.charCodeAt(at);
      if (code >= 0x30 && code < 0x3c && to < 0) continue;
      if (code >= 0x40 && code < DEL) {
        if (controls) {
          // Those in it have been carried out.
          const rest = stripped(data, begin + 2, at + 1);
          this.#controlSequence(`\x1b[${rest}`, 0);
          return at + 1;
        }
        if (code === 0x6d && prefix === "" && to < 0) {
          this.#target.restyle(-1, data, from, at);
          return at + 1;
        }
        this.#parameters.read(data, from, to < 0 ? at : to);
        this.#target.sequence(code, prefix, to < 0 ? "" : data.slice(to, at), this.#parameters);
        return at + 1;
      }
      if (code >= 0x20 && code < 0x30) {
        if (to < 0) to = at;
        continue;
      }
      if (!this.#within(code)) return this.#broken(code, at);
      controls = true;
    }
    return at === length ? this.#hold(data, begin, controls) : at;
  }

  /** Carry out a control character that is in a sequence; false if the sequence ends with it. @param {number} code */
  #within(code) {
    if (code === DEL) return true;
    if (code >= 0x20 || code === LF || code === ESC || code === CAN || code === SUB) return false;
    this.#target.control(code);
    return true;
  }

  /** Where to go on after a sequence that breaks off. @param {number} code of what it breaks off at @param {number} at */
  #broken(code, at) {
    return code === CAN || code === SUB ? at + 1 : at;
  }

  /**
   * Wait for the rest.
   *
   * @param {string} data
   * @param {number} begin
   * @param {boolean} controls whether control characters in it have been carried out
   */
  #hold(data, begin, controls = false) {
    this.#held = controls ? `\x1b${stripped(data, begin + 1, data.length)}` : data.slice(begin);
    return data.length;
  }

  /** @param {string} data @param {number} begin */
  #operatingSystemCommand(data, begin) {
    const at = begin + 2;
    if (at === data.length) return this.#hold(data, begin);
    const code = data.charCodeAt(at);
    this.#string = code >= 0x30 && code < 0x3a ? "bell" : "line";
    return this.#skipString(data, at);
  }

  /** Go past a string's end, which may not be here yet. @param {string} data @param {number} from */
  #skipString(data, from) {
    const end = this.#string === "bell" ? BELL_END : this.#string === "line" ? LINE_END : STRING_END;
    end.lastIndex = from;
    const found = end.exec(data);
    if (this.#string === "bell") this.#collect(data.slice(from, found?.index ?? data.length));
    if (found === null) return data.length;
    if (this.#string === "bell") this.#target.command(this.#command, this.#command.length < MAX_COMMAND);
    this.#command = this.#string = "";
    const code = data.charCodeAt(found.index);
    return code === ESC || code === LF ? found.index : found.index + 1;
  }

  /** @param {string} text of an operating system command */
  #collect(text) {
    if (this.#command.length < MAX_COMMAND) this.#command += text.slice(0, MAX_COMMAND - this.#command.length);
  }
}

const MAX_COMMAND = 2_100; // characters of an operating system command that are looked at
const STRING_END = /[\x18\x1a\x1b]/g;
const BELL_END = /[\x07\x18\x1a\x1b]/g;
const LINE_END = /[\x07\n\x18\x1a\x1b]/g;

/** A part of a sequence without the control characters in it. @param {string} data @param {number} from @param {number} to */
function stripped(data, from, to) {
  return data.slice(from, to).replace(/[\x00-\x1f\x7f]/g, "");
}
