// A log on the page: a terminal takes it, and what that would show is shown, the end first. The end stays in sight until its
// reader scrolls up; then what is read stays where it is.

import { HistoryView } from "./history-view.js";
import { LineOffsets } from "./line-offsets.js";
import { ReadingPlace } from "./reading-place.js";
import { ScreenView } from "./screen-view.js";
import { ScriptRecording } from "./script-recording.js";
import { watchScrollingUp } from "./scrolling-up.js";
import { SelectionPlace } from "./selection-place.js";
import { Terminal } from "./terminal.js";

/**
 * @typedef {{ end: number, lines: import("./terminal.js").ScreenLine[] }} Picture what a terminal shows: the history up to
 *   a line, and the screen
 * @typedef {{ columns: number, rows: number }} Size of a terminal
 */

export const MAX_LINES = 100_000; // that are kept
/** Of a terminal that nothing says more of. @type {Size} */
export const USUAL_SIZE = { columns: 80, rows: 24 };
const MAX_CHARACTERS = 32_000_000; // that are kept
const PIECE = 16_384; // characters after which it is noted where in the log they are
const SPARE_LINES = 200; // that may be kept besides, so that lines go by the chunk
const LONGEST_DRAWING = 1_000; // milliseconds that a program may take to draw before it is shown half done
const FRAME = 8; // milliseconds of a frame that may go into how lines look
const REST = 3; // times what a frame has cost that go to other work, such as reading on
const LONGEST_REST = 150; // milliseconds
const GLIDE = 500; // milliseconds that a scroll which has begun may still take
const NEAR = 8; // pixels from the end that count as at the end
const JITTER = 2; // pixels that a browser moves by itself when it rounds

/** Shows what a terminal would, and keeps to the end until its reader scrolls up. */
export class LogView {
  #scroller;
  #onChange;
  #recording = new ScriptRecording();
  /** How large the terminal is said to be, whatever the recording says. @type {Size | null} */
  #said = null;
  /** How large it is where nothing says it. @type {Size} */
  #usual = USUAL_SIZE;
  #terminal = this.#blank();
  /** Where in the log lines are. */
  #offsets = new LineOffsets();
  /** What has come of a log whose size is being asked for; null where none is. @type {[string, number, number][] | null} */
  #held = null;
  /** The last picture that was whole, where a program is drawing the next one. @type {Picture | null} */
  #picture = null;
  #awaitsPicture = false;
  #drawing = 0; // since when nothing has been shown, as a program is drawing
  #screen = new ScreenView();
  #history = new HistoryView(this.#screen.element);
  #reading;
  #selection = new SelectionPlace(this.#history, this.#screen);
  #stale = false; // there is something to show
  #showing = false;
  #top = 0; // how far down the scroller was when it was last looked at
  #following = true;
  #arriving = 0; // until when a scroll down to the end may still take
  #leaving = 0; // until when scrolling up that the reader has asked for may still begin
  #gliding = 0; // until when scrolling up may be what began before the reader asked for the end
  /** Lines that are not kept any more. */
  dropped = 0;
  /** How often there was something to show, */
  written = 0;
  /** and how much of that has been shown to its end. */
  shown = 0;

