// Addresses in text: those that a program has said to be links (OSC 8), and those that are written out.

/**
 * @typedef {import("./styles.js").Run} Run
 * @typedef {Run & { address: string | null }} LinkedRun `address` is where the text leads
 */

// Up to what cannot be in an address, or must not be in one that is shown: what turns the direction of text around, say,
// or the lines of a box that is drawn around it.
const ADDRESS = /\bhttps?:\/\/[^\s<>"'`{}|\\^\p{Cc}\p{Cf}\p{Cs}\p{Z}\u2500-\u259f\u3000-\u303f\uff00-\uff60]+/giu;
const LONGEST = 4096; // characters
const AFTER = ".,:;!?*_~(["; // what is behind an address, and not its end
/** @type {Record<string, string>} */
const OPENED_BY = { ")": "(", "]": "[" };
const CUT = "…"; // a program's own way to say that an address goes on

/** Whether there may be an address in a text. @param {string} text */
export function mayHaveAddress(text) {
  return text.includes("://");
}

/**
 * Runs, cut so that each leads to one address or to none. What is hidden leads nowhere.
 *
 * @param {Run[]} runs
 * @param {boolean} goesOn whether their last line goes on elsewhere, so that an address at its end may be cut
 * @returns {LinkedRun[]}
 */
export function linked(runs, goesOn = false) {
  const whole = runs.length === 1 ? runs[0].text : runs.map(({ text }) => text).join("");
  if (!mayHaveAddress(whole) && !runs.some(({ style }) => style?.link !== undefined)) return runs.map(plain);
  const found = addressesIn(whole);
  if (goesOn && found.at(-1)?.end === whole.length) found.pop();
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
      const address = style?.hidden ? null : (own ?? (inside ? found[next].address : null));
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
    const address = written.includes(CUT) ? null : valid(written);
    if (address !== null) found.push({ begin: index, end: index + written.length, address });
  }
  return found;
}

/** An address without what stands behind it: punctuation, and from a bracket on that was opened before it. @param {string} text */
function trimmed(text) {
  /** @type {string[]} */
  const opened = [];
  let end = 0;
  for (; end < text.length; end += 1) {
    const opener = OPENED_BY[text[end]];
    if (opener === undefined) {
      if (text[end] === "(" || text[end] === "[") opened.push(text[end]);
    } else if (opened.pop() !== opener) {
      break;
    }
  }
  while (end > 0 && AFTER.includes(text[end - 1])) end -= 1;
  return text.slice(0, end);
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
