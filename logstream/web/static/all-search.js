// A search over all sessions, on the page that lists them: the first hits in each, with links to their places.

import { element } from "./elements.js";
import { textOf } from "./hit-list.js";
import { hashOf } from "./line-address.js";
import { UNKNOWN } from "./line-number.js";
import { keep, kept } from "./page-memory.js";
import { SearchLine } from "./search-line.js";
import { search, SearchError } from "./search-stream.js";
import { SENT_AWAY } from "./turns.js";

/**
 * @typedef {import("./search-stream.js").Hit} Hit
 * @typedef {import("./finder.js").Pattern} Pattern
 * @typedef {{ hits: HTMLElement, more: HTMLElement, count: number }} Group the hits in one session
 */

const MOST = 10_000; // hits of one search
const SHOWN = 5; // of each session
const KEPT = "search"; // the name of what is searched for, for a reader who comes back from a hit

export class AllSearch {
  #place = element("#found", HTMLElement);
  #line;
  #sessions;
  /** By session. @type {Map<string, Group>} */
  #groups = new Map();
  #count = 0;
  #searching = new AbortController();
  #updating = false;
  #state = ""; // what is said beside how many hits there are

  /** @param {string} sessions where they are, without a name @param {import("./keys.js").Keys} keys */
  constructor(sessions, keys) {
    this.#sessions = sessions;
    this.#line = new SearchLine(element("#search", HTMLElement), {
      onPattern: (pattern) => this.#search(pattern),
      onStep: (isBack) => this.#step(isBack),
      onClose: () => this.#close(),
      onEscape: () => this.#close(),
    });
    const opener = element("#search-all", HTMLButtonElement);
    const open = () => this.#line.open();
    opener.addEventListener("click", open);
    keys.add({ key: "/", label: "Search all sessions", action: open });
    keys.add({ key: "f", ctrl: true, always: true, label: "The same", action: open });
    keys.add({ key: "Escape", label: "Close the search", action: () => this.#line.isOpen && this.#close() });
    if (kept(KEPT) !== "") this.#line.open(kept(KEPT));
  }

  #close() {
    this.#clear();
    keep(KEPT, "");
    this.#line.close();
    element("#search-all", HTMLButtonElement).focus();
    return true;
  }

  #clear() {
    this.#searching.abort(SENT_AWAY);
    this.#groups.clear();
    this.#count = 0;
    this.#place.replaceChildren();
    this.#place.hidden = true;
  }

  /** @param {Pattern | null} pattern */
  async #search(pattern) {
    this.#clear();
    keep(KEPT, pattern?.q ?? "");
    if (pattern === null) {
      this.#line.say("");
      return;
    }
    this.#searching = new AbortController();
    const { signal } = this.#searching;
    this.#place.hidden = false;
    this.#say(", searching");
    try {
      const { more } = await search(this.#place.dataset.search ?? "", { ...pattern, limit: MOST }, {
        signal,
        onHit: (hit) => {
          this.#add(hit);
          this.#say(", searching");
        },
        onRead: () => this.#say(", searching"),
        onBusy: () => this.#say(", waiting for other searches"),
      });
      this.#say(more ? ", and there are more" : "");
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof SearchError)) throw error;
      this.#searching.abort(SENT_AWAY); // so that nothing else is said in the next frame
      this.#line.say(error.message, error.isWrong);
    }
  }

  /** Say how it goes, soon. @param {string} state */
  #say(state) {
    this.#state = state;
    if (this.#updating) return;
    this.#updating = true;
    requestAnimationFrame(() => {
      this.#updating = false;
      const sessions = this.#groups.size === 1 ? "1 session" : `${this.#groups.size.toLocaleString("en")} sessions`;
      const hits = this.#count === 1 ? "1 hit" : `${this.#count.toLocaleString("en")} hits`;
      if (!this.#searching.signal.aborted) this.#line.say((this.#count === 0 ? "no hits" : `${hits} in ${sessions}`) + this.#state);
    });
  }

  /** @param {Hit} hit */
  #add(hit) {
    const { session = "" } = hit;
    const group = this.#groups.get(session) ?? this.#begin(session);
    this.#count += 1;
    group.count += 1;
    if (group.count <= SHOWN) group.hits.append(this.#entry(session, hit));
    else group.more.textContent = `and ${(group.count - SHOWN).toLocaleString("en")} more`;
  }

  /** @param {string} session @returns {Group} */
  #begin(session) {
    const group = document.createElement("section");
    const title = document.createElement("h2");
    const link = document.createElement("a");
    const hits = document.createElement("ol");
    const more = document.createElement("p");
    link.href = this.#address(session);
    link.textContent = session;
    title.append(link);
    hits.className = "lines hits";
    hits.role = "list";
    group.append(title, hits, more);
    this.#place.append(group);
    const made = { hits, more, count: 0 };
    this.#groups.set(session, made);
    return made;
  }

  /** @param {string} session @param {Hit} hit */
  #entry(session, hit) {
    const item = document.createElement("li");
    const link = document.createElement("a");
    const number = document.createElement("span");
    item.className = "hit";
    link.href = this.#address(session) + hashOf([hit.offset, hit.offset]);
    number.className = "number";
    number.textContent = hit.line === null ? UNKNOWN : `${hit.line}`;
    link.append(number, textOf(hit));
    item.append(link);
    return item;
  }

  /** @param {string} session */
  #address(session) {
    return `${this.#sessions}/${encodeURIComponent(session)}`;
  }

  /** From hit to hit. @param {boolean} isBack */
  #step(isBack) {
    const links = [...this.#place.querySelectorAll("a")];
    (isBack ? links.at(-1) : links[0])?.focus();
  }
}
