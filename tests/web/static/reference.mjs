// The reference that the terminal is compared with: xterm.js without a page, with its addon for Unicode's clusters.

import headless from "@xterm/headless";

import { load } from "./modules.mjs";

// In Node the addon misreads its tables where they are in memory that is shared.
const { poolSize } = Buffer;
Buffer.poolSize = 0;
const { default: graphemes } = await import("@xterm/addon-unicode-graphemes");
Buffer.poolSize = poolSize;

const { Terminal } = await load("terminal.js");

/** A reference that has taken output; its memory is as large as its `scrollback` from the start. */
export async function reference(output, { columns, rows, convertEol = false, scrollback = 1_000 }) {
  const terminal = new headless.Terminal({
    cols: columns,
    rows,
    convertEol,
    scrollback,
    allowProposedApi: true,
    logLevel: "off",
  });
  terminal.loadAddon(new graphemes.UnicodeGraphemesAddon());
  await written(terminal, output);
  return terminal;
}

/** Waits until a reference has taken some more output. */
export function written(terminal, output) {
  return new Promise((resolve) => terminal.write(output, resolve));
}

/** The terminal that is tested. */
export function tested(parts, options) {
  const terminal = new Terminal(options);
  for (const part of parts) terminal.write(part);
  return terminal;
}

/**
 * What a reference shows, in the words of `shown`.
 *
 * @param {boolean} joinsHistory whether a wrapped row at the top of the screen goes on with the last line of the history:
 *   not where the row that it does go on with was deleted, of which the reference does not know
 */
export function referenceShown(terminal, joinsHistory = true) {
  const { active, normal } = terminal.buffer;
  const screen = [];
  for (let y = 0; y < terminal.rows; y += 1) screen.push(referenceRow(active.getLine(active.baseY + y), terminal.cols));
  const history = joinedRows(terminal, normal.baseY, true);
  if (normal.getLine(normal.baseY).isWrapped && joinsHistory) history.pop(); // it goes on in the screen
  return {
    cursor: [active.cursorX, active.cursorY],
    alternate: active.type === "alternate",
    screen,
    lines: joinedRows(terminal, normal.length, joinsHistory),
    history,
  };
}

/**
 * Rows of the normal screen with its history, joined to lines: each a list of its rows' cells, with `pads` where the last
 * one is empty: that is no part of its line if it is only because a wide character had no place there.
 */
function joinedRows({ buffer: { normal }, cols }, count, joinsHistory) {
  const lines = [];
  for (let y = 0; y < count; y += 1) {
    const line = normal.getLine(y);
    const last = line.getCell(cols - 1);
    const row = { cells: referenceRow(line, cols).cells, pads: last.getChars() === "" && last.getWidth() === 1 };
    if (line.isWrapped && lines.length > 0 && (joinsHistory || y !== normal.baseY)) lines.at(-1).push(row);
    else lines.push([row]);
  }
  return lines;
}

/** Whether text is one of those that a line of the reference may be. @param {(cells: object[]) => string} write */
function isLine(found, rows = [], write) {
  const pads = rows.flatMap((row, index) => (row.pads ? [index] : [])).slice(-12);
  for (let choice = 0; choice < 2 ** pads.length; choice += 1) {
    const cells = rows.flatMap((row, index) => {
      const at = pads.indexOf(index);
      return at >= 0 && choice & (1 << at) ? row.cells.slice(0, -1) : row.cells;
    });
    if (found === write(cells)) return true;
  }
  return false;
}

function textOf(cells) {
  return cells
    .map(({ text, width }) => (width === 0 ? "" : text))
    .join("")
    .replace(/ +$/, "");
}

/** A line as text with the style where it changes, without usual blanks at its end. */
function characters(runs) {
  let line = "";
  let before = "{}";
  let plain = 0; // up to where nothing but usual blanks follows
  for (const { text, style } of runs) {
    if (style !== before && text !== "") line += style;
    if (text !== "") before = style;
    line += text;
    if (style !== "{}") plain = line.length;
    else if (/[^ ]/.test(text)) plain = line.length - / *$/.exec(text)[0].length;
  }
  return line.slice(0, plain);
}

function referenceRow(line, columns) {
  const cells = [];
  let cell;
  for (let x = 0; x < columns; x += 1) {
    cell = line.getCell(x, cell);
    const width = cell.getWidth();
    // Half of a wide character that was moved away from the other half.
    const orphan = width === 0 && cells.at(-1)?.width !== 2;
    cells.push({ text: width === 0 && !orphan ? "" : cell.getChars() || " ", width: orphan ? 1 : width, style: styleOf(cell) });
  }
  return { cells, wrapped: line.isWrapped };
}

