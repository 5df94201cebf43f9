// Finding things in the log of a session's page: the search line, marks in what is shown, a list of hits, and the filter.

import { sentenceOf } from "./answers.js";
import { Choice } from "./choices.js";
import { element } from "./elements.js";
import { ErrorLines } from "./error-lines.js";
import { Finder, MOST_COUNTED } from "./finder.js";
import { HitList } from "./hit-list.js";
import { HitWindow } from "./hit-window.js";
import { LineSource } from "./line-source.js";
import { Marks } from "./marks.js";
import { Matcher } from "./matcher.js";
import { SearchLine } from "./search-line.js";
import { parameters, search, SearchError } from "./search-stream.js";
import { setPressed } from "./tools.js";
import { SENT_AWAY } from "./turns.js";

/**
 * @typedef {import("./finder.js").Pattern} Pattern
 * @typedef {import("./finder.js").Server} Server
 * @typedef {import("./found-hits.js").Place} Place
 * @typedef {import("./reader.js").Reader} Reader
 * @typedef {{ reader: Reader, keys: import("./keys.js").Keys, tools: import("./tools.js").Tools,
 *             downloads: import("./downloads.js").Downloads }} Page
 */

const LIST = { page: 50, most: 300, context: 2 };
const FILTER = { page: 200, most: 3000, context: 0 };
const LOOK = 100_000; // bytes around what is in sight that are searched for marks
const LOOKS = 300; // milliseconds between two such searches

export class Find {
  #reader;
  #downloads;
  /** @type {Server} */
  #server;
  #line;
  #marks;
  #views = element("#views", HTMLElement);
  #log = element("#log", HTMLElement);
  #excerpt = element("#excerpt", HTMLElement);
  #listPlace = element("#hits", HTMLElement);
  #filterPlace = element("#filtered", HTMLElement);
  #list;
  #filtered;
  /** What is being searched for. @type {Finder | null} */
  #finder = null;
  /** @type {Matcher | null} */
  #matcher = null;
  /** The hits that the list shows, or the filter. @type {HitWindow | null} */
  #window = null;
  /** The hit that was gone to. @type {Place | null} */
  #current = null;
  #wrapped = "";
  /** Why there was no next hit. @type {SearchError | null} */
  #failure = null;
  #isStepping = false;
  #isFiltering = false;
  #hasList = new Choice("hit-list", /** @type {boolean} */ (true));
  #errors;
  #updating = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #looking = undefined;
  /** What was searched for marks last. @type {[number, number]} */
  #looked = [0, 0];

