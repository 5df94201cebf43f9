// A scroll bar for the whole log, by bytes, however much of it is on the page.

import { bytes } from "./format.js";

/**
 * @typedef {object} Callbacks
 * @property {(offset: number) => void} onGo what stands at an offset is to be shown at the top
 * @property {() => void} onEnd the end is to be shown
 */

const SHORTEST = 28; // pixels of the thumb
const NEAR = 1; // pixels from an end that count as at it
const STEP = 0.05; // of the log, by PageUp and PageDown

export class PlaceBar {
  #element;
  #thumb = document.createElement("div");
  #callbacks;
  #size = 0;
  #top = 0;
  #shown = 1; // bytes that are in sight
  #height = 0; // pixels of the bar: as it was laid out last, as asking for it between two changes would have all laid out
  /** Where on the thumb it was taken, in pixels; null as long as nobody drags it. @type {number | null} */
  #grip = null;
  #share = 0; // where it was dragged to

  /** @param {HTMLElement} element with the role `scrollbar` @param {Callbacks} callbacks */
  constructor(element, callbacks) {
    this.#element = element;
    this.#callbacks = callbacks;
    this.#thumb.className = "thumb";
    element.append(this.#thumb);
    element.addEventListener("pointerdown", (event) => this.#take(event));
    element.addEventListener("pointermove", (event) => this.#drag(event));
    element.addEventListener("pointerup", () => this.#let());
    element.addEventListener("pointercancel", () => (this.#grip = null));
    element.addEventListener("keydown", (event) => this.#press(event));
    new ResizeObserver(() => {
      this.#height = element.clientHeight;
      this.#place();
    }).observe(element);
  }

  /**
   * Show where one is.
   *
   * @param {number} size bytes of the log
   * @param {number} top the offset of the first line in sight
   * @param {number} bottom the end of the last one
   * @param {number | null} line the first one's number
   */
  show(size, top, bottom, line) {
    this.#size = size;
    this.#top = Math.min(top, size);
    this.#shown = Math.max(1, Math.min(bottom, size) - this.#top);
    this.#element.ariaValueMin = "0";
    this.#element.ariaValueMax = `${size}`;
    this.#element.ariaValueNow = `${this.#top}`;
    this.#element.ariaValueText = placeText(size, this.#top, line);
    if (this.#grip === null) this.#place();
  }

  /** Bytes that the top can be away from the beginning. */
  get #range() {
    return Math.max(1, this.#size - this.#shown);
  }

  get #thumbHeight() {
    return Math.min(this.#height, Math.max(SHORTEST, (this.#height * this.#shown) / Math.max(1, this.#size)));
  }

  #place() {
    this.#put(Math.min(1, this.#top / this.#range));
  }

  /** @param {number} share of the way down */
  #put(share) {
    const height = this.#thumbHeight;
    this.#thumb.style.height = `${height}px`;
    this.#thumb.style.transform = `translateY(${share * (this.#height - height)}px)`;
  }

  /** @param {PointerEvent} event */
  #take(event) {
    if (event.button !== 0) return;
    event.preventDefault();
    this.#element.focus({ preventScroll: true });
    this.#element.setPointerCapture(event.pointerId);
    const { top, height } = this.#thumb.getBoundingClientRect();
    const isOnThumb = event.clientY >= top && event.clientY <= top + height;
    this.#grip = isOnThumb ? event.clientY - top : height / 2;
    this.#share = Math.min(1, this.#top / this.#range);
    if (!isOnThumb) this.#drag(event);
  }

  /** @param {PointerEvent} event */
  #drag(event) {
    if (this.#grip === null) return;
    const room = this.#height - this.#thumbHeight;
    const away = event.clientY - this.#grip - this.#element.getBoundingClientRect().top;
    const share = away < NEAR ? 0 : away > room - NEAR ? 1 : away / room;
    if (share === this.#share) return;
    this.#share = share;
    this.#put(share);
    this.#callbacks.onGo(Math.round(share * this.#range));
  }

  #let() {
    if (this.#grip === null) return;
    this.#grip = null;
    if (this.#share === 1) this.#callbacks.onEnd();
    else this.#place();
  }

  /** @param {KeyboardEvent} event */
  #press(event) {
    if (event.ctrlKey || event.altKey || event.metaKey || event.shiftKey) return;
    const step = STEP * this.#size;
    /** @type {Record<string, number>} */
    const steps = { ArrowUp: -this.#shown, ArrowDown: this.#shown, PageUp: -step, PageDown: step };
    if (!(event.key in steps)) return; // Home and End are keys of the page
    event.preventDefault();
    const offset = Math.round(this.#top + steps[event.key]);
    if (offset >= this.#range && event.key.endsWith("Down")) this.#callbacks.onEnd();
    else this.#callbacks.onGo(Math.max(0, offset));
  }
}

/**
 * Where one is, for people.
 *
 * @param {number} size
 * @param {number} offset
 * @param {number | null} line
 */
export function placeText(size, offset, line) {
  const share = size === 0 ? 0 : Math.floor((100 * offset) / size);
  const place = `${share} % of ${bytes(size)}`;
  return line === null ? place : `line ${line.toLocaleString("en")}, ${place}`;
}
