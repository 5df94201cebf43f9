// What the page's terminal shows of logs, as lines, for the command line to be compared with.
//
// From stdin a JSON list of logs, each `{ columns, pieces }` (`columns`: a width that the reader has chosen, or null), to
// stdout the list of their lines.

import { readFileSync } from "node:fs";

import { load } from "./modules.mjs";

const { ScriptRecording } = await load("script-recording.js");
const { Terminal } = await load("terminal.js");

/** @param {{ columns: number | null, pieces: string[] }} log */
function linesOf({ columns, pieces }) {
  const recording = new ScriptRecording();
  const terminal = new Terminal({ columns: columns ?? 80, rows: 24, convertEol: true });
  for (const piece of pieces) {
    const before = recording.fromTerminal;
    const shown = recording.read(piece);
    const { facts, fromTerminal } = recording;
    const size = [columns ?? facts.columns ?? 80, facts.rows ?? 24];
    if (terminal.columns !== size[0] || terminal.rows !== size[1]) terminal.resize(size[0], size[1]);
    if (fromTerminal !== before) terminal.convertEol = !fromTerminal;
    terminal.write(shown);
  }
  return terminal.lines();
}

process.stdout.write(JSON.stringify(JSON.parse(readFileSync(0, "utf8")).map(linesOf)));
