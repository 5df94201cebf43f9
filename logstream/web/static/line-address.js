// Lines in the page's address: `#at=OFFSET`, or `#at=FIRST-LAST`, by the bytes that are before them in the log.

/** The first line's and the last one's offset. @typedef {[number, number]} Marks */

const FORM = /^#at=(\d{1,15})(?:-(\d{1,15}))?$/;

/** Which lines an address's hash names; null if none. @param {string} hash @returns {Marks | null} */
export function marksOf(hash) {
  const [, first, last] = FORM.exec(hash) ?? [];
  if (first === undefined) return null;
  const [from, to] = [Number(first), Number(last ?? first)];
  return from <= to ? [from, to] : [to, from];
}

/** The hash that names lines. @param {Marks} marks */
export function hashOf([from, to]) {
  return from === to ? `#at=${from}` : `#at=${from}-${to}`;
}
