// The page of all sessions: a table that keeps itself current, and whose rows stay where they are under the pointer.

import { AllSearch } from "./all-search.js";
import { PATIENCE } from "./answers.js";
import { element, setText } from "./elements.js";
import { age, bytes } from "./format.js";
import { Keys } from "./keys.js";
import { keep, kept } from "./page-memory.js";
import "./theme.js";

const INTERVAL = 2000; // milliseconds between looks
const SLICE = 10; // milliseconds for which rows are made in one go, so that the page goes on answering meanwhile

/**
 * @typedef {{ name: string, size: number, changed: number, complete: boolean, state: string, since: number,
 *             exit_status?: number | null, host?: string, away?: "host" | "relay" | null }} Session
 */

const table = element("table", HTMLTableElement);
const body = table.tBodies[0];
const connection = element("#connection", HTMLElement);
const trouble = element("#trouble", HTMLElement);
const empty = element("#empty", HTMLElement);
const filter = element("#filter", HTMLInputElement);
const count = element("#count", HTMLElement);
const { sessions: address = "" } = table.dataset;
/** @type {Map<string, HTMLTableRowElement>} */
const rows = new Map(); // by session name
/** @type {Session[]} */
let sessions = []; // as they were last heard of
let version = ""; // which answer that was
let isPointedAt = false; // and so nothing moves
let showings = 0; // how often something was shown: who makes rows gives way to the next one

/** @type {ReturnType<typeof setTimeout> | undefined} */
let timer = undefined;
document.addEventListener("visibilitychange", refresh);
filter.value = kept("filter");
filter.addEventListener("input", () => {
  keep("filter", filter.value);
  applyFilter();
});
body.addEventListener("pointerenter", ({ pointerType }) => (isPointedAt = pointerType === "mouse"));
body.addEventListener("pointerleave", () => {
  isPointedAt = false;
  show();
});
new AllSearch(address, new Keys(document));
refresh();

/** Look now, unless nobody sees it, and again after a while. */
async function refresh() {
  clearTimeout(timer);
  if (document.hidden) return;
  try {
    const response = await fetch(address, { cache: "no-cache", redirect: "manual", signal: AbortSignal.timeout(PATIENCE) });
    if (response.status === 401 || response.status === 403 || response.type === "opaqueredirect") {
      location.reload();
      return;
    }
    const sentence = await troubleIn(response);
    const found = response.headers.get("ETag") ?? "";
    showTrouble(sentence);
    if (sentence !== "") {
      version = "";
    } else if (found === "" || found !== version) {
      sessions = await response.json();
      version = found;
      await show();
    } else {
      for (const session of sessions) showTimes(session);
    }
    setConnection("open", "connected");
  } catch {
    setConnection("reconnecting");
  }
  clearTimeout(timer);
  timer = setTimeout(refresh, INTERVAL);
}

/**
 * The sentence by which the server says that it cannot list the sessions; empty where it lists them.
 *
 * @param {Response} response @throws {Error} where it is not the server that answers
 */
async function troubleIn(response) {
  if (response.ok) return "";
  const isOurs = response.status === 503 && response.headers.get("Content-Type")?.startsWith("text/plain");
  const sentence = isOurs ? (await response.text()).trim() : "";
  if (sentence === "") throw new Error(`status ${response.status}`);
  return sentence;
}

/** @param {string} sentence instead of a list, or empty */
function showTrouble(sentence) {
  setText(trouble, sentence);
  trouble.hidden = sentence === "";
  if (sentence !== "") table.hidden = empty.hidden = true;
}

/** @param {string} name @param {string} word that says it */
function setConnection(name, word = name) {
  if (connection.dataset.state !== name) [connection.dataset.state, connection.textContent] = [name, word];
}

