// What the server says of a session beside its log: whether there is one, whether it runs in tmux and how large its
// terminal is there, when it has changed, how its command has ended, and whether its host can be heard, where that is
// another machine.

/** @typedef {import("./view.js").Size} Size */

const INTERVAL = 2000; // milliseconds between questions whether a terminal has another size now
const SELDOM = 5000; // milliseconds between questions whether a session's host can be heard
const PATIENCE = 1000; // milliseconds that an answer may take
const ERROR = 500; // the status from which on it is a server in trouble that answers, or a proxy for it, unless it says so

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
  /** Who is not heard of, "host" or "relay"; null for nobody. @type {string | null} */
  away = null;
  #url;
  #onAnswer;
  #isElsewhere;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer = undefined;
  /** The question that has no answer yet. @type {Promise<void> | null} */
  #asking = null;
  #ended = false;
  #failed = false; // the last question had no answer

  /**
   * @param {string} url of the session
   * @param {() => void} onAnswer called after each answer
   * @param {boolean} isElsewhere the session is on another host: that may be away, so that its log never begins
   */
  constructor(url, onAnswer, isElsewhere) {
    this.#url = url;
    this.#onAnswer = onAnswer;
    this.#isElsewhere = isElsewhere;
    document.addEventListener("visibilitychange", () => this.#askAgain());
    if (isElsewhere) this.ask();
  }

  /**
   * Ask, and then again and again while answers have a size, or there is none, or the session is on another host, and
   * somebody looks. Does not fail.
   */
  ask() {
    this.#ended = false;
    return this.#ask();
  }

  /** The session has ended: ask no more after a last time. */
  async end() {
    if (this.#ended) return;
    this.#ended = true;
    await this.#asking; // that may be answered from before
    this.#ask();
  }

  #ask() {
    clearTimeout(this.#timer);
    this.#asking ??= this.#fetch().finally(() => {
      this.#asking = null;
      this.#timer = setTimeout(() => this.#askAgain(), this.size !== null ? INTERVAL : SELDOM);
    });
    return this.#asking;
  }

  #askAgain() {
    const isOpen = !this.#ended && (this.size !== null || this.#isElsewhere);
    if ((isOpen || this.#failed) && !document.hidden) this.#ask();
  }

  async #fetch() {
    /** @type {Record<string, unknown> | null} */
    let found = null;
    this.#failed = true;
    try {
      const headers = { Accept: "application/json" };
      const answer = await fetch(this.#url, { headers, cache: "no-store", signal: AbortSignal.timeout(PATIENCE) });
      const isJSON = answer.headers.get("Content-Type")?.startsWith("application/json") ?? false;
      if (isJSON) found = await answer.json();
      if (answer.status >= ERROR && found?.away === undefined) return;
      this.exists = isJSON && answer.status < ERROR ? answer.ok : null;
      this.changed = changeOf(found?.changed, answer.headers.get("Date"));
    } catch {
      return; // there is no server now, or none that answers
    }
    this.#failed = false;
    const { columns, rows, state, exit_status: exitStatus, away } = found ?? {};
    this.isRunning = state === "running";
    this.size = isCount(columns) && isCount(rows) ? { columns, rows } : null;
    this.exitCode = typeof exitStatus === "number" ? exitStatus : null;
    this.away = typeof away === "string" ? away : null;
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
