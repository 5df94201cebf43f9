// About where in a log the lines are that a terminal made of it. Of most logs each line is one of the file, and the places
// are exact; where a program has drawn on the screen they are near.

import { firstWhere } from "./bisection.js";
import { plainLine } from "./line-runs.js";

/**
 * Where a line is: so many lines behind the one that has the byte at `offset`; `estimate` is about its own offset.
 *
 * @typedef {{ offset: number, lines: number, estimate: number }} Place
 */

export class LineOffsets {
  /** Lines and the offsets that were reached in them, both growing. @type {{ line: number, offset: number }[]} */
  #marks = [];

  /** The line of the cursor, by its number, is written to with what stands at an offset. @param {number} line @param {number} offset */
  note(line, offset) {
    const marks = this.#marks;
    while (marks.length > 0 && marks[marks.length - 1].line > line) marks.pop(); // the screen was cleared
    if (marks.at(-1)?.line === line) return;
    marks.push({ line, offset });
  }

  /** Lines before this one are not asked for again. @param {number} line */
  forget(line) {
    const count = this.#indexOf(line);
    if (count > 0) this.#marks.splice(0, count);
  }

  /** Where a line is; null where nothing is known. @param {number} line @returns {Place | null} */
  find(line) {
    const marks = this.#marks;
    if (marks.length === 0) return null;
    const at = this.#indexOf(line);
    const [mark, next] = [marks[at], marks[at + 1]];
    const lines = Math.max(0, line - mark.line);
    const share = next === undefined ? 0 : lines / (next.line - mark.line);
    const estimate = Math.round(mark.offset + share * ((next?.offset ?? mark.offset) - mark.offset));
    return { offset: Math.round(mark.offset), lines, estimate };
  }

  /** The place of the last mark that is not behind a line; 0 if none is. @param {number} line */
  #indexOf(line) {
    return Math.max(0, firstWhere(this.#marks.length, (at) => this.#marks[at].line > line) - 1);
  }
}

/**
 * The place of the line that shows a text, of those the nearest to where it should be; that place itself if none does.
 *
 * @param {string[]} lines as they are in the log
 * @param {number} expected
 * @param {string} text
 */
export function nearest(lines, expected, text) {
  const wanted = comparable(text);
  const at = Math.max(0, Math.min(lines.length - 1, expected));
  for (let away = 0; away < lines.length; away += 1) {
    for (const index of [at - away, at + away]) {
      if (lines[index] !== undefined && comparable(plainLine(lines[index])) === wanted) return index;
    }
  }
  return at;
}

/** @param {string} text */
function comparable(text) {
  return text.replace(/\s+/g, " ").trim();
}
