// Random terminal output, the same for the same seed.

/** Numbers below a limit. */
export function randomNumbers(seed) {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

const WORDS = ["a", "hello", "wörld", "日本語", "x".repeat(30), "e\u0301", "😀", "👩‍🚀", "🇩🇪", "❤️", "👍🏽", "한글", "한", "│─┐", " ", "   ", "⠋", "คำ", "ぽ"];
const NARROW = ["a", "hello", "wörld", "x".repeat(30), "│─┐", " ", "⠋"];
const MODES = [7, 7, 6, 45, 1049, 1047, 47, 2026, 25, 1, 1000, 1048];
const PLACED = [..."GHfd`"];
const COUNTED = [..."@ABCDEFILMPSTXZaeb"];
const UNMOVED = [..."@ILMPSTXZb"];
const CONTROLS = ["\r\n", "\r\n", "\r", "\n", "\b", "\t", "\x0b", "\x07", "\x0e", "\x0f"];
const ESCAPES = ["\x1b7", "\x1b8", "\x1b[s", "\x1b[u", "\x1bD", "\x1bE", "\x1bM", "\x1bH", "\x1b[g", "\x1b[3g"];
const STRINGS = ["\x1b]0;title\n\x07", "\x1bPq#0~~\r\n~~\x1b\\", "\x1b_x\ny\x1b\\", "\x1b[>4;2m", "\x1b[4 q"];

/**
 * @param {number} seed
 * @param {{ columns: number, rows: number, steps: number }} size
 * @returns {string[]} pieces, none of which can be told from a longer one
 */
export function randomOutput(seed, { columns, rows, steps }) {
  const random = randomNumbers(seed);
  const pick = (list) => list[random(list.length)];
  const place = (most) => (random(8) === 0 ? "" : String(random(most + 3)));
  const count = (most) => (random(3) === 0 ? "" : String(random(12) === 0 ? 9999 : random(most + 2)));
  let wraps = true; // without it, what is wider than one column may be left out
  let origin = false; // with it, the reference moves by the top margin whenever it moves
  const piece = () => {
    const kind = random(100);
    if (kind < 34) return wraps ? pick(WORDS) + (random(4) === 0 ? pick(WORDS) : "") : pick(NARROW);
    if (kind < 44) return pick(CONTROLS);
    if (kind < 56) return `\x1b[${style(random)}m`;
    if (kind < 66) {
      const final = origin ? pick(["H", "f", "d"]) : pick(PLACED);
      if (final === "H" || final === "f") return `\x1b[${place(rows)};${place(columns)}${final}`;
      return `\x1b[${place(final === "d" ? rows : columns)}${final}`;
    }
    if (kind < 80) {
      const final = origin ? pick(UNMOVED) : pick(COUNTED);
      return final === "b" ? `z\x1b[${1 + random(columns)}b` : `\x1b[${count(columns)}${final}`;
    }
    if (kind < 86) {
      const [what, final] = [pick(["", "0", "1", "2", "3"]), pick(["J", "K", "K"])];
      // From the last column on, the reference takes a wrong row for the next one, and breaks where there is none.
      return `${what === "1" && final === "J" ? "\r" : ""}\x1b[${what}${final}`;
    }
    if (kind < 88) return `\x1b[${place(rows)};${place(rows)}r`;
    if (kind < 92) return random(30) === 0 && !origin ? "\x1b#8" : pick(ESCAPES);
    if (kind < 95) {
      const [mode, on] = [pick(MODES), random(2) === 0];
      if (mode === 7) wraps = on;
      if (mode === 6) origin = on;
      return `\x1b[?${mode}${on ? "h" : "l"}`;
    }
    if (kind < 96) return pick(["\x1b[4h", "\x1b[4l", "\x1b[20h", "\x1b[20l"]);
    if (kind < 97) return pick(["\x1b(0", "\x1b(B", "\x1b)0", "\x1b)B", "\x1b(A"]);
    if (kind < 98) {
      wraps = true;
      origin = false;
      return random(4) === 0 ? "\x1b[20l\x1bc" : "\x1b[!p"; // the reference keeps that mode
    }
    return pick(STRINGS);
  };
  const pieces = [];
  for (let step = 0; step < steps; step += 1) pieces.push(piece());
  return pieces;
}

function style(random) {
  const one = () => {
    switch (random(12)) {
      case 0:
        return "";
      case 1:
        return String(30 + random(8));
      case 2:
        return String(40 + random(8));
      case 3:
        return String(90 + random(8));
      case 4:
        return `38;5;${random(256)}`;
      case 5:
        return `48;2;${random(256)};${random(256)};${random(256)}`;
      case 6:
        return "0";
      case 7:
        return "4:3";
      case 8:
        return `48:5:${random(256)}`;
      default:
        return String([1, 2, 3, 4, 5, 7, 8, 9, 21, 22, 23, 24, 25, 27, 28, 29, 39, 49, 53, 55][random(20)]);
    }
  };
  return Array.from({ length: 1 + random(3) }, one).join(";");
}
