// How many columns a character takes, and which ones join to be shown as one: Unicode's grapheme clusters.

import { RANGES } from "./width-tables.js";

// Kinds of characters by how they join, as Unicode's Grapheme_Cluster_Break has them.
export const OTHER = 0;
const PREPEND = 1;
const EXTEND = 2;
const REGIONAL = 3;
const SPACING = 4;
const L = 5;
const V = 6;
const T = 7;
const LV = 8;
const LVT = 9;
const JOINER = 10;
const PICTOGRAPH = 11;
/** Invisible ones, which take no column. */
export const INVISIBLE = 12;

const KIND = 15;
const WIDE = 16;
const SIMPLE = 32;

const EMOJI_SELECTOR = 0xfe0f; // what is before it is shown as an emoji, in two columns

/** For each UTF-16 unit, its kind, whether it is wide, and whether it is simple: one column, and joins nothing. */
const UNITS = new Uint8Array(0x10000).fill(SIMPLE);
UNITS.fill(0, 0, 0x20);
UNITS.fill(0, 0x7f, 0xa0);
UNITS.fill(0, 0xd800, 0xe000);
for (let at = 0; at < RANGES.length && RANGES[at] < 0x10000; at += 3) {
  UNITS.fill(RANGES[at + 2], RANGES[at], RANGES[at + 1] + 1);
}
for (let code = 0xac00; code < 0xd7a4; code += 1) UNITS[code] = WIDE | ((code - 0xac00) % 28 === 0 ? LV : LVT);

/** Where the run of simple characters ends that begins at a place. @param {string} data @param {number} at */
export function simpleEnd(data, at) {
  const { length } = data;
  while (at < length && UNITS[data.charCodeAt(at)] === SIMPLE) at += 1;
  return at;
}

/** @param {number} code */
function properties(code) {
  if (code < 0x10000) return UNITS[code];
  let [low, high] = [0, RANGES.length / 3];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (RANGES[3 * middle + 1] < code) low = middle + 1;
    else high = middle;
  }
  return 3 * low < RANGES.length && RANGES[3 * low] <= code ? RANGES[3 * low + 2] : 0;
}

/** A character's kind. @param {number} code its code point */
export function kindOf(code) {
  return properties(code) & KIND;
}

/** The columns of a character by itself. @param {number} code its code point */
export function widthOf(code) {
  const found = properties(code);
  if ((found & KIND) === INVISIBLE) return 0;
  return (found & WIDE) !== 0 || code === EMOJI_SELECTOR ? 2 : 1;
}

/** Whether a character of a kind is one with what it follows. @param {number} before the kind of that @param {number} kind */
export function joins(before, kind) {
  switch (kind) {
    case EXTEND:
    case JOINER:
    case SPACING:
      return true;
    case REGIONAL:
      return before === REGIONAL || before === PREPEND;
    case PICTOGRAPH:
      return before === JOINER || before === PREPEND;
    case L:
    case LV:
    case LVT:
      return before === L || before === PREPEND;
    case V:
      return before === L || before === V || before === LV || before === PREPEND;
    case T:
      return before === V || before === T || before === LV || before === LVT || before === PREPEND;
    default:
      return before === PREPEND;
  }
}

/** The kind of a cluster after a character has joined it. @param {number} kind of that character */
export function joinedKind(kind) {
  return kind === REGIONAL ? OTHER : kind; // a flag is two
}

/** The columns of a cluster after a character has joined it. @param {number} width before @param {number} code */
export function joinedWidth(width, code) {
  return kindOf(code) === REGIONAL ? 2 : Math.max(width, widthOf(code));
}
