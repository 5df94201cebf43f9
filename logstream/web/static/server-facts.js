// What the server says of a session beside its log: whether there is one, whether it runs in tmux and how large its
// terminal is there, when it has changed, and how its command has ended.

/** @typedef {import("./view.js").Size} Size */

const INTERVAL = 2000; // milliseconds between questions whether a terminal has another size now
const PATIENCE = 1000; // milliseconds that an answer may take
const ERROR = 500; // the status from which on it is a server in trouble that answers, or a proxy for it

export class ServerFacts {
  /** As the last answer has it; null where that says none. @type {Size | null} */
  size = null;
  /** Of the session's command; null as long as it is not known. @type {number | null} */
  exitCode = null;
  /** Whether there is such a session; null as long as it is not known. @type {boolean | null} */
  exists = null;
  isRunning = false; // in tmux
  /** When its log has changed last, by the page's clock; null as long as it is not known. @type {number | null} */
  changed = null;
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
      const isJSON = answer.headers.get("Content-Type")?.startsWith("application/json") ?? false;
      if (answer.ok && isJSON) found = await answer.json();
      this.exists = isJSON ? answer.ok : null;
      this.changed = changeOf(found?.changed, answer.headers.get("Date"));
    } catch {
      return; // there is no server now, or none that answers
    }
    const { columns, rows, state, exit_status: exitStatus } = found ?? {};
    this.isRunning = state === "running";
    this.size = isCount(columns) && isCount(rows) ? { columns, rows } : null;
    this.exitCode = typeof exitStatus === "number" ? exitStatus : null;
    this.#onAnswer();
  }
}

/**
 * A time by the server's clock as one by the page's own, which may be set otherwise.
 *
 * @param {unknown} changed in seconds since the epoch @param {string | null} date when the server has answered
 */
function changeOf(changed, date) {
  const age = Date.parse(date ?? "") - 1000 * Number(changed);
  return Number.isNaN(age) ? null : performance.now() - Math.max(0, age);
}

/** @param {unknown} value @returns {value is number} */
function isCount(value) {
  return Number.isInteger(value) && Number(value) > 0;
}
