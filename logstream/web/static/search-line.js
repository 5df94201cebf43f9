// The line in which one says what to search for, and is told what is found.

import { Choice } from "./choices.js";
import { element } from "./elements.js";
import { setPressed } from "./tools.js";

/**
 * @typedef {import("./finder.js").Pattern} Pattern
 * @typedef {object} Callbacks
 * @property {(pattern: Pattern | null) => void} onPattern something else is searched for; null: nothing
 * @property {(isBack: boolean) => void} onStep the next hit is wanted, or the previous one
 * @property {() => void} onClose
 * @property {() => void} onEscape
 */

const TYPING = 250; // milliseconds after the last key until it is searched
const SPEAKING = 800; // milliseconds for which what is found has to stay the same until it is read out

export class SearchLine {
  #element;
  #callbacks;
  #text;
  #shown;
  #spoken;
  /** @type {Pattern | null} */
  #pattern = null;
  #regex = new Choice("search-regex", /** @type {boolean} */ (false));
  #case = new Choice("search-case", /** @type {boolean} */ (false));
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #typing = undefined;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #speaking = undefined;

  /** @param {HTMLElement} root @param {Callbacks} callbacks */
  constructor(root, callbacks) {
    this.#element = root;
    this.#callbacks = callbacks;
    this.#text = element("input[type=search]", HTMLInputElement, root);
    this.#shown = element("[data-search=shown]", HTMLElement, root);
    this.#spoken = element("[role=status]", HTMLElement, root);
    this.#text.addEventListener("input", () => {
      clearTimeout(this.#typing);
      this.#typing = setTimeout(() => this.#search(), TYPING);
    });
    root.addEventListener("keydown", (event) => this.#press(event));
    for (const [name, choice] of /** @type {const} */ ([["regex", this.#regex], ["case", this.#case]])) {
      const button = element(`[data-search=${name}]`, HTMLButtonElement, root);
      button.addEventListener("click", () => (choice.value = !choice.value));
      choice.watch((value) => {
        setPressed(button, value);
        this.#search();
      });
    }
    this.#click("next", () => this.#step(false));
    this.#click("previous", () => this.#step(true));
    this.#click("close", () => callbacks.onClose());
  }

  /** Whether it is shown. */
  get isOpen() {
    return !this.#element.hidden;
  }

  /** What is searched for now. */
  get pattern() {
    return this.#pattern;
  }

  /** Show it, and let the reader type. @param {string} text that is there at first */
  open(text = this.#text.value) {
    this.#element.hidden = false;
    this.#text.value = text;
    this.#text.focus();
    this.#text.select();
    this.#search();
  }

  /** Show it no more. */
  close() {
    clearTimeout(this.#typing);
    this.#element.hidden = true;
    this.#pattern = null;
    this.say("");
  }

  /** Say how it goes. @param {string} text @param {boolean} isWrong what is typed is no pattern */
  say(text, isWrong = false) {
    if (this.#shown.textContent === text) return;
    this.#shown.textContent = text;
    this.#shown.classList.toggle("wrong", isWrong);
    this.#text.ariaInvalid = `${isWrong}`;
    clearTimeout(this.#speaking);
    this.#speaking = setTimeout(() => (this.#spoken.textContent = text), SPEAKING);
  }

  #search() {
    clearTimeout(this.#typing);
    if (!this.isOpen) return;
    const pattern = { q: this.#text.value, regex: this.#regex.value, case: this.#case.value };
    const { q, regex, case: cases } = this.#pattern ?? { q: "" };
    if (pattern.q === q && (q === "" || (pattern.regex === regex && pattern.case === cases))) return;
    this.#pattern = pattern.q === "" ? null : pattern;
    this.#callbacks.onPattern(this.#pattern);
  }

  /** @param {boolean} isBack */
  #step(isBack) {
    this.#search();
    if (this.#pattern !== null) this.#callbacks.onStep(isBack);
  }

  /** @param {KeyboardEvent} event */
  #press(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (event.key === "Escape") this.#callbacks.onEscape();
    else if (event.key === "Enter" && event.target === this.#text) this.#step(event.shiftKey);
    else return;
    event.preventDefault();
  }

  /** @param {string} name @param {() => void} action */
  #click(name, action) {
    element(`[data-search=${name}]`, HTMLButtonElement, this.#element).addEventListener("click", action);
  }
}
