// Lines of a log around any place of it, as the server has them now.

import { answerOf } from "./answers.js";

/**
 * A line as it is in the log, escape sequences and all. Offsets are bytes: of its beginning, and of what is behind its line
 * feed. `line` is its number, from 1 on; null where it is not known yet. `open`: no line feed is behind it, as it is a part
 * of one that is too long, or not written to its end.
 *
 * @typedef {{ offset: number, end: number, line: number | null, text: string, open?: boolean }} Line
 * @typedef {{ log: string, size: number, lines: Line[] }} Answer `log`: another one where the file is another one; `size` of
 *   the log
 */

export class LineSource {
  #url;

  /** @param {string} url of the session's page */
  constructor(url) {
    this.#url = url;
  }

  /**
   * The line that has the byte at an offset, or else the last one, and lines beside it.
   *
   * @param {number} offset
   * @param {number} before how many, 1000 at most
   * @param {number} after the same
   * @returns {Promise<Answer>}
   * @throws {Error} with a sentence for the reader
   */
  async around(offset, before, after) {
    return answerOf(`${this.#url}/lines`, { at: `${offset}`, before: `${before}`, after: `${after}` });
  }
}
