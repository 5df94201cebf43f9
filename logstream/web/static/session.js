// The page of one session: its log, live.

import { Choice } from "./choices.js";
import { copyPlainly, selectLines } from "./copying.js";
import { Downloads } from "./downloads.js";
import { element } from "./elements.js";
import { Find } from "./find.js";
import { bytes } from "./format.js";
import { KeysDialog } from "./keys-dialog.js";
import { Keys } from "./keys.js";
import { LineTimes } from "./line-times.js";
import { LogStream } from "./logstream.js";
import { Reader } from "./reader.js";
import { ServerFacts } from "./server-facts.js";
import { SessionHead } from "./session-head.js";
import { SessionState } from "./session-state.js";
import { Status } from "./status.js";
import "./theme.js";
import { setPressed, Tools } from "./tools.js";
import { LogView, MAX_LINES } from "./view.js";

const ANEW = 5000; // milliseconds until it is seen whether a complete session has begun again, or a trouble is over
const RECHECK = 3000; // milliseconds between looks whether the reader is still let in, while nothing connects
const LARGE = 1_000_000; // bytes to load that a progress bar is shown for
const LAG = 65_536; // bytes on their way that do not count as behind
const ABSENT = 500; // milliseconds without a log after which it is seen whether there is one

const views = element("#views", HTMLElement);
const log = element("#log", HTMLElement);
const size = element("#size", HTMLElement);
const end = element("#end", HTMLElement);
const loading = element("#loading", HTMLElement);
const bar = element("progress", HTMLProgressElement, loading);
const share = element("span", HTMLElement, loading);
const missing = element("#missing", HTMLElement);
const missingParts = element("span", HTMLElement, missing);
const { endpoint = "", session = "" } = log.dataset;

let offset = 0; // bytes that have come
/** @type {number | null} */
let total = null; // bytes there are; null before the first answer
let skipped = 0; // bytes before the first one that was sent
let complete = false;
/** How much had been written when the end came; null as long as it has not. @type {number | null} */
let written = null;
/** @type {string | null} */
let refusal = null;
/** @type {ReturnType<LogStream["subscribe"]> | null} */
let subscription = null;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let checking = undefined; // the timer for the next look whether we may still connect
/** @type {ReturnType<typeof setTimeout> | undefined} */
let following = undefined; // the timer for the next subscription
/** When the log has changed last, by the page's clock; null as long as it is not known. @type {number | null} */
let changed = null;
let updating = false; // how things are is about to be shown

const view = new LogView(log, showView);
const reader = new Reader(location.pathname, view, {
  views,
  log,
  excerpt: element("#excerpt", HTMLElement),
  notice: element("#notice", HTMLElement),
  bar: element("#bar", HTMLElement),
  place: element("#place", HTMLElement),
});
const keys = new Keys(document);
const tools = new Tools(element("#tools", HTMLElement));
const head = new SessionHead(readAgain);
const server = new ServerFacts(location.pathname, serverAnswered, "elsewhere" in log.dataset);
const status = new Status(session);
const sessionState = new SessionState(update);
const client = new LogStream(endpoint, { state: connectionChanged });
follow();
log.focus();

end.addEventListener("click", () => {
  reader.goLive();
  log.focus();
});
element("#above", HTMLButtonElement).addEventListener("click", () => reader.goToLines());
reader.onMove(showPlace);
const texts = ["#filtered", "#excerpt", "#log"].map((one) => element(one, HTMLElement)); // each over the next
texts.forEach(copyPlainly);
const downloads = new Downloads(element("#download", HTMLDetailsElement), () => (view.size ?? head.chosen).columns);
new Find({ reader, keys, tools, downloads });
addKeys();
const times = { reader, keys, tools, excerpt: element("#excerpt", HTMLElement), form: element("#go-to-time", HTMLFormElement) };
new LineTimes(location.pathname, times);
document.addEventListener("visibilitychange", update);

/** What the keys do, and the tool bar. */
function addKeys() {
  const wraps = new Choice("wrap", /** @type {boolean} */ (true));
  const dialog = new KeysDialog(keys);
  const toBeginning = () => {
    reader.goToBeginning();
  };
  const toggleWrap = () => {
    wraps.value = !wraps.value;
  };
  const toLines = async () => {
    const going = reader.goToLines();
    const { activeElement } = document;
    await going;
    if (document.activeElement === activeElement) reader.focusNumber(); // else the reader does something else by then
  };
  keys.add({ key: "Home", label: "Go to the beginning of the log", action: toBeginning });
  keys.add({ key: "End", label: "Follow the end", action: () => reader.goLive() });
  keys.add({ key: "l", label: "Line numbers, at this place; then ↑ and ↓, Enter marks, Shift-Enter up to there", action: toLines });
  keys.add({ key: "w", label: "Wrap long lines, or not", action: toggleWrap });
  keys.add({ key: "a", ctrl: true, label: "Select the lines that are here", action: () => selectLines(texts) });
  keys.add({ key: "?", label: "Show the keys", action: () => dialog.open() });
  tools.add({ label: "Beginning", title: "Go to the beginning of the log", key: "Home", action: toBeginning });
  tools.add({ label: "Lines", title: "Show lines with their numbers, at this place", key: "l", action: toLines });
  const wrap = tools.add({ label: "Wrap", title: "Wrap long lines", key: "w", action: toggleWrap });
  tools.add({ label: "Keys", title: "Show what keys do", key: "?", last: true, action: () => dialog.open() });
  wraps.watch((value) => {
    setPressed(wrap, value);
    views.classList.toggle("unwrapped", !value);
  });
}

