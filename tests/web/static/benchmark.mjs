// Measures the terminal beside xterm.js, on what terminals write: lines that end in CR LF.
//
//   npm ci --prefix tests/web/static && node tests/web/static/benchmark.mjs

import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

import headless from "@xterm/headless";

import { load } from "./modules.mjs";

const { Terminal } = await load("terminal.js");

const SIZE = { columns: 100, rows: 30 };
const KEPT = 100_000; // lines
const PIECE = 256 * 1024; // characters, as the server sends them
const ROUNDS = 5;

const plain = (number) => `${String(number).padStart(8, "0")} some text that is as long as lines of a log often are, more or less\r\n`;
const coloured = (number) =>
  `\x1b[2m12:${String(number % 60).padStart(2, "0")}:07\x1b[0m \x1b[32mINFO\x1b[0m  ${number} some text that is as long as lines of a log often are\r\n`;
const colourful = (number) =>
  `\x1b[2m12:${String(number % 60).padStart(2, "0")}:07\x1b[0m \x1b[32mINFO\x1b[0m  epoch ${number}  loss \x1b[38;5;${16 + (number % 200)}m0.${number}\x1b[0m  accuracy \x1b[1m91.4%\x1b[22m\r\n`;

/** A spinner over five lines, as Ink draws it: each frame erases the last one, line by line. */
function spinner(frames) {
  const erase = `${"\x1b[2K\x1b[1A".repeat(5)}\x1b[2K\x1b[G`;
  const frame = (number) =>
    [
      `\x1b[36m${"⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"[number % 10]}\x1b[39m Thinking… \x1b[2m(${Math.floor(number / 10)}s · esc to interrupt)\x1b[22m`,
      "\x1b[90m╭──────────────────────────────────────────────────────────────╮\x1b[39m",
      `\x1b[90m│\x1b[39m \x1b[1m>\x1b[22m step ${number}                                                  \x1b[90m│\x1b[39m`,
      "\x1b[90m╰──────────────────────────────────────────────────────────────╯\x1b[39m",
      "  \x1b[2m? for shortcuts\x1b[22m",
      "",
    ].join("\r\n");
  return Array.from({ length: frames }, (_, number) => (number > 0 ? erase : "") + frame(number)).join("");
}

function lines(one, characters) {
  let text = "";
  for (let number = 0; text.length < characters; number += 1) text += one(number);
  return text;
}

function pieces(text) {
  const found = [];
  for (let at = 0; at < text.length; at += PIECE) found.push(Buffer.from(text.slice(at, at + PIECE)).toString());
  return found;
}

async function ours(parts) {
  const terminal = new Terminal(SIZE);
  terminal.history.limit(KEPT, Infinity);
  for (const part of parts) terminal.write(part);
  return terminal;
}

async function xterm(parts) {
  const terminal = new headless.Terminal({ cols: SIZE.columns, rows: SIZE.rows, scrollback: KEPT, allowProposedApi: true });
  let last = Promise.resolve();
  for (const part of parts) last = new Promise((resolve) => terminal.write(part, resolve));
  await last;
  return terminal;
}

/** Seconds that each takes at best, in turn. */
async function seconds(parts) {
  const best = [Infinity, Infinity];
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const [index, make] of [ours, xterm].entries()) {
      const begun = performance.now();
      await make(parts);
      best[index] = Math.min(best[index], (performance.now() - begun) / 1000);
    }
  }
  return best;
}

/** Bytes that a terminal takes which has kept all its lines, in a process of its own. */
function memory(which) {
  const ran = spawnSync(process.execPath, ["--expose-gc", fileURLToPath(import.meta.url), which], { encoding: "utf8" });
  return Number(ran.stdout);
}

async function measureMemory(make) {
  const collected = async () => {
    for (let round = 0; round < 3; round += 1) {
      globalThis.gc();
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    const { heapUsed, arrayBuffers } = process.memoryUsage();
    return heapUsed + arrayBuffers;
  };
  await make(pieces(lines(coloured, 1_000_000))); // until all is compiled
  const before = await collected();
  let number = 0;
  const terminal = await make(
    (function* () {
      while (number < KEPT + SIZE.rows) {
        let text = "";
        while (text.length < PIECE) text += coloured((number += 1));
        yield Buffer.from(text).toString();
      }
    })(),
  );
  const used = (await collected()) - before;
  if (terminal.history === undefined && terminal.buffer.active.length === 0) throw new Error("there is nothing");
  return used;
}

const which = process.argv[2];
if (which !== undefined) {
  console.log(await measureMemory(which === "ours" ? ours : xterm));
  process.exit();
}

for (const [name, one, characters] of [
  ["plain lines", plain, 40_000_000],
  ["coloured lines", coloured, 20_000_000],
  ["lines of many colours", colourful, 20_000_000],
]) {
  const parts = pieces(lines(one, characters));
  const [mine, other] = await seconds(parts);
  const rate = (taken) => `${(characters / taken / 1e6).toFixed(0)} MB/s`;
  console.log(`${name}: ${rate(mine)}, xterm.js ${rate(other)}: ${(other / mine).toFixed(1)} times`);
}
const frames = pieces(spinner(36_000));
const [mine, other] = await seconds(frames);
console.log(`a spinner for an hour, 36,000 frames: ${mine.toFixed(2)} s, xterm.js ${other.toFixed(2)} s`);
const [kept, theirs] = [memory("ours"), memory("xterm")];
const bytes = (size) => `${(size / 1e6).toFixed(0)} MB`;
console.log(`memory of ${KEPT.toLocaleString("en")} coloured lines: ${bytes(kept)}, xterm.js ${bytes(theirs)}`);
