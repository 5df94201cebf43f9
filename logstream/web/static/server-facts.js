// What the server says of a session beside its log: how large its terminal is, as long as it runs in tmux, and how its
// command has ended.

/** @typedef {import("./view.js").Size} Size */

const INTERVAL = 2000; // milliseconds between questions whether a terminal has another size now
const PATIENCE = 1000; // milliseconds that an answer may take
const ERROR = 500; // the status from which on it is a server in trouble that answers, or a proxy for it

export class ServerFacts {
  /** As the last answer has it; null where that says none. @type {Size | null} */
  size = null;
  /** Of the session's command; null as long as it is not known. @type {number | null} */
  exitCode = null;
  #url;
  #onAnswer;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer = undefined;
  /** The question that has no answer yet. @type {Promise<void> | null} */
  #asking = null;
  #ended = false;

  /** @param {string} url of the session @param {() => void} onAnswer called after each answer */
  constructor(url, onAnswer) {
    this.#url = url;
    this.#onAnswer = onAnswer;
    document.addEventListener("visibilitychange", () => this.#askAgain());
  }

  /** Ask, and then again and again while answers have a size and somebody looks. Does not fail: no answer is none. */
  ask() {
    this.#ended = false;
    return this.#ask();
  }

  /** The session has ended: ask no more after a last time. */
  end() {
    if (this.#ended) return;
    this.#ended = true;
    this.#ask();
  }

  #ask() {
    clearTimeout(this.#timer);
    this.#asking ??= this.#fetch().finally(() => {
      this.#asking = null;
      this.#timer = setTimeout(() => this.#askAgain(), INTERVAL);
    });
    return this.#asking;
  }

  #askAgain() {
    if (this.size !== null && !this.#ended && !document.hidden) this.#ask();
  }

  async #fetch() {
    /** @type {Record<string, unknown> | null} */
    let found = null;
    try {
      const headers = { Accept: "application/json" };
      const answer = await fetch(this.#url, { headers, cache: "no-store", signal: AbortSignal.timeout(PATIENCE) });
      if (answer.status >= ERROR) return;
      if (answer.ok && answer.headers.get("Content-Type")?.startsWith("application/json")) found = await answer.json();
    } catch {
      return; // there is no server now, or none that answers
    }
    const { columns, rows, exit_status: exitStatus } = found ?? {};
    this.size = isCount(columns) && isCount(rows) ? { columns, rows } : null;
    this.exitCode = typeof exitStatus === "number" ? exitStatus : null;
    this.#onAnswer();
  }
}

/** @param {unknown} value @returns {value is number} */
function isCount(value) {
  return Number.isInteger(value) && Number(value) > 0;
}
