// Loads the package's modules, which are served as they are and have no package.json that says what they are.

import { readFileSync } from "node:fs";

const directory = new URL("../../../logstream/web/static/", import.meta.url);

/** A module that imports no other. */
export async function load(name) {
  const source = readFileSync(new URL(name, directory), "utf8");
  return import(`data:text/javascript,${encodeURIComponent(source)}`);
}
