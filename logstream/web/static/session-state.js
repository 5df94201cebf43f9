// How a session is, as far as its page knows: a name, and what is said of it.

/**
 * What it depends on.
 *
 * @typedef {object} Facts
 * @property {string | null} refusal why it cannot be followed, in a sentence
 * @property {boolean} hasBegun whether there is a log
 * @property {boolean} isAbsent whether there is no such session, as the server says
 * @property {boolean} isSeen whether all is shown that has come
 * @property {boolean} isComplete
 * @property {boolean} isRunning in tmux
 * @property {number | null} changed when the log has changed last, by the page's clock; null where that is not known
 */

const LATE = 300; // milliseconds for which text that is not seen yet does not count as behind
const QUIET = 60_000; // milliseconds without a change after which a log counts as quiet, as in the list

export class SessionState {
  #onAge;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #aging = undefined;
  /** Since when text that has come is not seen; null where there is none. @type {number | null} */
  #unseen = null;
  #known = ["waiting", "waiting for the log"]; // how the session was before that

  /** @param {() => void} onAge called when it may be otherwise by then, though nothing has happened */
  constructor(onAge) {
    this.#onAge = onAge;
  }

  /** How it is now. @param {Facts} facts @returns {string[]} a name, and what is said */
  look({ refusal, hasBegun, isAbsent, isSeen, isComplete, isRunning, changed }) {
    clearTimeout(this.#aging);
    if (refusal !== null) return ["error", refusal];
    if (hasBegun && !isSeen) {
      this.#unseen ??= performance.now();
      if (performance.now() - this.#unseen > LATE) return ["behind", "behind"];
      this.#lookAgain(LATE + 1);
      return this.#known;
    }
    this.#unseen = null;
    if (!hasBegun) {
      this.#known = ["waiting", isAbsent ? "there is no such session yet; waiting for it" : "waiting for the log"];
      return this.#known;
    }
    const left = (changed ?? 0) + QUIET - performance.now();
    const name = isComplete ? "complete" : isRunning ? "running" : left > 0 ? "live" : "quiet";
    if (name === "live") this.#lookAgain(left);
    this.#known = [name, name];
    return this.#known;
  }

  /** @param {number} milliseconds */
  #lookAgain(milliseconds) {
    this.#aging = setTimeout(this.#onAge, milliseconds);
  }
}
