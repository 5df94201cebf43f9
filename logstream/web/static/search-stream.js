// A search on the server: hits are told as they are found, and the search ends where its reader has had enough.

/**
 * @typedef {[number, number]} Range the first place, and the one after the last
 * @typedef {{ offset: number, end: number, text: string }} Neighbour a line beside a hit
 * @typedef {{ offset: number, end: number, line: number | null, text: string, skipped: number, cut: boolean,
 *             ranges: Range[], before: Neighbour[], after: Neighbour[], session?: string }} Hit a line that matches: where
 *   it begins, and the next one; `ranges` are what matches of the text, in UTF-16 units
 * @typedef {{ read: number, more: boolean, next?: number, resume?: number }} End how much was read, whether there is more,
 *   and where to go on
 * @typedef {{ q: string, regex?: boolean, case?: boolean, from?: number, to?: number, limit?: number, context?: number,
 *             reverse?: boolean }} Query
 * @typedef {{ signal: AbortSignal, onHit: (hit: Hit) => void, onRead?: (bytes: number) => void, onBusy?: () => void,
 *             fetch?: typeof globalThis.fetch }} Options
 */

const BUSY = 503; // the status of one search too many, with a time to try again after
const LONGEST_REST = 10_000; // milliseconds
const LONGEST_SENTENCE = 500; // characters of what the server says that are shown

/** A search that cannot be: its message is a sentence for people. `isWrong` where no other try would do. */
export class SearchError extends Error {
  /** @param {string} sentence @param {boolean} isWrong */
  constructor(sentence, isWrong) {
    super(sentence);
    this.name = "SearchError";
    this.isWrong = isWrong;
  }
}

/**
 * Search, and tell of each hit. While there are too many searches, wait and try again, the longer the more often.
 *
 * @param {string} address of the search, without a query
 * @param {Query} query
 * @param {Options} options `onRead` is told how many bytes have been searched, `onBusy` of each refusal
 * @returns {Promise<End>}
 * @throws {SearchError} where it cannot be, and what `signal` is aborted with
 */
export async function search(address, query, { signal, onHit, onRead, onBusy, fetch = globalThis.fetch }) {
  for (let tries = 1; ; tries += 1) {
    const answer = await ask(fetch, `${address}?${parameters(query)}`, signal);
    if (answer.ok && answer.body !== null) return read(answer.body, signal, onHit, onRead);
    const sentence = (await answer.text().catch(() => "")).slice(0, LONGEST_SENTENCE).trim();
    const seconds = Number(answer.headers.get("Retry-After"));
    if (answer.status !== BUSY || !(seconds > 0)) throw refusal(answer, sentence);
    onBusy?.();
    await pause(Math.min(LONGEST_REST, seconds * 1000 * tries) * (1 + Math.random() / 2), signal); // not all at once
  }
}

/** @param {typeof globalThis.fetch} fetch @param {string} url @param {AbortSignal} signal */
async function ask(fetch, url, signal) {
  try {
    return await fetch(url, { signal, cache: "no-store" });
  } catch {
    signal.throwIfAborted();
    throw new SearchError("The server cannot be reached.", false);
  }
}

/** A search as the options of its address. @param {Query} query */
export function parameters({ q, regex, case: cases, from, to, limit, context, reverse }) {
  const found = new URLSearchParams({ q });
  for (const [name, value] of Object.entries({ regex, case: cases, from, to, limit, context, reverse })) {
    if (value !== undefined && value !== false) found.set(name, value === true ? "1" : String(value));
  }
  return found;
}

/** @param {Response} answer @param {string} sentence that it has */
function refusal({ status, headers }, sentence) {
  const isPlain = headers.get("Content-Type")?.startsWith("text/plain") ?? false;
  if (status === 401) return new SearchError("The server does not know you any more.", true);
  return new SearchError(isPlain && sentence !== "" ? sentence : `The server says no (${status}).`, status === 400 || status === 403);
}

/**
 * @param {ReadableStream<Uint8Array>} body
 * @param {AbortSignal} signal
 * @param {(hit: Hit) => void} onHit
 * @param {((bytes: number) => void) | undefined} onRead
 * @returns {Promise<End>}
 */
async function read(body, signal, onHit, onRead) {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let rest = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      signal.throwIfAborted();
      if (done) throw new TypeError("there is no end");
      const lines = (rest + decoder.decode(value, { stream: true })).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) {
        const said = JSON.parse(line);
        if ("text" in said) onHit({ ...said, ranges: inUnits(said.text, said.ranges) });
        else if ("error" in said) throw new SearchError(String(said.error), false);
        else if ("more" in said) return said;
        else onRead?.(said.read);
        signal.throwIfAborted(); // whoever was told may have had enough
      }
    }
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof SearchError) throw error;
    throw new SearchError("The search was cut off.", false);
  } finally {
    reader.cancel().catch(() => {});
  }
}

/**
 * Ranges of a text, which are in code points, in UTF-16 units.
 *
 * @param {string} text
 * @param {Range[]} ranges in order
 * @returns {Range[]}
 */
export function inUnits(text, ranges) {
  let [points, units] = [0, 0];
  const unitsAt = (/** @type {number} */ point) => {
    for (; points < point && units < text.length; points += 1) units += (text.codePointAt(units) ?? 0) > 0xffff ? 2 : 1;
    return units;
  };
  return ranges.map(([from, to]) => [unitsAt(from), unitsAt(to)]);
}

/** @param {number} milliseconds @param {AbortSignal} signal @returns {Promise<void>} */
function pause(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", stop);
      resolve();
    }, milliseconds);
    signal.addEventListener("abort", stop, { once: true });
  });
}
