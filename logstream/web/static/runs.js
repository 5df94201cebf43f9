// Styled text as the page's nodes.

/**
 * @typedef {import("./styles.js").Run} Run
 * @typedef {import("./styles.js").Style} Style
 */

/**
 * Runs as nodes, behind those that an element has. Text becomes text nodes only: nothing in a log is ever taken for
 * markup.
 *
 * @param {Element} element
 * @param {Run[]} runs
 */
export function appendRuns(element, runs) {
  for (const { text, style } of runs) {
    if (style === null) appendText(element, text);
    else element.append(styled(text, style));
  }
}

/** Text behind what an element has, in its last node where that is text. @param {Element} element @param {string} text */
export function appendText(element, text) {
  const last = element.lastChild;
  if (last instanceof Text) last.appendData(text);
  else element.append(text);
}

/** @param {string} text @param {Style} style */
function styled(text, { fg, bg, inverse, link: _, ...attributes }) {
  const span = document.createElement("span");
  if (inverse) [fg, bg] = [bg ?? "var(--back)", fg ?? "var(--fore)"];
  span.style.color = css(fg);
  span.style.backgroundColor = css(bg);
  span.classList.add(...Object.keys(attributes));
  span.append(text);
  return span;
}

/** @param {number | string | undefined} color */
function css(color) {
  return typeof color === "number" ? `var(--c${color})` : (color ?? "");
}
