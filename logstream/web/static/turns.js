// Work of which one piece is done at a time: what is more urgent comes first, and sends away what is being done.

/** @typedef {{ urgency: number, begin: () => void }} Waiting */

/** What work is ended with that something more urgent has sent away: it may ask for another turn. */
export const SENT_AWAY = new DOMException("something more urgent comes first", "AbortError");

export class Turns {
  /** The most urgent first. @type {Waiting[]} */
  #waiting = [];
  #isTaken = false;
  #urgency = -Infinity; // of what is being done
  #current = new AbortController();

  /**
   * Do some work when it is its turn.
   *
   * @template T
   * @param {number} urgency
   * @param {AbortSignal} signal by which whoever asks ends it
   * @param {(signal: AbortSignal) => Promise<T>} work is ended by the signal that it is given
   * @returns {Promise<T>}
   */
  async take(urgency, signal, work) {
    signal.throwIfAborted();
    if (this.#isTaken) {
      if (urgency > this.#urgency) this.#current.abort(SENT_AWAY);
      await this.#wait(urgency, signal);
    }
    this.#isTaken = true;
    this.#urgency = urgency;
    this.#current = new AbortController();
    try {
      signal.throwIfAborted();
      return await work(AbortSignal.any([signal, this.#current.signal]));
    } finally {
      const next = this.#waiting.shift();
      this.#isTaken = next !== undefined; // from now on by that
      this.#urgency = next?.urgency ?? -Infinity;
      next?.begin();
    }
  }

  /** @param {number} urgency @param {AbortSignal} signal @returns {Promise<void>} */
  #wait(urgency, signal) {
    return new Promise((resolve, reject) => {
      const leave = () => {
        this.#waiting.splice(this.#waiting.indexOf(waiting), 1);
        reject(signal.reason);
      };
      const begin = () => {
        signal.removeEventListener("abort", leave);
        resolve();
      };
      const waiting = { urgency, begin };
      const at = this.#waiting.findIndex((other) => other.urgency < urgency);
      this.#waiting.splice(at < 0 ? this.#waiting.length : at, 0, waiting);
      signal.addEventListener("abort", leave, { once: true });
    });
  }
}
