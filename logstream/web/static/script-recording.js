// What `script` writes around a session: a first line that says when it began, what was run and on which terminal, and a
// last one that says how it ended. It is about the session, not of it, and tells how to read what is between.

const BEGIN = "Script started on ";
const END = "Script done on ";
const SHORTEST = "Script ".length; // characters of one that may have been cut there
const LONGEST = 4_096; // characters of such a line
/** A value in such a line. A command in it is as it was given, with quotes too. */
const VALUE = /\b(COMMAND|COMMAND_EXIT_CODE|TERM|TTY|COLUMNS|LINES)="(.*?)"(?= (?:TERM|TTY|COLUMNS|LINES)="| <|$)/gs;

/**
 * What is known of a session. The times are in the words of `script`.
 *
 * @typedef {{ start?: string, command?: string, end?: string, exitCode?: number, columns?: number, rows?: number }} Facts
 */

/** A log as it comes in, without the lines that `script` adds. */
export class ScriptRecording {
  /** @type {Facts} */
  facts = {};
  /** Whether it was recorded from a terminal: null as long as nothing has told. @type {boolean | null} */
  fromTerminal = null;
  #held = "";
  #atStart = true; // where there may be a first line
  #afterNewline = false;

  /** Some more of the log; what of it is to be shown. @param {string} text @returns {string} */
  read(text) {
    let data = this.#held + text;
    let shown = "";
    this.#held = "";
    if (this.#atStart) {
      const line = this.#lineAt(data, 0, BEGIN);
      if (line === null) {
        this.#held = data;
        return "";
      }
      if (line !== "") {
        this.#begin(line);
        data = data.slice(line.length);
      }
      this.#atStart = data === "" && line !== "";
    }
    if (this.#afterNewline && data.length >= SHORTEST) {
      const line = this.#lineAt(data, 0, END);
      if (line === null) {
        this.#held = data;
        return shown;
      }
      if (line !== "" && this.#finish(line)) data = data.slice(line.length);
    }
    for (;;) {
      const at = data.indexOf(`\n${END}`);
      if (at < 0) break;
      const line = this.#lineAt(data, at + 1, END);
      if (line === null) {
        shown += data.slice(0, at);
        this.#held = data.slice(at);
        data = "";
        break;
      }
      if (line === "" || !this.#finish(line)) {
        shown += data.slice(0, at + 1);
        data = data.slice(at + 1);
        continue;
      }
      shown += data.slice(0, at);
      data = data.slice(at + 1 + line.length);
      const next = this.#lineAt(data, 0, BEGIN);
      if (next === null && data !== "") {
        this.#held = data;
        data = "";
      } else if (next) {
        this.#begin(next);
        data = data.slice(next.length);
      }
      this.#atStart = data === "";
    }
    const begun = beginning(data);
    if (begun > 0) {
      this.#held = data.slice(data.length - begun);
      data = data.slice(0, data.length - begun);
    }
    shown += data;
    if (shown !== "") this.#afterNewline = shown.endsWith("\n");
    if (this.fromTerminal === null && shown.includes("\n")) this.fromTerminal = isTerminals(shown);
    return shown;
  }

  /**
   * The line at a place with its newline, if it begins so; "" if it does not; null if that cannot be told yet.
   *
   * @param {string} data
   * @param {number} at
   * @param {string} beginning
   */
  #lineAt(data, at, beginning) {
    if (data.length - at < beginning.length) return beginning.startsWith(data.slice(at)) ? null : "";
    if (!data.startsWith(beginning, at)) return "";
    const end = data.indexOf("\n", at);
    if (end >= 0) return end - at < LONGEST ? data.slice(at, end + 1) : "";
    return data.length - at < LONGEST ? null : "";
  }

  /** @param {string} line */
  #begin(line) {
    const { text, values } = parsed(line.slice(BEGIN.length));
    this.facts = { start: text };
    if (values.COMMAND !== undefined) this.facts.command = values.COMMAND;
    const [columns, rows] = [Number(values.COLUMNS), Number(values.LINES)];
    if (columns > 0 && rows > 0) Object.assign(this.facts, { columns, rows });
    this.fromTerminal = true;
  }

  /** @param {string} line @returns {boolean} whether it is such a line */
  #finish(line) {
    const { text, values } = parsed(line.slice(END.length));
    if (values.COMMAND_EXIT_CODE === undefined && this.facts.start === undefined) return false;
    this.facts.end = text;
    if (values.COMMAND_EXIT_CODE !== undefined) this.facts.exitCode = Number(values.COMMAND_EXIT_CODE);
    return true;
  }
}

/** A time, and the values in brackets after it. @param {string} line */
function parsed(line) {
  const [, text, list] = /^(.*?)(?:\s*\[(.*)\])?\s*$/s.exec(line) ?? ["", "", ""];
  /** @type {Record<string, string>} */
  const values = {};
  for (const [, name, value] of (list ?? "").matchAll(VALUE)) values[name] = value.replaceAll('\\"', '"');
  return { text, values };
}

/** How many characters at the end of text may be the beginning of a last line. @param {string} data */
function beginning(data) {
  const at = data.lastIndexOf("\n");
  return data.length - at > SHORTEST && at >= 0 && `\n${END}`.startsWith(data.slice(at)) ? data.length - at : 0;
}

/** Whether lines end as a terminal's do. @param {string} text */
function isTerminals(text) {
  let [returns, bare] = [0, 0];
  for (let at = text.indexOf("\n"), left = 1_000; at >= 0 && left > 0; at = text.indexOf("\n", at + 1), left -= 1) {
    if (text[at - 1] === "\r") returns += 1;
    else bare += 1;
  }
  return returns > bare;
}
