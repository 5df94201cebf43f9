// Loads the package's modules, which are served as they are and have no package.json that says what they are.

import { cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const sources = fileURLToPath(new URL("../../../logstream/web/static/", import.meta.url));
const directory = mkdtempSync(join(tmpdir(), "logstream-modules-"));
process.on("exit", () => rmSync(directory, { recursive: true, force: true }));
cpSync(sources, directory, { recursive: true });
writeFileSync(join(directory, "package.json"), '{ "type": "module" }');

/** A module by its file's name. */
export async function load(name) {
  return import(pathToFileURL(join(directory, name)));
}
