// A line's number on the page: a link to the line.

import { hashOf } from "./line-address.js";

/** In place of a number that is not known. */
export const UNKNOWN = "·";

/** A link for the number of the line that begins at an offset; whoever has several leads from one to the next by arrows. @param {number} offset */
export function numberLink(offset) {
  const link = document.createElement("a");
  link.className = "number";
  link.href = hashOf([offset, offset]);
  link.tabIndex = -1;
  return link;
}

/**
 * Show a line's number in its link.
 *
 * @param {HTMLElement} link
 * @param {{ offset: number, line: number | null }} line `line` is null where the number is not known
 * @param {boolean} isPart it is a further part of a line, which shows no number of its own
 */
export function showNumber(link, { offset, line }, isPart = false) {
  const text = isPart ? "" : line === null ? UNKNOWN : `${line}`;
  if (link.textContent === text && link.ariaLabel !== null) return;
  link.textContent = text;
  link.ariaLabel = line === null ? `Line at byte ${offset}` : `Line ${line}${isPart ? ", continued" : ""}`;
}
