// The page of all sessions: a table that keeps itself current.

import { element } from "./elements.js";
import { age, bytes } from "./format.js";

const INTERVAL = 2000; // milliseconds between looks

/** @typedef {{ name: string, size: number, changed: number, complete: boolean,
 *   host?: string, away?: "host" | "relay" | null }} Session */

const table = element("table", HTMLTableElement);
const body = table.tBodies[0];
const state = element("#state", HTMLElement);
const empty = element("#empty", HTMLElement);
const { sessions: address = "" } = table.dataset;
/** @type {Map<string, HTMLTableRowElement>} */
const rows = new Map(); // by session name

/** @type {ReturnType<typeof setTimeout> | undefined} */
let timer = undefined;
document.addEventListener("visibilitychange", refresh);
refresh();

/** Look now, unless nobody sees it, and again after a while. */
async function refresh() {
  clearTimeout(timer);
  if (document.hidden) return;
  try {
    const response = await fetch(address, { cache: "no-cache" });
    if (response.status === 401 || response.status === 403) {
      location.reload();
      return;
    }
    if (!response.ok) throw new Error(`status ${response.status}`);
    show(await response.json());
    setState("live");
  } catch {
    setState("reconnecting");
  }
  clearTimeout(timer);
  timer = setTimeout(refresh, INTERVAL);
}

/** @param {string} name */
function setState(name) {
  if (state.dataset.state !== name) state.dataset.state = state.textContent = name;
}

/** @param {Session[]} sessions */
function show(sessions) {
  const focused = document.activeElement;
  const names = new Set(sessions.map((session) => session.name));
  for (const [name, row] of rows) {
    if (names.has(name)) continue;
    row.remove();
    rows.delete(name);
  }
  sessions.forEach((session, index) => {
    const row = rows.get(session.name) ?? add(session.name);
    update(row, session);
    if (body.rows[index] !== row) body.insertBefore(row, body.rows[index] ?? null);
  });
  if (focused instanceof HTMLElement && focused !== document.activeElement && focused.isConnected) {
    focused.focus({ preventScroll: true }); // it was moved
  }
  table.hidden = sessions.length === 0;
  empty.hidden = sessions.length > 0;
}

/** @param {string} name */
function add(name) {
  const row = document.createElement("tr");
  const title = document.createElement("th");
  const link = document.createElement("a");
  title.scope = "row";
  link.href = `${address}/${encodeURIComponent(name)}`;
  link.textContent = name;
  title.append(link);
  row.append(title, cell("size"), cell("changed"), cell("state"));
  row.cells[2].append(document.createElement("time"));
  rows.set(name, row);
  return row;
}

/** @param {string} name of the column */
function cell(name) {
  const made = document.createElement("td");
  made.className = name;
  return made;
}

/** @param {HTMLTableRowElement} row @param {Session} session */
function update(row, session) {
  const [, size, changed, state] = row.cells;
  const time = element("time", HTMLTimeElement, changed);
  const date = new Date(1000 * session.changed);
  setText(size, bytes(session.size));
  setText(time, age(session.changed));
  time.dateTime = date.toISOString();
  time.title = date.toLocaleString();
  state.dataset.state = session.complete ? "complete" : "live";
  if (session.away) state.dataset.state = "away";
  setText(state, session.away ? `${session.away} away` : state.dataset.state);
  row.title = session.host ? `on ${session.host}` : "";
}

/** @param {Element} element @param {string} text */
function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
