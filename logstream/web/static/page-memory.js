// What a page keeps at its place in the browser's history: it is there again when the reader comes back to it.

/** What is kept under a name; empty if nothing is. @param {string} name @returns {string} */
export function kept(name) {
  const value = history.state?.[name];
  return typeof value === "string" ? value : "";
}

/** @param {string} name @param {string} value */
export function keep(name, value) {
  history.replaceState({ ...history.state, [name]: value }, "");
}
