import assert from "node:assert/strict";
import { test } from "node:test";

import { load } from "./modules.mjs";

const { DARK, DIM, LIGHT, contrast, lookOf } = await load("colors.js");
const { Pens } = await load("styles.js");

const parsed = (text) => [1, 3, 5].map((at) => parseInt(text.slice(at, at + 2), 16));
const mixed = (one, other) => one.map((part, at) => Math.round(DIM * part + (1 - DIM) * other[at]));

const THEMES = { light: LIGHT, dark: DARK };

/** How well a look can be read in a theme. */
function contrastOf(look, name) {
  const theme = THEMES[name];
  const { isDim } = look;
  const { fore, back } = look[name];
  let [front, behind] = [parsed(fore), back === null ? theme.back : parsed(back)];
  if (isDim) [front, behind] = [mixed(front, theme.back), mixed(behind, theme.back)];
  return contrast(front, behind);
}

/** A style by the parameters of an SGR sequence. */
function style(parameters) {
  return new Pens().after(new Pens().plain, -1, parameters, 0, parameters.length).style ?? {};
}

// Each colour of 256, and the usual one.
const colors = (set) => [undefined, ...Array.from({ length: 256 }, (_, index) => style(`${set};5;${index}`))];
const fronts = colors(38).map((one) => one?.fg);
const backs = colors(48).map((one) => one?.bg);

/** Sees that a look can be read in both themes. */
function assertReadable(look, wanted) {
  for (const name of Object.keys(THEMES)) {
    if (!(contrastOf(look, name) >= 4.5)) assert.fail(`${JSON.stringify(wanted)} in ${name}: ${JSON.stringify(look)}`);
  }
}

for (const attributes of [{}, { inverse: true }, { dim: true }, { dim: true, inverse: true }]) {
  test(`Each colour can be read on each, ${["as it is", ...Object.keys(attributes)].join(", ")}, in light and dark.`, () => {
    for (const fg of fronts) {
      for (const bg of backs) {
        const wanted = { fg, bg, ...attributes };
        assertReadable(lookOf(wanted), wanted);
      }
    }
  });
}

test("Any other colours can be read on each other, in light and dark.", () => {
  let seed = 1;
  const random = () => (seed = (seed * 48271) % 2147483647) % 0x1000000;
  const color = () => `#${random().toString(16).padStart(6, "0")}`;
  for (let round = 0; round < 20_000; round += 1) {
    const wanted = { fg: color(), bg: color(), ...(round % 2 ? { dim: true } : {}) };
    assertReadable(lookOf(wanted), wanted);
  }
});

test("What can be read stays as a program wants it.", () => {
  const { light, dark, isDim } = lookOf({ fg: "#ffffff", bg: "#000080" });
  assert.deepEqual([light, dark, isDim], [{ fore: "#ffffff", back: "#000080" }, { fore: "#ffffff", back: "#000080" }, false]);
  assert.deepEqual(lookOf({ fg: 1 }).light, { fore: "#b3202a", back: null });
  assert.deepEqual(lookOf({ fg: 1, inverse: true }).light, { fore: "#ffffff", back: "#b3202a" });
  assert.deepEqual(lookOf({ dim: true }).dark, { fore: "#d8dee4", back: null });
  assert.ok(lookOf({ dim: true }).isDim);
});

test("What cannot is brought as far as it needs, with its hue, and no further.", () => {
  const { fore } = lookOf({ fg: "#ff8700" }).light;
  const [red, green, blue] = parsed(fore);
  assert.ok(red > green && green > blue, fore);
  assert.ok(contrast(parsed(fore), LIGHT.back) < 4.7, fore);
});