  /** @param {Page} page */
  constructor({ reader, keys, tools, downloads }) {
    this.#reader = reader;
    this.#downloads = downloads;
    const source = new LineSource(location.pathname);
    this.#server = {
      search: (query, options) => search(`${location.pathname}/search`, query, options),
      lineAt: (place) => lineAt(source, place),
    };
    const root = element("#search", HTMLElement);
    this.#line = new SearchLine(root, {
      onPattern: (pattern) => this.#begin(pattern),
      onStep: (isBack) => this.#step(isBack),
      onClose: () => this.#close(),
      onEscape: () => this.#escape(),
    });
    this.#marks = new Marks(reader, this.#log, this.#excerpt);
    this.#list = new HitList(this.#listPlace, (hit) => this.#choose(hit));
    this.#filtered = new HitList(this.#filterPlace, (hit) => this.#choose(hit));
    for (const place of [this.#listPlace, this.#filterPlace]) place.addEventListener("keydown", (event) => this.#goToEnd(event));
    reader.onMove(() => {
      if (!document.hidden) this.#grown();
      this.#lookLater();
    });
    document.addEventListener("visibilitychange", () => this.#grown());
    reader.onRestart(() => this.#restart());
    this.#errors = new ErrorLines(root, this.#server, reader, {
      stepFrom: (finder, current, isBack) => this.#stepFrom(finder, current, isBack),
      onGo: () => this.#setFilter(false),
    });
    this.#addControls(root, keys, tools);
  }

  /** @param {HTMLElement} root @param {import("./keys.js").Keys} keys @param {import("./tools.js").Tools} tools */
  #addControls(root, keys, tools) {
    const open = () => this.#line.open();
    const toggleFilter = () => {
      if (this.#isFiltering) this.#setFilter(false);
      else this.#openFilter();
    };
    keys.add({ key: "/", label: "Search the whole log; then Enter and Shift-Enter for the next hit and the previous one", action: open });
    keys.add({ key: "f", ctrl: true, always: true, label: "The same", action: open });
    keys.add({ key: "f", label: "Show only lines that match, or all again", action: toggleFilter });
    keys.add({ key: "n", label: "Next hit", action: () => this.#step(false) });
    keys.add({ key: "N", label: "Previous hit", action: () => this.#step(true) });
    keys.add({ key: "e", label: "Next line that looks like an error", action: () => this.#errors.go(false) });
    keys.add({ key: "E", label: "Previous line that looks like an error", action: () => this.#errors.go(true) });
    keys.add({ key: "Escape", label: "Leave the filter, then the search", action: () => this.#escape() });
    tools.add({ label: "Search", title: "Search the whole log", key: "/", action: open });
    const tool = tools.add({ label: "Filter", title: "Show only lines that match", key: "f", action: toggleFilter });
    tools.add({ label: "Error ↑", title: "Previous line that looks like an error", key: "E", action: () => this.#errors.go(true) });
    tools.add({ label: "Error ↓", title: "Next line that looks like an error", key: "e", action: () => this.#errors.go(false) });
    const filter = element("[data-search=filter]", HTMLButtonElement, root);
    filter.addEventListener("click", toggleFilter);
    this.#onFilter = () => {
      setPressed(tool, this.#isFiltering);
      setPressed(filter, this.#isFiltering);
    };
    this.#onFilter();
    const list = element("[data-search=list]", HTMLButtonElement, root);
    list.addEventListener("click", () => (this.#hasList.value = !this.#hasList.value));
    this.#hasList.watch((value) => {
      setPressed(list, value);
      this.#showHits();
    });
  }

  #onFilter = () => {};

  // The search

  /** Search for something else. @param {Pattern | null} pattern @param {number} size of the log */
  #begin(pattern, size = this.#reader.size) {
    this.#end();
    if (pattern === null) {
      this.#line.say("");
      this.#showHits();
      return;
    }
    this.#matcher = new Matcher(pattern);
    const matcher = this.#matcher;
    const finder = new Finder(this.#server, pattern, size, () => this.#later());
    this.#finder = finder;
    finder.onHit = (hit) => {
      if (matcher.note(hit)) this.#marks.update();
    };
    finder.onGrown = (from) => this.#window?.grown(from);
    this.#marks.show(matcher);
    this.#showHits();
    finder.countAll();
    this.#looked = [0, 0];
    this.#lookLater();
    this.#later();
  }

  #end() {
    this.#finder?.close();
    this.#finder = null;
    this.#matcher = null;
    this.#current = null;
    this.#wrapped = "";
    this.#failure = null;
    this.#isStepping = false;
    this.#closeWindow();
    this.#marks.show(null);
  }

  #close() {
    if (!this.#line.isOpen) return;
    this.#setFilter(false);
    this.#end();
    this.#line.close();
    this.#showHits();
    (this.#reader.isLive ? this.#log : this.#excerpt).focus({ preventScroll: true });
  }

  #escape() {
    if (this.#isFiltering) this.#setFilter(false);
    else if (this.#line.isOpen) this.#close();
    else return false;
    return true;
  }

  /** The log has begun anew: so does the search. */
  #restart() {
    this.#errors.restart();
    if (this.#finder !== null) this.#begin(this.#line.pattern, 0); // how large it is now is heard next
  }

  #grown() {
    if (document.hidden) return;
    this.#finder?.grow(this.#reader.size);
  }

  /** Say how it goes, once whatever is happening has happened. */
  #later() {
    if (!this.#updating) {
      requestAnimationFrame(() => {
        this.#updating = false;
        this.#say();
      });
    }
    this.#updating = true;
  }

  #say() {
    const finder = this.#finder;
    if (finder === null) return;
    const { isComplete, count } = finder;
    const error = finder.error ?? this.#failure;
    if (error !== null) {
      this.#line.say(error.message, error.isWrong);
      return;
    }
    const hits = `${count.toLocaleString("en")}${isComplete ? "" : "+"} ${count === 1 && isComplete ? "hit" : "hits"}`;
    const number = this.#current === null ? null : finder.numberOf(this.#current.offset);
    const found = number === null ? (count === 0 && isComplete ? "no hits" : hits) : `${number.toLocaleString("en")} of ${hits}`;
    const isOver = isComplete || (count >= MOST_COUNTED && !this.#isStepping);
    const share = isOver ? "" : `, ${Math.floor(100 * finder.share)} % searched`;
    const busy = finder.isBusy ? ", waiting for other searches" : "";
    this.#line.say(found + share + busy + this.#wrapped);
  }

  // From hit to hit

  /** @param {boolean} isBack */
  async #step(isBack) {
    const finder = this.#finder;
    if (finder === null) return;
    const isWanted = this.#reader.look();
    this.#failure = null;
    this.#isStepping = true;
    this.#later();
    try {
      const step = await this.#stepFrom(finder, this.#current, isBack);
      if (finder !== this.#finder) return;
      this.#wrapped = step?.wrapped ? (isBack ? ", on from the end" : ", on from the beginning") : "";
      if (step !== null && isWanted()) this.#go(step.hit);
    } catch (error) {
      if (finder !== this.#finder) return;
      if (error instanceof SearchError) this.#failure = error;
      else if (error !== SENT_AWAY) throw error;
    }
    this.#isStepping = false;
    this.#later();
  }

  /**
   * The next hit, or the previous one: beside the one that was gone to, where that is in sight, or else from there on.
   *
   * @param {Finder} finder
   * @param {Place | null} current
   * @param {boolean} isBack
   */
  async #stepFrom(finder, current, isBack) {
    if (current !== null && this.#isInSight(current.offset)) {
      return isBack ? finder.previous(current.offset) : finder.next(current.end);
    }
    const { size, topOffset } = this.#reader;
    const place = topOffset === null ? size : topOffset <= 0 ? 0 : await this.#server.lineAt(Math.min(topOffset, size - 1));
    return isBack ? finder.previous(place) : finder.next(place);
  }

  /** @param {number} offset of a line */
  #isInSight(offset) {
    if (this.#isFiltering) return true;
    const line = this.#reader.lines.find((one) => Number(one.dataset.offset) === offset);
    if (this.#reader.isLive || line === undefined) return false;
    const [own, all] = [line.getBoundingClientRect(), this.#excerpt.getBoundingClientRect()];
    return own.bottom > all.top && own.top < all.bottom;
  }

  /** @param {Place} hit in a list */
  #choose(hit) {
    this.#wrapped = "";
    this.#setFilter(false);
    this.#go(hit);
  }

  /** @param {Place} hit */
  #go({ offset, end }) {
    this.#failure = null;
    this.#current = { offset, end };
    this.#marks.point(offset);
    if (this.#isFiltering) {
      if (!this.#filtered.point(offset)) this.#openWindow(offset, FILTER, false);
    } else {
      this.#reader.goTo(offset, { mark: [offset, offset] });
      if (!this.#listPlace.hidden && !this.#list.point(offset)) this.#openWindow(offset, LIST, false);
    }
    this.#later();
  }

  // The list, and the filter

  /** Show hits where they are wanted. */
  #showHits() {
    const isOn = this.#finder !== null;
    const isFiltered = this.#isFiltering && isOn;
    this.#listPlace.hidden = !(isOn && this.#hasList.value && !isFiltered);
    this.#filterPlace.hidden = !isFiltered;
    const hadFocus = this.#log.contains(document.activeElement) || this.#excerpt.contains(document.activeElement);
    this.#log.inert = this.#excerpt.inert = isFiltered;
    if (isFiltered && hadFocus) this.#filterPlace.focus({ preventScroll: true });
    this.#views.classList.toggle("filtered", isFiltered);
    const { pattern } = this.#line;
    this.#downloads.setFilter(isFiltered && pattern !== null ? parameters(pattern) : null);
    this.#closeWindow();
    if (!isOn || (this.#listPlace.hidden && !isFiltered)) return;
    const { isLive, topOffset, size } = this.#reader;
    const isAtEnd = isLive || topOffset === null;
    this.#openWindow(this.#current?.offset ?? (isAtEnd ? size : topOffset), isFiltered ? FILTER : LIST, isAtEnd);
  }

  /**
   * @param {number} place
   * @param {import("./hit-window.js").Bounds} bounds
   * @param {boolean} follow stay at the end
   * @param {Place | null} point the hit that is to be in sight
   */
  #openWindow(place, bounds, follow, point = this.#current) {
    const finder = this.#finder;
    if (finder === null) return;
    this.#window?.close();
    const list = bounds === LIST ? this.#list : this.#filtered;
    let isPointed = point === null;
    const window = new HitWindow(finder, place, bounds, () => {
      if (window !== this.#window) return;
      list.update();
      if (!isPointed && point !== null) isPointed = list.point(point.offset);
    });
    this.#window = window;
    list.show(window, follow);
    window.load("after");
    window.load("before");
  }

  /** Home and End lead to the ends of all hits, and not of those that are there. @param {KeyboardEvent} event */
  #goToEnd(event) {
    if (event.ctrlKey || event.altKey || event.metaKey || event.shiftKey) return;
    if (event.key !== "Home" && event.key !== "End") return;
    event.preventDefault();
    const isEnd = event.key === "End";
    (this.#isFiltering ? this.#filterPlace : this.#listPlace).focus({ preventScroll: true });
    this.#openWindow(isEnd ? this.#reader.size : 0, this.#isFiltering ? FILTER : LIST, isEnd, null);
  }

  #closeWindow() {
    this.#window?.close();
    this.#window = null;
    this.#list.show(null);
    this.#filtered.show(null);
  }

  #openFilter() {
    this.#isFiltering = true;
    this.#onFilter();
    if (this.#line.isOpen) this.#showHits();
    else this.#line.open();
  }

  /** @param {boolean} isOn */
  #setFilter(isOn) {
    if (this.#isFiltering === isOn) return;
    const hadFocus = this.#filterPlace.contains(document.activeElement);
    this.#isFiltering = isOn;
    this.#onFilter();
    this.#showHits();
    if (hadFocus) (this.#reader.isLive ? this.#log : this.#excerpt).focus({ preventScroll: true });
  }

  // Marks of what the server finds

  /** Search what is in sight in a while, where the server has to say what matches there. */
  #lookLater() {
    if (this.#matcher?.isTold) this.#looking ??= setTimeout(() => this.#look(), LOOKS);
  }

  async #look() {
    this.#looking = undefined;
    const { size, topOffset } = this.#reader;
    const finder = this.#finder;
    if (finder === null || topOffset === null || this.#isFiltering) return;
    const [from, to] = [Math.max(0, topOffset - LOOK / 2), Math.min(size, topOffset + LOOK / 2)];
    if (this.#looked[0] <= from + LOOK / 4 && (this.#looked[1] >= to - LOOK / 4 || this.#looked[1] === size)) return;
    this.#looked = [from, to];
    try {
      await finder.look(from > 0 ? await this.#server.lineAt(from) : 0, to);
    } catch {
      this.#looked = [0, 0]; // what is not marked now is when it is looked at again
    }
  }
}

/** Where the line begins that a place is in. @param {LineSource} source @param {number} place */
async function lineAt(source, place) {
  try {
    return (await source.around(place, 0, 0)).lines[0]?.offset ?? 0;
  } catch (error) {
    throw new SearchError(sentenceOf(error), false);
  }
}