function styleOf(cell) {
  if (cell.isAttributeDefault()) return "{}";
  const style = {};
  if (!cell.isFgDefault()) style.fg = colorOf(cell.isFgRGB(), cell.getFgColor());
  if (!cell.isBgDefault()) style.bg = colorOf(cell.isBgRGB(), cell.getBgColor());
  if (cell.isBold()) style.bold = true;
  if (cell.isDim()) style.dim = true;
  if (cell.isItalic()) style.italic = true;
  if (cell.isUnderline()) style.underline = true;
  if (cell.isBlink()) style.blink = true;
  if (cell.isInverse()) style.inverse = true;
  if (cell.isInvisible()) style.hidden = true;
  if (cell.isStrikethrough()) style.strike = true;
  if (cell.isOverline()) style.overline = true;
  return JSON.stringify(style);
}

const PALETTE = Array.from({ length: 256 }, (_, value) => {
  if (value >= 232) return hex(Array(3).fill(8 + 10 * (value - 232)));
  const steps = [Math.floor((value - 16) / 36), Math.floor((value - 16) / 6) % 6, (value - 16) % 6];
  return hex(steps.map((step) => (step === 0 ? 0 : 55 + 40 * step)));
});

function colorOf(isRgb, value) {
  if (isRgb) return `#${value.toString(16).padStart(6, "0")}`;
  if (value < 16) return value;
  return PALETTE[value];
}

function hex(values) {
  return `#${values.map((value) => value.toString(16).padStart(2, "0")).join("")}`;
}

/** What the tested terminal shows. */
export function shown(terminal) {
  const lines = terminal.lines();
  const { screen } = terminal;
  const names = new Map();
  const named = (style) => {
    if (!names.has(style)) names.set(style, JSON.stringify(ordered(style)));
    return names.get(style);
  };
  const rows = screen.rows.map((row) => ({
    cells: Array.from({ length: terminal.columns }, (_, x) => {
      const { text, width, style } = row.cell(x);
      return { text: width === 0 ? "" : text || " ", width, style: named(style) };
    }),
    wrapped: row.wrapped,
  }));
  const history = [];
  let line = [];
  for (const { text, style } of terminal.history.runs(terminal.history.first, terminal.history.end)) {
    const parts = text.split("\n");
    for (const [index, part] of parts.entries()) {
      if (index > 0) {
        history.push(characters(line));
        line = [];
      }
      line.push({ text: part, style: named(style) });
    }
  }
  return {
    cursor: [screen.x, screen.y],
    alternate: terminal.isAlternate,
    screen: rows,
    lines,
    history,
    joinsHistory: terminal.history.open.length > 0,
  };
}

const NAMES = ["fg", "bg", "bold", "dim", "italic", "underline", "blink", "inverse", "hidden", "strike", "overline"];

function ordered(style) {
  if (style === undefined || style === null) return {};
  return Object.fromEntries(NAMES.filter((name) => style[name] !== undefined).map((name) => [name, style[name]]));
}

/**
 * The first difference in a few words; null if there is none.
 *
 * @param {boolean} joined whether lines are compared too, not only the screen's cells: where the beginning of a line was
 *   deleted, the reference takes the rest for a part of whatever is before it
 */
export function difference(found, expected, joined = true) {
  for (const key of ["alternate", "cursor"]) {
    if (JSON.stringify(found[key]) !== JSON.stringify(expected[key])) return `${key}: ${found[key]}, not ${expected[key]}`;
  }
  for (const [y, row] of expected.screen.entries()) {
    const other = found.screen[y];
    for (const [x, cell] of row.cells.entries()) {
      const { text, width, style } = other.cells[x];
      if (text !== cell.text || width !== cell.width || style !== cell.style) {
        return `row ${y}, column ${x}: ${JSON.stringify(other.cells[x])}, not ${JSON.stringify(cell)}`;
      }
    }
    if (other.wrapped !== row.wrapped) return `row ${y}: wrapped ${other.wrapped}, not ${row.wrapped}`;
  }
  if (!joined) return null;
  for (const [key, write] of [["lines", textOf], ["history", characters]]) {
    const length = Math.max(found[key].length, expected[key].length);
    for (let at = 0; at < length; at += 1) {
      if (key === "lines" && at >= found.lines.length && isLine("", expected.lines[at], write)) continue;
      if (!isLine(found[key][at], expected[key][at], write)) {
        const cells = (expected[key][at] ?? []).flatMap((row) => row.cells);
        return `${key} ${at}: ${JSON.stringify(found[key][at])}, not ${JSON.stringify(write(cells))}`;
      }
    }
  }
  return null;
}

/**
 * The differences between the terminal and the reference after the same output, which the terminal gets in pieces.
 *
 * @param {string[][]} ways to cut the output, none of which is to make a difference
 * @param {boolean} joined whether lines are compared too (see `difference`)
 */
export async function compare(ways, options, joined = true) {
  const other = await reference(ways[0].join(""), options);
  const expected = new Map();
  const differences = ways.map((parts) => {
    const found = shown(tested(parts, options));
    const { joinsHistory } = found;
    if (!expected.has(joinsHistory)) expected.set(joinsHistory, referenceShown(other, joinsHistory));
    return difference(found, expected.get(joinsHistory), joined);
  });
  other.dispose();
  return differences.filter((one) => one !== null);
}
