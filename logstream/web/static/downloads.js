// The menu of what can be downloaded of a session's log.

import { element } from "./elements.js";

/** Opens and closes as any disclosure does, by Escape too, and where the reader goes elsewhere. */
export class Downloads {
  #menu;
  #columns;
  /** @type {URLSearchParams | null} */
  #filter = null;

  /** @param {HTMLDetailsElement} menu @param {() => number} columns how wide the terminal is whose text is wanted */
  constructor(menu, columns) {
    this.#menu = menu;
    this.#columns = columns;
    menu.addEventListener("toggle", () => this.#fill());
    menu.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || !menu.open) return;
      event.preventDefault();
      this.#close();
      element("summary", HTMLElement, menu).focus();
    });
    menu.addEventListener("click", ({ target }) => {
      if (target instanceof HTMLAnchorElement) this.#close();
    });
    document.addEventListener("pointerdown", ({ target }) => this.#leave(target));
    document.addEventListener("focusin", ({ target }) => this.#leave(target));
  }

  /** What the filter shows has changed. @param {URLSearchParams | null} filter the search's options; null where nothing is filtered */
  setFilter(filter) {
    this.#filter = filter;
    this.#fill();
  }

  #fill() {
    this.#link("text").search = `${new URLSearchParams({ columns: `${this.#columns()}` })}`;
    const matches = this.#link("matches");
    const options = new URLSearchParams(this.#filter ?? "");
    options.set("format", "text");
    matches.search = `${options}`;
    if (matches.parentElement !== null) matches.parentElement.hidden = this.#filter === null;
  }

  /** @param {string} kind */
  #link(kind) {
    return element(`[data-download=${kind}]`, HTMLAnchorElement, this.#menu);
  }

  /** @param {EventTarget | null} target what has the reader's attention now */
  #leave(target) {
    if (this.#menu.open && target instanceof Node && !this.#menu.contains(target)) this.#close();
  }

  #close() {
    this.#menu.open = false;
  }
}