/** Show what was heard: first what has changed in the rows that there are, then those that are new. */
async function show() {
  showings += 1;
  const showing = showings;
  const fresh = [];
  for (const session of sessions) {
    const row = rows.get(session.name);
    if (row === undefined) fresh.push(session);
    else update(row, session);
  }
  arrange();
  table.hidden = sessions.length === 0 || !trouble.hidden;
  empty.hidden = sessions.length > 0 || !trouble.hidden;
  while (fresh.length > 0 && !isPointedAt && showing === showings) {
    const until = performance.now() + SLICE;
    do {
      const session = /** @type {Session} */ (fresh.shift());
      update(add(session.name), session);
    } while (fresh.length > 0 && performance.now() < until);
    arrange();
    if (fresh.length > 0) await nextTask();
  }
}

/** Let the page do what else there is. A timer would wait for four milliseconds each time. @returns {Promise<void>} */
function nextTask() {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(null);
  });
}

/** Bring the rows into the order of the sessions, and take those away that are no session's any more. */
function arrange() {
  const names = new Set(sessions.map(({ name }) => name));
  for (const [name, row] of rows) {
    row.classList.toggle("gone", !names.has(name));
    if (names.has(name) || isPointedAt) continue;
    row.remove();
    rows.delete(name);
  }
  if (!isPointedAt) {
    const focused = document.activeElement;
    let next = body.firstElementChild;
    for (const { name } of sessions) {
      const row = rows.get(name);
      if (row === undefined) continue;
      if (row === next) next = row.nextElementSibling;
      else body.insertBefore(row, next);
    }
    if (focused instanceof HTMLElement && focused !== document.activeElement && focused.isConnected) {
      focused.focus({ preventScroll: true }); // it was moved
    }
  }
  showCount();
}

function applyFilter() {
  for (const [name, row] of rows) row.hidden = !isWanted(name);
  showCount();
}

/** Whether a session is one that the reader looks for. @param {string} name */
function isWanted(name) {
  return name.toLowerCase().includes(filter.value.trim().toLowerCase());
}

function showCount() {
  const wanted = sessions.filter(({ name }) => isWanted(name)).length;
  const all = sessions.length.toLocaleString("en");
  setText(count, wanted === sessions.length ? all : `${wanted.toLocaleString("en")} of ${all}`);
}

/** @param {string} name */
function add(name) {
  const row = document.createElement("tr");
  const title = document.createElement("th");
  const link = document.createElement("a");
  row.role = "row"; // it is shown as a grid, and stays a table's row
  title.role = "rowheader";
  title.scope = "row";
  link.href = `${address}/${encodeURIComponent(name)}`;
  link.textContent = name;
  title.append(link);
  row.hidden = !isWanted(name);
  row.append(title, cell("size"), cell("changed"), cell("state"));
  row.cells[2].append(document.createElement("time"));
  row.cells[3].append(document.createElement("span"), document.createElement("time"));
  rows.set(name, row);
  body.append(row);
  return row;
}

/** @param {string} name of the column */
function cell(name) {
  const made = document.createElement("td");
  made.className = name;
  made.role = "cell";
  return made;
}

/** @param {HTMLTableRowElement} row @param {Session} session */
function update(row, session) {
  const word = element("span", HTMLSpanElement, row.cells[3]);
  const exit = typeof session.exit_status === "number" ? `, exit code ${session.exit_status}` : "";
  word.dataset.state = session.away ? "away" : session.state;
  setText(word, session.away ? `${session.away} away` : session.state + exit);
  row.title = session.host ? `on ${session.host}` : "";
  setText(row.cells[1], bytes(session.size));
  showTimes(session);
}

/** @param {Session} session */
function showTimes({ name, changed, state, since }) {
  const row = rows.get(name);
  if (row === undefined) return;
  setTime(element("time", HTMLTimeElement, row.cells[2]), changed);
  // Where it says more than the last change does.
  setTime(element("time", HTMLTimeElement, row.cells[3]), state === "complete" ? since : null);
}

/** @param {HTMLTimeElement} element @param {number | null} time in seconds since the epoch; null for none */
function setTime(element, time) {
  setText(element, time === null ? "" : age(time));
  const stamp = time === null ? "" : String(time);
  if (element.dataset.time === stamp) return;
  element.dataset.time = stamp;
  const date = new Date(1000 * (time ?? 0));
  element.dateTime = time === null ? "" : date.toISOString();
  element.title = time === null ? "" : date.toLocaleString();
}
