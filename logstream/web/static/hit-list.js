// Hits on the page, in order: more come while one scrolls, on either side, and what is read stays where it is.

import { numberLink, showNumber } from "./line-number.js";

/**
 * @typedef {import("./search-stream.js").Hit} Hit
 * @typedef {import("./hit-window.js").HitWindow} HitWindow
 */

const NEAR = 400; // pixels from an end of the list at which more is asked for
const AT_END = 8; // pixels from the end that count as at the end

export class HitList {
  #scroller;
  #list = document.createElement("ol");
  #note = document.createElement("p");
  #onGo;
  /** @type {HitWindow | null} */
  #window = null;
  /** @type {Map<Hit, HTMLElement>} */
  #items = new Map();
  #current = -1;
  #isAtEnd = false; // and stays there

  /**
   * @param {HTMLElement} scroller the element that is filled
   * @param {(hit: Hit) => void} onGo called when the reader wants to go to a hit
   */
  constructor(scroller, onGo) {
    this.#scroller = scroller;
    this.#onGo = onGo;
    this.#list.className = "lines hits";
    this.#list.role = "list";
    this.#note.dataset.uncopied = "";
    scroller.append(this.#list, this.#note);
    scroller.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    new ResizeObserver(() => this.#keep()).observe(scroller);
    this.#list.addEventListener("click", (event) => this.#clicked(event));
    this.#list.addEventListener("keydown", (event) => this.#moveFocus(event));
  }

  /** Show the hits of a window, and what it loads. @param {HitWindow | null} window @param {boolean} follow stay at the end */
  show(window, follow = false) {
    if (window !== this.#window) {
      this.#window = window;
      this.#isAtEnd = follow;
      this.#items.clear();
      this.#list.replaceChildren();
    }
    this.update();
  }

  /** The window has other hits. */
  update() {
    const window = this.#window;
    this.#note.hidden = window === null;
    if (window === null) return;
    const anchor = this.#anchor();
    /** @type {Map<Hit, HTMLElement>} */
    const items = new Map();
    for (const hit of window.hits) items.set(hit, this.#items.get(hit) ?? this.#make(hit));
    const focused = document.activeElement?.closest(".hit");
    for (const [hit, item] of this.#items) if (!items.has(hit)) item.remove();
    let next = this.#list.firstElementChild;
    for (const item of items.values()) {
      if (item === next) next = next.nextElementSibling;
      else this.#list.insertBefore(item, next);
    }
    this.#items = items;
    this.#rove();
    if (focused instanceof HTMLElement && !focused.isConnected) this.#focusAt(Number(focused.dataset.offset));
    this.#list.style.setProperty("--digits", `${Math.max(3, `${window.hits.at(-1)?.line ?? ""}`.length)}`);
    if (!this.#isAtEnd) this.#restore(anchor);
    this.#fill();
    const nothing = window.hits.length === 0 ? "Nothing is found." : "";
    this.#note.textContent = window.error ?? (window.isLoading ? "Searching …" : nothing);
    this.#keep();
  }

  /** A line has been gone to: show where it is in the list. @param {number} offset */
  point(offset) {
    this.#current = offset;
    for (const item of this.#items.values()) this.#showCurrent(item);
    this.#rove();
    const item = this.#itemAt(offset);
    if (item === undefined) return false;
    const [own, all] = [item.getBoundingClientRect(), this.#scroller.getBoundingClientRect()];
    if (own.top < all.top) this.#scroller.scrollTop += own.top - all.top;
    else if (own.bottom > all.bottom) this.#scroller.scrollTop += own.bottom - all.bottom;
    return true;
  }

  /** @param {Hit} hit */
  #make(hit) {
    const item = document.createElement("li");
    item.className = "hit";
    item.dataset.offset = `${hit.offset}`;
    const number = numberLink(hit.offset);
    showNumber(number, hit);
    number.style.gridRow = `${hit.before.length + 1}`; // beside its own line
    item.append(number, ...hit.before.map(beside), textOf(hit), ...hit.after.map(beside));
    this.#showCurrent(item);
    return item;
  }

  /** @param {HTMLElement} item */
  #showCurrent(item) {
    const isCurrent = Number(item.dataset.offset) === this.#current;
    item.classList.toggle("current", isCurrent);
    const link = item.firstElementChild;
    if (isCurrent) link?.setAttribute("aria-current", "true");
    else link?.removeAttribute("aria-current");
  }

  /** @param {number} offset */
  #itemAt(offset) {
    return [...this.#items.values()].find((item) => Number(item.dataset.offset) === offset);
  }

  // The place of its reader

  /** The first hit in sight, and where it is. */
  #anchor() {
    const { top } = this.#scroller.getBoundingClientRect();
    for (const [hit, item] of this.#items) {
      const rect = item.getBoundingClientRect();
      if (rect.bottom > top) return { offset: hit.offset, top: rect.top };
    }
    return null;
  }

  /** @param {{ offset: number, top: number } | null} anchor */
  #restore(anchor) {
    if (anchor === null) return;
    const item = this.#itemAt(anchor.offset);
    if (item !== undefined) this.#scroller.scrollTop += item.getBoundingClientRect().top - anchor.top;
  }

  #keep() {
    if (this.#isAtEnd) this.#scroller.scrollTop = this.#scroller.scrollHeight;
  }

  #scrolled() {
    const below = this.#list.getBoundingClientRect().bottom - this.#scroller.getBoundingClientRect().bottom;
    this.#isAtEnd = below <= AT_END && (this.#isAtEnd || this.#window?.isAll.after === true);
    this.#fill();
  }

  /** Ask for more where the end of what there is is near. */
  #fill() {
    const window = this.#window;
    if (window === null || window.error !== null || !this.#scroller.checkVisibility()) return;
    const { scrollTop, scrollHeight, clientHeight } = this.#scroller;
    if (!window.isAll.before && scrollTop < NEAR) window.load("before");
    if (!window.isAll.after && scrollHeight - clientHeight - scrollTop < NEAR) window.load("after");
  }

  // Its keys: one stop for the Tab key, and arrows lead from hit to hit

  #rove() {
    const links = [...this.#items.values()].map((item) => /** @type {HTMLElement} */ (item.firstElementChild));
    const focused = links.find((link) => link === document.activeElement);
    const stop = focused ?? this.#itemAt(this.#current)?.firstElementChild ?? links[0];
    for (const link of links) link.tabIndex = link === stop ? 0 : -1;
  }

  /** @param {number} offset */
  #focusAt(offset) {
    (this.#itemAt(offset)?.querySelector("a") ?? this.#scroller).focus({ preventScroll: true });
  }

  /** @param {MouseEvent} event */
  #clicked(event) {
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    const target = event.target instanceof Element ? event.target : null;
    const item = target?.closest(".hit");
    const isText = target?.closest(".number") === null;
    if (item == null || (isText && !getSelection()?.isCollapsed)) return; // text was selected
    event.preventDefault();
    for (const [hit, other] of this.#items) if (other === item) this.#onGo(hit);
  }

  /** @param {KeyboardEvent} event */
  #moveFocus(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
    if (event.key !== "ArrowUp" && event.key !== "ArrowDown") return;
    const item = event.target instanceof Element ? event.target.closest(".hit") : null;
    const other = event.key === "ArrowUp" ? item?.previousElementSibling : item?.nextElementSibling;
    const link = other?.querySelector("a");
    if (item == null) return;
    event.preventDefault();
    link?.focus();
    this.#rove();
  }
}

/** @param {import("./search-stream.js").Neighbour} line */
function beside({ text }) {
  const element = document.createElement("div");
  element.className = "text beside";
  element.textContent = `${text}\n`;
  return element;
}

/** A line with what matches marked. @param {Hit} hit */
export function textOf({ text, ranges, skipped, cut }) {
  const element = document.createElement("div");
  element.className = "text";
  let at = 0;
  if (skipped > 0) element.append("…");
  for (const [from, to] of ranges) {
    const mark = document.createElement("mark");
    mark.textContent = text.slice(from, to);
    element.append(text.slice(at, from), mark);
    at = to;
  }
  element.append(text.slice(at), cut ? "…\n" : "\n");
  return element;
}
