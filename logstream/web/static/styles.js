// How text looks: what the codes of an SGR sequence make of it.

/**
 * How a run of text looks. A colour is an index from 0 to 15 or "#rrggbb"; what is absent is as usual.
 *
 * @typedef {"bold" | "dim" | "italic" | "underline" | "blink" | "inverse" | "hidden" | "strike" | "overline"} Attribute
 * @typedef {{ fg?: number | string, bg?: number | string, link?: string } & { [name in Attribute]?: true }} Style with
 *   the address of a link that the text is
 * @typedef {{ text: string, style: Style | null }} Run null for the usual style
 */

/** @type {Record<number, { on?: Attribute, off?: (Attribute | "fg" | "bg")[] }>} */
const ATTRIBUTES = {
  1: { on: "bold" },
  2: { on: "dim" },
  3: { on: "italic" },
  4: { on: "underline" },
  5: { on: "blink" },
  7: { on: "inverse" },
  8: { on: "hidden" },
  9: { on: "strike" },
  21: { on: "underline" },
  22: { off: ["bold", "dim"] },
  23: { off: ["italic"] },
  24: { off: ["underline"] },
  25: { off: ["blink"] },
  27: { off: ["inverse"] },
  28: { off: ["hidden"] },
  29: { off: ["strike"] },
  39: { off: ["fg"] },
  49: { off: ["bg"] },
  53: { on: "overline" },
  55: { off: ["overline"] },
};

const MAX_PENS = 4096; // that are remembered

/** A style, and the ones that sequences turn it into. */
export class Pen {
  /** By the key of their parameters. @type {Map<number, Pen>} */
  next = new Map();
  /** By parameters that have no key. @type {Map<string, Pen>} */
  nextByText = new Map();
  /** The style of what is erased: its background alone. @type {Style | null} */
  erased;

  /** @param {Style | null} style */
  constructor(style) {
    this.style = style;
    this.erased = style?.bg === undefined ? null : { bg: style.bg };
  }
}

/** The pens that there are: equal styles are one object, so that text of one style can be told by looking at it. */
export class Pens {
  plain = new Pen(null);
  /** @type {Map<string, Pen>} */
  #pens = new Map();
  #transitions = 0;

  /**
   * A pen after one SGR sequence.
   *
   * @param {Pen} pen
   * @param {number} key a number that no other parameters have, or -1
   * @param {string} data what they are in
   * @param {number} from
   * @param {number} to
   */
  after(pen, key, data, from, to) {
    const known = key >= 0 ? pen.next.get(key) : pen.nextByText.get(data.slice(from, to));
    if (known !== undefined) return known;
    const parameters = data.slice(from, to);
    if (this.#transitions >= MAX_PENS) this.#forget();
    const next = this.#pen(restyle(pen.style, parameters));
    if (key >= 0) pen.next.set(key, next);
    else pen.nextByText.set([...parameters].join(""), next); // a copy: a part would keep all of what it is a part of
    this.#transitions += 1;
    return next;
  }

  /** A pen that writes a link. @param {Pen} pen @param {string | undefined} link its address; undefined for none */
  linked(pen, link) {
    if (pen.style?.link === link) return pen;
    const { link: _, ...style } = pen.style ?? {};
    return this.#pen(ordered(link === undefined ? style : { ...style, link }));
  }

  /** @param {Style | null} style */
  #pen(style) {
    if (style === null) return this.plain;
    const key = JSON.stringify(style);
    let pen = this.#pens.get(key);
    if (pen === undefined) {
      if (this.#pens.size >= MAX_PENS) this.#forget();
      pen = new Pen(style);
      if (pen.erased !== null) {
        const erased = JSON.stringify(pen.erased);
        if (erased === key) pen.erased = style;
        else pen.erased = this.#pen(pen.erased).style;
      }
      this.#pens.set(key, pen);
    }
    return pen;
  }

  #forget() {
    for (const pen of [this.plain, ...this.#pens.values()]) {
      pen.next.clear();
      pen.nextByText.clear();
    }
    this.#pens.clear();
    this.#transitions = 0;
  }
}

/**
 * A style after the codes of one SGR sequence; null for the usual one.
 *
 * @param {Style | null} style
 * @param {string} parameters
 * @returns {Style | null}
 */
function restyle(style, parameters) {
  /** @type {Style} */
  let next = { ...style };
  const codes = parameters.split(";");
  for (let at = 0; at < codes.length; at += 1) {
    const [code, ...rest] = codes[at].split(":").map(Number);
    if (code === 38 || code === 48 || code === 58) {
      let values = rest;
      if (rest.length === 0) {
        const kind = Number(codes[at + 1]);
        const count = kind === 5 ? 2 : kind === 2 ? 4 : codes.length;
        values = codes.slice(at + 1, at + 1 + count).map(Number);
        at += count;
      } else if (rest.length > 4) {
        values = [rest[0], ...rest.slice(2)]; // the colour space is not of interest
      }
      const color = colorOf(values);
      if (code !== 58 && color !== undefined) next[code === 38 ? "fg" : "bg"] = color;
    } else if (code === 4 && rest[0] === 0) {
      delete next.underline;
    } else if (code === 0) {
      next = next.link === undefined ? {} : { link: next.link };
    } else if (code in ATTRIBUTES) {
      const { on, off } = ATTRIBUTES[code];
      for (const key of off ?? []) delete next[key];
      if (on) next[on] = true;
    } else if ((code >= 30 && code <= 37) || (code >= 90 && code <= 97)) {
      next.fg = code >= 90 ? code - 82 : code - 30;
    } else if ((code >= 40 && code <= 47) || (code >= 100 && code <= 107)) {
      next.bg = code >= 100 ? code - 92 : code - 40;
    }
  }
  return ordered(next);
}

/** The same style with its names in one order, so that equal ones have one text. @param {Style} style */
function ordered(style) {
  const entries = Object.entries(style).sort(([one], [other]) => (one < other ? -1 : 1));
  return entries.length === 0 ? null : /** @type {Style} */ (Object.fromEntries(entries));
}

/** A colour by what follows 38 or 48; undefined for what is none. @param {number[]} values */
function colorOf([kind, ...values]) {
  if (!values.every((value) => Number.isInteger(value) && value >= 0 && value <= 255)) return undefined;
  if (kind === 2 && values.length >= 3) return hex(values.slice(0, 3));
  if (kind !== 5 || values.length === 0) return undefined;
  const [index] = values;
  if (index < 16) return index;
  if (index >= 232) return hex(Array(3).fill(8 + 10 * (index - 232)));
  const steps = [Math.floor((index - 16) / 36), Math.floor((index - 16) / 6) % 6, (index - 16) % 6];
  return hex(steps.map((step) => (step === 0 ? 0 : 55 + 40 * step)));
}

/** @param {number[]} values red, green and blue */
function hex(values) {
  return `#${values.map((value) => value.toString(16).padStart(2, "0")).join("")}`;
}

/** Add text to runs, of which neighbours that look the same are one. @param {Run[]} runs @param {string} text @param {Style | null} style */
export function addRun(runs, text, style) {
  const last = runs.at(-1);
  if (last !== undefined && last.style === style) last.text += text;
  else runs.push({ text, style });
}
