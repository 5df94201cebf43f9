// Lines of a log around any place of it, as the server has them now.

/**
 * A line as it is in the log, escape sequences and all. Offsets are bytes: of its beginning, and of what is behind its line
 * feed. `line` is its number, from 1 on; null where it is not known yet. `open`: no line feed is behind it, as it is a part
 * of one that is too long, or not written to its end.
 *
 * @typedef {{ offset: number, end: number, line: number | null, text: string, open?: boolean }} Line
 * @typedef {{ log: string, size: number, lines: Line[] }} Answer `log`: another one where the file is another one; `size` of
 *   the log
 */

const PATIENCE = 15_000; // milliseconds that an answer may take

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
    const options = new URLSearchParams({ at: `${offset}`, before: `${before}`, after: `${after}` });
    let answer;
    try {
      answer = await fetch(`${this.#url}/lines?${options}`, { cache: "no-store", signal: AbortSignal.timeout(PATIENCE) });
      if (answer.ok) return await answer.json();
    } catch {
      throw new Error("The server does not answer.");
    }
    const text = answer.headers.get("Content-Type")?.startsWith("text/plain") ? (await answer.text()).trim() : "";
    throw new Error(text || `The server answers with an error (${answer.status}).`);
  }
}
