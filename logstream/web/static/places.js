// Where text is in the window, by its characters, and which text is at a place.

import { firstWhere } from "./bisection.js";

/**
 * Where a character is in the window: its top, and its height, in pixels.
 *
 * @param {Element} element that it is in
 * @param {number} offset UTF-16 units before it
 * @returns {{ top: number, height: number }}
 */
export function placeOf(element, offset) {
  const rect = new Characters(element).rect(offset) ?? element.getBoundingClientRect();
  return { top: rect.top, height: rect.height || 1 };
}

/**
 * The first character that ends below a height of the window: how many UTF-16 units of the element's text are before it.
 *
 * @param {Element} element
 * @param {number} height in pixels
 */
export function characterAt(element, height) {
  const characters = new Characters(element);
  const last = Math.max(0, characters.count - 1);
  return firstWhere(last, (at) => (characters.rect(at)?.bottom ?? -Infinity) > height);
}

/**
 * A place in an element's text as a range has it.
 *
 * @param {Element} element
 * @param {number} offset UTF-16 units before it
 * @returns {{ node: Node, offset: number }}
 */
export function pointAt(element, offset) {
  return new Characters(element).point(offset) ?? { node: element, offset: 0 };
}

/** Where a line begins in an element's text, in UTF-16 units. @param {Element} element @param {number} line from 0 on */
export function startOfLine(element, line) {
  const text = element.textContent ?? "";
  let at = 0;
  for (let left = line; left > 0; left -= 1) {
    const end = text.indexOf("\n", at);
    if (end < 0) break;
    at = end + 1;
  }
  return at;
}

/** The characters of an element, whatever its nodes are. */
class Characters {
  count = 0;
  /** @type {{ node: Text, from: number }[]} */
  #texts = [];
  #range = document.createRange();

  /** @param {Element} element */
  constructor(element) {
    const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
      const node = /** @type {Text} */ (walker.currentNode);
      this.#texts.push({ node, from: this.count });
      this.count += node.length;
    }
  }

  /** Where one is; null if there is none. @param {number} offset */
  rect(offset) {
    const point = offset < this.count ? this.point(offset) : null;
    if (point === null) return null;
    this.#range.setStart(point.node, point.offset);
    this.#range.setEnd(point.node, point.offset + 1);
    return this.#range.getBoundingClientRect();
  }

  /** Which node one is in, and where in that; behind the last one, where there are not so many. @param {number} offset */
  point(offset) {
    const text = this.#texts[firstWhere(this.#texts.length, (at) => this.#texts[at].from > offset) - 1];
    return text === undefined ? null : { node: text.node, offset: Math.min(offset - text.from, text.node.length) };
  }
}
