// Which colours text has: those that a program asks for, as far as they can be told apart.

/**
 * Red, green and blue, from 0 to 255.
 *
 * @typedef {[number, number, number]} Color
 * @typedef {{ back: Color, fore: Color, palette: Color[] }} Theme the usual colours, and the sixteen that have numbers
 * @typedef {import("./styles.js").Style} Style
 * @typedef {{ fore: string, back: string | null }} Colors null for the page's own background
 * @typedef {{ light: Colors, dark: Colors, isDim: boolean }} Look `isDim`: shown with DIM of its opacity
 */

export const DIM = 0.65;
const CONTRAST = 4.5; // that text needs to be read, as WCAG 2 has it
/** Of each value that a part of a colour can have, its share of the luminance. */
const LINEAR = Array.from({ length: 256 }, (_, value) => linear(value / 255));
const BLACK = /** @type {Color} */ ([0, 0, 0]);
const WHITE = /** @type {Color} */ ([255, 255, 255]);

/** @type {Theme} */
export const LIGHT = theme("#ffffff", "#1d2126", [
  ...["#1d2126", "#b3202a", "#1a7030", "#8a5a00", "#0a58b0", "#8a3fa8", "#0b6e78", "#6b7480"],
  ...["#565e69", "#d02f3a", "#1f8a3d", "#a36c00", "#2272d4", "#a653c4", "#118793", "#8a939e"],
]);
/** @type {Theme} */
export const DARK = theme("#16181d", "#d8dee4", [
  ...["#5a636f", "#f0696f", "#4ec07a", "#d8a944", "#5fa5f5", "#c88be0", "#4dbcc7", "#c3cad2"],
  ...["#7c8793", "#ff8f94", "#74dd9b", "#f2ca6d", "#8cc2ff", "#dfadf2", "#7fdde6", "#ffffff"],
]);

/** How text is shown that a program wants to have a style, in light and in dark. @param {Style} style @returns {Look} */
export function lookOf(style) {
  const isDim = style.dim === true && canBeDim(style, LIGHT) && canBeDim(style, DARK);
  return { light: colorsOf(style, isDim, LIGHT), dark: colorsOf(style, isDim, DARK), isDim };
}

/** Whether it can be read through less opacity. @param {Style} style @param {Theme} theme */
function canBeDim(style, theme) {
  const { fore, back } = wanted(style, theme);
  const behind = back ?? theme.back;
  return contrast(mixed(fore, theme.back, DIM), mixed(behind, theme.back, DIM)) >= CONTRAST;
}

/** @param {Style} style @param {boolean} isDim by its opacity @param {Theme} theme @returns {Colors} */
function colorsOf(style, isDim, theme) {
  const { fore, back } = wanted(style, theme);
  const behind = back ?? theme.back;
  const shown = isDim ? fore : readable(style.dim ? mixed(fore, behind, DIM) : fore, behind);
  return { fore: hex(shown), back: back && hex(back) };
}

/** The colours that a program wants. @param {Style} style @param {Theme} theme @returns {{ fore: Color, back: Color | null }} */
function wanted({ fg, bg, inverse }, theme) {
  const fore = colorOf(fg, theme) ?? theme.fore;
  const back = colorOf(bg, theme);
  return inverse ? { fore: back ?? theme.back, back: fore } : { fore, back };
}

/** How well one colour can be read on another, from 1 to 21 (WCAG 2). @param {Color} one @param {Color} other */
export function contrast(one, other) {
  const [first, second] = [luminance(one), luminance(other)];
  return (Math.max(first, second) + 0.05) / (Math.min(first, second) + 0.05);
}

/** The nearest colour that can be read on another one, brighter if it is the brighter one of them. @param {Color} color @param {Color} back */
function readable(color, back) {
  if (contrast(color, back) >= CONTRAST) return color;
  const [first, second] = luminance(color) >= luminance(back) ? [WHITE, BLACK] : [BLACK, WHITE];
  const goal = contrast(first, back) >= CONTRAST ? first : second;
  let [low, high] = [0, 1];
  for (let step = 0; step < 8; step += 1) {
    const middle = (low + high) / 2;
    if (contrast(mixed(goal, color, middle), back) >= CONTRAST) high = middle;
    else low = middle;
  }
  return mixed(goal, color, high);
}

/** @param {Color} one @param {Color} other @param {number} share of the first @returns {Color} */
function mixed(one, other, share) {
  const mix = (/** @type {0 | 1 | 2} */ part) => Math.round(share * one[part] + (1 - share) * other[part]);
  return [mix(0), mix(1), mix(2)];
}

/** @param {Color} color */
function luminance([red, green, blue]) {
  return 0.2126 * LINEAR[red] + 0.7152 * LINEAR[green] + 0.0722 * LINEAR[blue];
}

/** @param {number} share of a colour, from 0 to 1 */
function linear(share) {
  return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
}

/** @param {number | string | undefined} color @param {Theme} theme */
function colorOf(color, { palette }) {
  if (color === undefined) return null;
  return typeof color === "number" ? palette[color] : parsed(color);
}

/** @param {string} back @param {string} fore @param {string[]} palette @returns {Theme} */
function theme(back, fore, palette) {
  return { back: parsed(back), fore: parsed(fore), palette: palette.map(parsed) };
}

/** @param {string} text as "#rrggbb" @returns {Color} */
function parsed(text) {
  const value = parseInt(text.slice(1), 16);
  return [value >> 16, (value >> 8) & 255, value & 255];
}

/** @param {Color} color */
function hex(color) {
  return `#${color.map((part) => part.toString(16).padStart(2, "0")).join("")}`;
}
