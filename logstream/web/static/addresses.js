// Addresses in text: those that a program has said to be links (OSC 8), and those that are written out.

/**
 * @typedef {import("./styles.js").Run} Run
 * @typedef {Run & { address: string | null }} LinkedRun `address` is where the text leads
 */

// Up to what cannot be in an address, or must not be in one that is shown: what turns the direction of text around, say.
const ADDRESS = /\bhttps?:\/\/[^\s<>"'`{}|\\^\p{Cc}\p{Cf}\p{Cs}\p{Z}\u3000-\u303f\uff00-\uff60]+/giu;
const LONGEST = 4096; // characters
const AFTER = /[.,:;!?…*_~]+$/u; // what ends the sentence around an address
const BRACKETS = [
  ["(", ")"],
  ["[", "]"],
];

/** Whether there may be an address in a text. @param {string} text */
export function mayHaveAddress(text) {
  return text.includes("://");
}

/** Runs, cut so that each leads to one address or to none. @param {Run[]} runs @returns {LinkedRun[]} */
export function linked(runs) {
  const whole = runs.length === 1 ? runs[0].text : runs.map(({ text }) => text).join("");
  if (!mayHaveAddress(whole) && !runs.some(({ style }) => style?.link !== undefined)) return runs.map(plain);
  const found = addressesIn(whole);
  /** @type {LinkedRun[]} */
  const cut = [];
  let [begin, next] = [0, 0];
  for (const { text, style } of runs) {
    const end = begin + text.length;
    const own = style?.link === undefined ? null : valid(style.link);
    for (let at = begin; at < end; ) {
      while (next < found.length && found[next].end <= at) next += 1;
      const inside = next < found.length && found[next].begin <= at;
      const until = Math.min(end, next === found.length ? end : inside ? found[next].end : found[next].begin);
      const address = own ?? (inside ? found[next].address : null);
      cut.push({ text: text.slice(at - begin, until - begin), style, address });
      at = until;
    }
    begin = end;
  }
  return cut;
}

/** @param {Run} run @returns {LinkedRun} */
function plain({ text, style }) {
  return { text, style, address: null };
}

/** @param {string} text */
function addressesIn(text) {
  const found = [];
  for (const { 0: match, index } of text.matchAll(ADDRESS)) {
    if (match.length > LONGEST) continue;
    const written = trimmed(match);
    const address = valid(written);
    if (address !== null) found.push({ begin: index, end: index + written.length, address });
  }
  return found;
}

/** An address without what stands behind it: punctuation, and brackets that were opened before it. @param {string} text */
function trimmed(text) {
  for (;;) {
    const shorter = text.replace(AFTER, "");
    const bracket = BRACKETS.find(([open, close]) => shorter.endsWith(close) && count(shorter, close) > count(shorter, open));
    const next = bracket === undefined ? shorter : shorter.slice(0, -1);
    if (next === text) return text;
    text = next;
  }
}

/** @param {string} text @param {string} character */
function count(text, character) {
  return text.split(character).length - 1;
}

/** An address as a browser asks for it; null for one that leads to no web server. @param {string} text */
function valid(text) {
  if (text.length > LONGEST) return null;
  try {
    const { protocol, hostname, href } = new URL(text);
    return (protocol === "http:" || protocol === "https:") && hostname !== "" ? href : null;
  } catch {
    return null;
  }
}
