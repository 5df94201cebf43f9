// A line of a log by itself, as styled text: its SGR sequences are what it looks like, and others are left out.

import { addRun, Pens } from "./styles.js";

/** @typedef {import("./styles.js").Run} Run */

// As `engine/escapes.py` has it, so that what is shown here is what is searched there.
const SEQUENCE = /\x1b(?:\[([0-?]*)([ -/]*)([@-~]?)|[\]PX^_][^\x07\x1b\n]*(?:\x07|\x1b\\)?|[ -/]*[0-~]?)/g;
const pens = new Pens();

/**
 * A line without escape sequences and without carriage returns at its end.
 *
 * @param {string} line
 */
export function plainLine(line) {
  return withoutReturns(line.replace(SEQUENCE, ""));
}

/** The same text as runs; none for an empty line. @param {string} line @returns {Run[]} */
export function lineRuns(line) {
  /** @type {Run[]} */
  const runs = [];
  let pen = pens.plain;
  let at = 0;
  const add = (/** @type {number} */ to) => {
    if (to > at) addRun(runs, line.slice(at, to), pen.style);
  };
  for (const found of line.matchAll(SEQUENCE)) {
    add(found.index);
    at = found.index + found[0].length;
    const [, parameters, intermediates, final] = found;
    if (final === "m" && intermediates === "" && !/[<-?]/.test(parameters)) {
      pen = pens.after(pen, -1, parameters, 0, parameters.length);
    }
  }
  add(line.length);
  while (runs.length > 0) {
    const last = runs[runs.length - 1];
    last.text = withoutReturns(last.text);
    if (last.text !== "") break;
    runs.pop();
  }
  return runs;
}

/** @param {string} text */
function withoutReturns(text) {
  return text.replace(/\r+$/, "");
}
