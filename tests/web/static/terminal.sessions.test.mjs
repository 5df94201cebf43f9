// The terminal beside the reference: recordings of real tools, see `recordings/index.json` for which.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { gunzipSync } from "node:zlib";

import { load } from "./modules.mjs";
import { difference, reference, referenceShown, shown, tested, written } from "./reference.mjs";
import { randomNumbers } from "./random.mjs";

const { ScriptRecording } = await load("script-recording.js");

const PLACES = 12; // in a recording, where the screen is compared, and at every third of them the lines, too
const directory = new URL("recordings/", import.meta.url);
const index = JSON.parse(readFileSync(new URL("index.json", directory), "utf8"));

function recordingOf(name) {
  const text = gunzipSync(readFileSync(new URL(`${name}.out.gz`, directory))).toString();
  const recording = new ScriptRecording();
  return { output: recording.read(text), recording };
}

/** What the terminal leaves out on purpose, or takes otherwise (see `differences.md`). */
function withoutDifferences(output) {
  return output.replace(/\x1b\]8;.*?(?:\x07|\x1b\\)/gs, "").replace(/\x1bk.*?\x1b\\/gs, "");
}

test("There are recordings of at least thirty tools.", () => {
  assert.ok(new Set(Object.values(index).map(({ tool }) => tool)).size >= 30);
});

for (const [name, { tool, version }] of Object.entries(index)) {
  test(`The recording ${name} (${tool} ${version}) is shown as the reference shows it, from its beginning to its end.`, async () => {
    const { output, recording } = recordingOf(name);
    const { columns, rows } = recording.facts;
    assert.deepEqual([columns, rows, recording.fromTerminal], [100, 30, true]);
    const text = withoutDifferences(output);
    const [terminal, other] = [tested([], { columns, rows }), await reference("", { columns, rows, scrollback: 20_000 })];
    let begin = 0;
    for (let place = 1; place <= PLACES; place += 1) {
      const end = Math.round((text.length * place) / PLACES);
      terminal.write(text.slice(begin, end));
      await written(other, text.slice(begin, end));
      const found = shown(terminal);
      const wrong = difference(found, referenceShown(other, found.joinsHistory), place % 3 === 0);
      assert.equal(wrong, null, `after ${end} of ${text.length} characters`);
      begin = end;
    }
    other.dispose();
  });

  test(`Wherever the recording ${name} is cut, it is the same.`, () => {
    const { output, recording } = recordingOf(name);
    const { columns, rows } = recording.facts;
    const random = randomNumbers(output.length);
    const parts = [];
    for (let at = 0; at < output.length; ) {
      const length = 1 + random(random(2) === 0 ? 3 : 3000);
      parts.push(output.slice(at, at + length));
      at += length;
    }
    assert.deepEqual(shown(tested(parts, { columns, rows })), shown(tested([output], { columns, rows })));
  });
}