function follow() {
  clearTimeout(following);
  const cursor = subscription?.cursor ?? null;
  let begins = false; // the next text is the first one
  let first = 0; // bytes of that
  subscription = client.subscribe(
    session,
    {
      reset() {
        if (total !== null) reader.restarted();
        begins = true;
        first = 0;
        written = null;
        view.reset();
        server.ask().then(() => view.begin(server.size, head.chosen));
      },
      text(text) {
        if (begins) first = new TextEncoder().encode(text).length;
        const reached = parseInt(subscription?.cursor ?? "0", 10);
        view.write(text, begins ? Math.max(0, reached - first) : offset, reached);
      },
      progress(now, size) {
        if (begins) skipped = Math.max(0, now - first);
        begins = complete = false;
        refusal = null;
        if (total !== null && size > total) changed = performance.now();
        [offset, total] = [now, size];
        written = size - now > LAG ? null : (written ?? view.written);
        update();
      },
      complete() {
        complete = true;
        written = view.written;
        server.end();
        update();
        following = setTimeout(follow, ANEW);
      },
      error(sentence) {
        refusal = sentence;
        update();
        following = setTimeout(follow, ANEW);
      },
    },
    cursor === null ? { tail: MAX_LINES, wait: true } : { cursor },
  );
}

/** Read the log from the beginning: in a terminal of another size, all of it may look otherwise. */
function readAgain() {
  subscription = null;
  total = null;
  complete = false;
  follow();
}

function serverAnswered() {
  if (server.size !== null) view.resize(server.size);
  if (server.changed !== null) changed = Math.max(server.changed, changed ?? -Infinity);
  update();
}

/** @param {import("./logstream.js").State} state */
function connectionChanged(state) {
  update();
  if (state === "reconnecting") checkAccess();
  if (state === "open") setTimeout(() => total === null && refusal === null && server.ask(), ABSENT);
}

/** A WebSocket does not say why it is refused: an ordinary request does, once the server is there again. */
async function checkAccess() {
  if (client.state !== "reconnecting") return;
  try {
    const { status, type } = await fetch(location.href, { method: "HEAD", cache: "no-store", redirect: "manual" });
    if (status === 401 || status === 403 || type === "opaqueredirect") location.reload();
  } catch {
    // There is no server yet.
  }
  clearTimeout(checking);
  checking = setTimeout(checkAccess, RECHECK);
}

/** How the session is: a name, and what is said of it. */
function currentState() {
  return sessionState.look({
    refusal,
    hasBegun: total !== null,
    isAbsent: server.exists === false,
    isSeen: written !== null && (view.shown >= written || document.hidden),
    isComplete: complete,
    isRunning: server.isRunning,
    changed,
  });
}

/** Show how things are, once whatever is happening has happened. */
function update() {
  if (!updating) queueMicrotask(show);
  updating = true;
}

function show() {
  updating = false;
  const [name, text] = currentState();
  status.show(client.state, name, text);
  head.showAway(complete ? null : server.away);
  if (total === null) return;
  reader.grown(total, skipped > 0 || view.dropped > 0);
  head.show(view.facts, server.exitCode, view.size);
  size.textContent = bytes(total);
  const [done, all] = [Math.max(0, offset - skipped), Math.max(0, total - skipped)];
  loading.hidden = !(name === "behind" && (all - done > LARGE || !loading.hidden));
  if (loading.hidden) return;
  bar.max = all;
  bar.value = done;
  share.textContent = `${bytes(done)} of ${bytes(all)}`;
}

function showPlace() {
  end.hidden = reader.isLive && view.following;
}

function showView() {
  update();
  showPlace();
  const parts = [];
  if (skipped > 0) parts.push(`about ${bytes(skipped)} at the beginning`);
  if (view.dropped > 0) parts.push(`${view.dropped.toLocaleString("en")} lines`);
  missing.hidden = parts.length === 0;
  missingParts.textContent = parts.join(", then ");
}