  /**
   * @param {HTMLElement} scroller the element that the log is shown in, below what it holds already
   * @param {() => void} onChange called when `following`, `dropped` or `shown` may have changed
   */
  constructor(scroller, onChange) {
    this.#scroller = scroller;
    this.#onChange = onChange;
    this.#reading = new ReadingPlace(scroller, this.#history, this.#screen);
    const content = document.createElement("div");
    content.className = "lines";
    content.append(this.#screen.element);
    scroller.append(content);
    scroller.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    const observer = new ResizeObserver(() => this.#keep());
    observer.observe(scroller);
    observer.observe(content); // lines that come in sight have another height than was assumed
    for (const kind of ["wheel", "touchmove", "pointerdown", "keydown"]) {
      scroller.addEventListener(kind, () => (this.#gliding = 0), { passive: true });
    }
    watchScrollingUp(scroller, () => this.#letScroll());
  }

  /** Whether the end stays in sight. */
  get following() {
    return this.#following;
  }

  /** What is known of the session. */
  get facts() {
    return this.#recording.facts;
  }

  /** How large the session's terminal is; null where nothing says it. @returns {Size | null} */
  get size() {
    if (this.#said !== null) return this.#said;
    const { columns, rows } = this.#recording.facts;
    return columns === undefined || rows === undefined ? null : { columns, rows };
  }

  /** What comes now is of a log that begins anew. It is shown once `begin` has said how. */
  reset() {
    this.#held = [];
    this.written += 1;
  }

  /**
   * Show what has come since the log began, in place of what is shown, and what comes from now on.
   *
   * @param {Size | null} said how large the session's terminal is said to be, whatever the recording says
   * @param {Size} usual how large it is where nothing says it
   */
  begin(said, usual) {
    const held = this.#held;
    if (held === null) return;
    this.#held = null;
    this.#said = said;
    this.#usual = usual;
    this.#recording = new ScriptRecording();
    this.#terminal = this.#blank();
    this.#history.clear();
    this.#screen.clear();
    this.#picture = null;
    this.dropped = 0;
    this.#offsets = new LineOffsets();
    for (const [text, from, to] of held) this.#write(text, from, to);
    this.#show();
  }

  /** The session's terminal is said to have another size now. @param {Size} said */
  resize(said) {
    if (this.#held !== null) return;
    this.#said = said;
    this.#fit();
    this.#show();
  }

  /**
   * Show some more output.
   *
   * @param {string} text
   * @param {number} from where in the log it begins, in bytes
   * @param {number} to and ends
   */
  write(text, from, to) {
    this.written += 1;
    if (this.#held !== null) {
      this.#held.push([text, from, to]);
      return;
    }
    this.#write(text, from, to);
    this.#show();
  }

  /** @param {string} text @param {number} from @param {number} to */
  #write(text, from, to) {
    for (let at = 0; at < text.length; at += PIECE) {
      this.#offsets.note(this.#terminal.cursorLine, from + ((to - from) * at) / text.length);
      this.#writePiece(text.length <= PIECE ? text : text.slice(at, at + PIECE));
    }
    this.#offsets.note(this.#terminal.cursorLine, to);
    this.#offsets.forget(this.#terminal.history.first);
  }

  /** @param {string} text */
  #writePiece(text) {
    const before = this.#recording.fromTerminal;
    const shown = this.#recording.read(text);
    const { fromTerminal } = this.#recording;
    this.#fit();
    if (fromTerminal !== before) this.#terminal.convertEol = !fromTerminal;
    this.#terminal.write(shown);
  }

  /** Give the terminal the size that it should have. */
  #fit() {
    const { columns, rows } = this.size ?? this.#usual;
    if (this.#terminal.columns !== columns || this.#terminal.rows !== rows) this.#terminal.resize(columns, rows);
  }

  /** Go to the end, and stay there. */
  follow() {
    this.#gliding = performance.now() + GLIDE;
    this.#leaving = 0;
    this.#setFollowing(true);
    this.#keep();
  }

  /** Go to the first line that is kept. */
  goToTop() {
    this.#letScroll();
    this.#scroller.scrollTop = 0;
  }

  /**
   * About where in the log the first line in sight is; null where there is none. Its text tells which of those there it is.
   *
   * @returns {import("./line-offsets.js").Place & { text: string } | null}
   */
  get place() {
    const found = this.#reading.line();
    const place = found === null ? null : this.#offsets.find(found.line);
    return found === null || place === null ? null : { ...place, text: found.text };
  }

  #blank() {
    const terminal = new Terminal({ ...(this.#said ?? this.#usual), convertEol: true });
    terminal.history.limit(MAX_LINES, MAX_CHARACTERS);
    terminal.onDrawn = () => {
      if (this.#awaitsPicture) this.#picture = this.#look();
    };
    return terminal;
  }

  /** What the terminal shows now. @returns {Picture} */
  #look() {
    this.#awaitsPicture = false;
    const earlier = new Map(this.#picture?.lines.map((line) => [line.key, line]));
    const lines = this.#terminal.look().map(({ key, changed, runs }) => {
      if (!changed) return earlier.get(key) ?? { key, changed, runs };
      const found = runs();
      return { key, changed, runs: () => found };
    });
    return { end: this.#terminal.history.end, lines };
  }

  async #show() {
    this.#stale = true;
    if (this.#showing) return;
    this.#showing = true;
    while (this.#stale) {
      const begun = await new Promise(requestAnimationFrame);
      this.#stale = false;
      const { written } = this;
      const whole = this.#paint();
      await pause(0); // until the browser has laid it out and drawn it
      if (whole && this.shown !== written) {
        this.shown = written;
        this.#onChange();
      }
      await pause(Math.min(REST * (performance.now() - begun), LONGEST_REST));
    }
    this.#showing = false;
  }

  /** Show how things are; whether that is the end of what has been written. */
  #paint() {
    if (this.#held !== null) return false;
    const picture = this.#whole();
    if (picture === null) {
      this.#stale = true;
      return false;
    }
    const { history } = this.#terminal;
    const until = performance.now() + FRAME;
    this.#selection.note();
    this.#history.extend(history, picture.end);
    this.#screen.show(picture.lines, picture.end);
    this.#history.drop(history, MAX_LINES + SPARE_LINES - picture.lines.length + 1, MAX_CHARACTERS);
    this.dropped = this.#history.first;
    if (!this.#history.style(history, this.#inSight(), until)) this.#stale = true;
    history.release(this.#history.unstyled);
    this.#selection.restore();
    this.#onChange();
    this.#keep();
    return true;
  }

  /** The chunks that are read, where that is not the end. */
  #inSight() {
    if (this.#following || this.#history.unstyled === this.#history.end) return [];
    const { top, bottom } = this.#scroller.getBoundingClientRect();
    return this.#history.chunks.slice(Math.max(0, this.#history.indexAt(top)), this.#history.indexAt(bottom) + 1);
  }

  /** What is to be shown; null while a program is drawing, unless it does not end. */
  #whole() {
    if (!this.#terminal.drawing || (this.#drawing > 0 && performance.now() - this.#drawing > LONGEST_DRAWING)) {
      this.#drawing = 0;
      return this.#take(this.#look());
    }
    if (this.#picture !== null) {
      this.#drawing = 0;
      return this.#take(this.#picture);
    }
    if (this.#drawing === 0) this.#drawing = performance.now();
    this.#awaitsPicture = true;
    return null;
  }

  /** @param {Picture} picture */
  #take(picture) {
    this.#picture = null;
    return picture;
  }

  /** The reader goes up: nothing is scrolled to the end until that can be seen. */
  #letScroll() {
    this.#leaving = performance.now() + GLIDE;
    setTimeout(() => this.#keep(), GLIDE + 1);
  }

  #keep() {
    if (this.#following && performance.now() < this.#leaving) return;
    if (this.#following) this.#scroller.scrollTop = this.#scroller.scrollHeight;
    else this.#reading.restore();
    this.#top = this.#scroller.scrollTop;
  }

  #scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.#scroller;
    if (scrollTop === this.#top) return;
    const end = scrollHeight - clientHeight;
    const isUp = scrollTop < this.#top;
    if (this.#following && isUp) {
      // Where the place that was left is no longer there, what was shown has shrunk: nobody has scrolled.
      if (scrollTop >= this.#top - JITTER || this.#top > end + 1) {
        if (scrollTop < this.#top - JITTER) this.#top = scrollTop;
        else if (performance.now() < this.#arriving) this.#keep(); // the scroll that led to the end stops short of it
        return;
      }
      if (performance.now() < this.#gliding) {
        this.#keep();
        return;
      }
      this.#setFollowing(false);
    } else if (!isUp && end - scrollTop <= NEAR) {
      this.#arriving = performance.now() + GLIDE;
      this.#setFollowing(true);
    }
    this.#top = scrollTop;
    if (!this.#following) this.#reading.note();
  }

  /** @param {boolean} following */
  #setFollowing(following) {
    this.#following = following;
    if (following) this.#reading.forget();
    this.#show();
  }
}

/** @param {number} milliseconds */
function pause(milliseconds) {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
