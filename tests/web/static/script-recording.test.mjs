import assert from "node:assert/strict";
import { test } from "node:test";

import { load } from "./modules.mjs";

const { ScriptRecording } = await load("script-recording.js");

const BEGIN = 'Script started on 2026-11-25 03:41:35+00:00 [COMMAND="make \\"all\\"" TERM="screen" TTY="/dev/pts/0" COLUMNS="100" LINES="30"]\n';
const END = '\nScript done on 2026-11-25 03:41:40+00:00 [COMMAND_EXIT_CODE="2"]\n';

function read(...parts) {
  const recording = new ScriptRecording();
  return [parts.map((part) => recording.read(part)).join(""), recording];
}

test("What script adds becomes what is known of the session, and is not shown.", () => {
  const [shown, { facts, fromTerminal }] = read(`${BEGIN}one\r\ntwo${END}`);
  assert.equal(shown, "one\r\ntwo");
  assert.equal(fromTerminal, true);
  assert.deepEqual(facts, {
    start: "2026-11-25 03:41:35+00:00",
    command: 'make "all"',
    columns: 100,
    rows: 30,
    end: "2026-11-25 03:41:40+00:00",
    exitCode: 2,
  });
});

test("Wherever it is cut, it is the same, but for a newline before the end.", () => {
  const output = `${BEGIN}one\r\ntwo\r\nScript\r\n${END}`;
  const [whole, { facts }] = read(output);
  for (let cut = 0; cut <= output.length; cut += 1) {
    const [shown, recording] = read(output.slice(0, cut), output.slice(cut));
    if (!/\n(S|Sc|Scr|Scri|Scrip|Script)?$/.test(output.slice(0, cut))) assert.equal(shown, whole, `cut at ${cut}`);
    else if (cut < output.length - 60) assert.ok(shown === whole || shown.startsWith(`${whole}\n`), `cut at ${cut}`);
    assert.equal(recording.facts.start, facts.start);
  }
  const end = output.length - END.length;
  assert.deepEqual(read(output.slice(0, end + 1), output.slice(end + 1))[1].facts, facts);
});

test("What a terminal's header has not is not known.", () => {
  const [shown, { facts, fromTerminal }] = read("Script started on Mon 01 Jan 2026 [<not executed on terminal>]\none");
  assert.equal(shown, "one");
  assert.deepEqual(facts, { start: "Mon 01 Jan 2026" });
  assert.equal(fromTerminal, true);
});

test("A session that was appended to another takes its place.", () => {
  const [shown, { facts }] = read(`${BEGIN}one${END}${BEGIN.replace("100", "80")}two`);
  assert.equal(shown, "onetwo");
  assert.equal(facts.columns, 80);
  assert.equal(facts.exitCode, undefined);
});

test("Text that only looks like it is shown.", () => {
  for (const text of ["Script started", "one\nScript done on my own\ntwo\n", "Script started on\n", `x${BEGIN}`, "one\nScript d"]) {
    const [shown] = read(text, "!\n");
    assert.equal(shown, `${text}!\n`);
  }
});

test("A line without end is not waited for.", () => {
  const [shown] = read("Script started on ", "x".repeat(5000), "y");
  assert.equal(shown, `Script started on ${"x".repeat(5000)}y`);
});

for (const [what, text, expected] of [
  ["Lines that end in CR LF are of a terminal", "one\r\ntwo\r\n", true],
  ["others are not", "one\ntwo\n", false],
  ["the first lines tell", "one\r\ntwo\r\nthree\n", true],
  ["a line that is not finished does not", "one\r", null],
]) {
  test(`${what}.`, () => assert.equal(read(text)[1].fromTerminal, expected));
}

test("A command is told as it was given, with quotes, brackets and backslashes: script writes them as they are.", () => {
  const command = 'A="1" B="2" printf "a] [b\\n" "c"; exit';
  for (const rest of ['TERM="screen" TTY="/dev/pts/0" COLUMNS="100" LINES="30"', "<not executed on terminal>"]) {
    const recording = new ScriptRecording();
    assert.equal(recording.read(`Script started on 2026-11-25 03:41:35+00:00 [COMMAND="${command}" ${rest}]\ntext`), "text");
    assert.equal(recording.facts.command, command);
    assert.equal(recording.facts.columns, rest.startsWith("<") ? undefined : 100);
  }
});
