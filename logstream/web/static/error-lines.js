// From one line of a log to the next that looks like an error, and what does.

import { sentenceOf } from "./answers.js";
import { Choice } from "./choices.js";
import { element } from "./elements.js";
import { Finder } from "./finder.js";
import { SENT_AWAY } from "./turns.js";

/**
 * @typedef {import("./finder.js").Server} Server
 * @typedef {import("./finder.js").Step} Step
 * @typedef {import("./found-hits.js").Place} Place
 *
 * @typedef {object} Callbacks
 * @property {(finder: Finder, current: Place | null, isBack: boolean) => Promise<Step | null>} stepFrom the next hit, or the
 *   previous one, from where the reader is: `current` is where the last step led
 * @property {() => void} onGo a line is about to be shown
 */

/** What looks like an error, as long as the reader says nothing else: a regular expression of the server's. */
const USUAL = String.raw`\b(\w*error|\w*exception|fatal|critical|panic(ked)?|traceback|fail(ed|ure)|segmentation fault)\b`;
const SLOW = 300; // milliseconds after which it is said that an error is being searched for
const SAID = 4000; // milliseconds for which it is shown what has not been found

export class ErrorLines {
  #server;
  #reader;
  #callbacks;
  #said = element("#said", HTMLElement);
  #pattern = new Choice("error-pattern", USUAL);
  /** @type {Finder | null} */
  #finder = null;
  /** The one that was gone to. @type {Place | null} */
  #current = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #saying = undefined;

  /**
   * @param {HTMLElement} root where the reader says what looks like one
   * @param {Server} server
   * @param {import("./reader.js").Reader} reader
   * @param {Callbacks} callbacks
   */
  constructor(root, server, reader, callbacks) {
    this.#server = server;
    this.#reader = reader;
    this.#callbacks = callbacks;
    const input = element("[data-search=errors]", HTMLInputElement, root);
    this.#pattern.watch((value) => {
      input.value = value;
      this.restart();
    });
    input.addEventListener("change", () => {
      this.#pattern.value = input.value || USUAL;
      input.value = this.#pattern.value;
    });
    element("[data-search=usual]", HTMLButtonElement, root).addEventListener("click", () => (this.#pattern.value = USUAL));
  }

  /** What was found is void. */
  restart() {
    this.#finder?.close();
    this.#finder = null;
    this.#current = null;
    this.#say("");
  }

  /** Go to the next one, or the previous one. @param {boolean} isBack */
  async go(isBack) {
    const { size } = this.#reader;
    const pattern = { q: this.#pattern.value, regex: true, case: false };
    const finder = (this.#finder ??= new Finder(this.#server, pattern, size, () => {}));
    const isWanted = this.#reader.look();
    clearTimeout(this.#saying);
    this.#saying = setTimeout(() => this.#show("Searching …"), SLOW);
    try {
      await finder.catchUp(size);
      const step = await this.#callbacks.stepFrom(finder, this.#current, isBack);
      if (finder !== this.#finder) return;
      if (!isWanted()) {
        this.#say("");
        return;
      }
      if (step === null) {
        this.#say("No line looks like an error.");
        return;
      }
      this.#say(step.wrapped ? (isBack ? "On from the end." : "On from the beginning.") : "");
      this.#callbacks.onGo();
      this.#current = step.hit;
      this.#reader.goTo(step.hit.offset, { mark: [step.hit.offset, step.hit.offset] });
    } catch (error) {
      if (error !== SENT_AWAY) this.#say(sentenceOf(error));
    }
  }

  /** Say something beside the log for a moment. @param {string} text */
  #say(text) {
    clearTimeout(this.#saying);
    this.#show(text);
    if (text !== "") this.#saying = setTimeout(() => this.#show(""), SAID);
  }

  /** @param {string} text */
  #show(text) {
    this.#said.textContent = text;
    this.#said.hidden = text === "";
  }
}
