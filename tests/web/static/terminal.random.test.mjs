// The terminal beside the reference: random output, the same each time. `SEED=123` tries one alone, `COUNT=100000` more.

import assert from "node:assert/strict";
import { test } from "node:test";

import { randomNumbers, randomOutput } from "./random.mjs";
import { compare } from "./reference.mjs";

const FIRST = Number(process.env.SEED ?? 1);
const COUNT = Number(process.env.COUNT ?? (process.env.SEED === undefined ? 500 : 1));
const AT_ONCE = 50;

/** The difference that the output of a seed makes, with what makes it; null if there is none. */
async function differenceOf(seed) {
  const random = randomNumbers(seed * 7919);
  const size = { columns: 4 + random(30), rows: 2 + random(9) };
  const pieces = randomOutput(seed, { ...size, steps: 3 + random(60) });
  const cut = random(3) === 0 ? [...pieces.join("")] : pieces;
  const deletes = pieces.some((piece) => /\x1b\[\d*[SM]$/.test(piece)); // rows, and with them beginnings of lines
  const [found] = await compare([cut], size, !deletes);
  return found === undefined ? null : `seed ${seed}, ${JSON.stringify(size)}, ${JSON.stringify(pieces.join(""))}: ${found}`;
}

test(`Of ${COUNT} random outputs, each is shown as the reference shows it.`, async () => {
  for (let seed = FIRST; seed < FIRST + COUNT; seed += AT_ONCE) {
    const seeds = Array.from({ length: Math.min(AT_ONCE, FIRST + COUNT - seed) }, (_, index) => seed + index);
    const found = await Promise.all(seeds.map(differenceOf));
    assert.deepEqual(found.filter((one) => one !== null), []);
  }
});
