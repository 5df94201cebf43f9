// What the reader chooses, and the browser remembers for all sessions of this server.

const PREFIX = "logstream."; // of the names in the browser's storage

/**
 * One choice: a value that lasts, or lasts as long as the page where the browser lets nothing be kept. Another page's
 * choice holds for this one as soon as that is loaded.
 *
 * @template {string | number | boolean} T
 */
export class Choice {
  #key;
  #value;
  /** @type {((value: T) => void)[]} */
  #listeners = [];

  /**
   * @param {string} name that no other choice has
   * @param {T} usual what it is as long as nothing else has been chosen; what is stored and of another type is not believed
   */
  constructor(name, usual) {
    this.#key = `${PREFIX}${name}`;
    /** @type {T} */
    this.#value = stored(this.#key, usual);
  }

  /** What is chosen. */
  get value() {
    return this.#value;
  }

  set value(value) {
    if (value === this.#value) return;
    this.#value = value;
    try {
      localStorage.setItem(this.#key, JSON.stringify(value));
    } catch {
      // It holds for this page only.
    }
    for (const listener of this.#listeners) listener(value);
  }

  /** Be told of what is chosen: now, and whenever it changes. @param {(value: T) => void} listener */
  watch(listener) {
    this.#listeners.push(listener);
    listener(this.#value);
  }
}

/**
 * @template {string | number | boolean} T
 * @param {string} key
 * @param {T} usual
 * @returns {T}
 */
function stored(key, usual) {
  try {
    const value = JSON.parse(localStorage.getItem(key) ?? "null");
    return typeof value === typeof usual ? value : usual;
  } catch {
    return usual;
  }
}
