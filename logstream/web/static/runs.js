// Styled text as the page's nodes.

import { linked } from "./addresses.js";
import { lookOf } from "./colors.js";

/**
 * @typedef {import("./styles.js").Run} Run
 * @typedef {import("./styles.js").Style} Style
 */

/** @type {WeakMap<Style, HTMLElement>} */
const models = new WeakMap(); // an element without text for each style, to be copied

/**
 * Runs as nodes, behind those that an element has. Text becomes text nodes only: nothing in a log is ever taken for
 * markup. What leads to an address is in a link.
 *
 * @param {Element} element
 * @param {Run[]} runs
 * @param {boolean} goesOn whether their last line goes on elsewhere
 */
export function appendRuns(element, runs, goesOn = false) {
  /** @type {HTMLAnchorElement | null} */
  let link = null;
  for (const { text, style, address } of linked(runs, goesOn)) {
    if (address === null) link = null;
    else if (link === null || link.href !== address) element.append((link = linkTo(address)));
    if (style === null) appendText(link ?? element, text);
    else (link ?? element).append(styled(text, style));
  }
}

/** @param {string} address */
function linkTo(address) {
  const link = document.createElement("a");
  link.href = link.title = address;
  link.rel = "noopener noreferrer";
  link.target = "_blank";
  return link;
}

/** Text behind what an element has, in its last node where that is text. @param {Element} element @param {string} text */
export function appendText(element, text) {
  const last = element.lastChild;
  if (last instanceof Text) last.appendData(text);
  else element.append(text);
}

/** @param {string} text @param {Style} style */
function styled(text, style) {
  let model = models.get(style);
  if (model === undefined) {
    model = modelOf(style);
    models.set(style, model);
  }
  const element = model.cloneNode(false);
  element.appendChild(document.createTextNode(text));
  return element;
}

/** @param {Style} style */
function modelOf(style) {
  const { fg, bg, inverse, link: _, dim, ...attributes } = style;
  const element = document.createElement("span");
  const { light, dark, isDim } = lookOf(style);
  if (!attributes.hidden && (fg !== undefined || bg !== undefined || inverse || (dim && !isDim))) {
    element.style.color = `light-dark(${light.fore}, ${dark.fore})`;
  }
  if (light.back !== null) element.style.backgroundColor = `light-dark(${light.back}, ${dark.back})`;
  element.classList.add(...Object.keys(attributes));
  if (isDim) element.classList.add("dim");
  return element;
}
