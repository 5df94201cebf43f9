// A log on the page: its last lines, in chunks that the browser need not lay out while they are out of sight.

import { Terminal } from "./terminal.js";

/**
 * @typedef {import("./terminal.js").Line} Line
 * @typedef {{ lines: Line[], count: number, characters: number, element: HTMLElement | null }} Chunk `lines` are those
 *   that are not shown yet
 */

export const MAX_LINES = 100_000; // that are kept
const MAX_CHARACTERS = 32_000_000; // that are kept
const CHUNK_LINES = 200;
const CHUNK_CHARACTERS = 64_000;
const FRAME = 8; // milliseconds of a frame that may go into showing lines
const REST = 3; // times what a frame has cost that go to other work, such as reading on
const LONGEST_REST = 150; // milliseconds
const GLIDE = 500; // milliseconds that a scroll which has begun may still take
const NEAR = 8; // pixels from the end that count as at the end
const JITTER = 2; // pixels that a browser moves by itself when it rounds

/** Shows what a terminal would, and keeps to the end until its reader scrolls up. */
export class LogView {
  #scroller;
  #onChange;
  #terminal = this.#blank();
  /** @type {Chunk[]} */
  #chunks = [];
  #lines = 0;
  #characters = 0;
  #next = 0; // of the chunks, the first one that may have something to show
  #content = document.createElement("div");
  #open = document.createElement("div"); // the line that is not finished
  #stale = false; // there is something to show
  #showing = false;
  #top = 0; // how far down the scroller was when it was last looked at
  #following = true;
  #gliding = 0; // until when scrolling up may be what began before the reader asked for the end
  /** Lines that are not kept any more. */
  dropped = 0;

  /**
   * @param {HTMLElement} scroller the element that the log is shown in, below what it holds already
   * @param {() => void} onChange called when `following` or `dropped` may have changed
   */
  constructor(scroller, onChange) {
    this.#scroller = scroller;
    this.#onChange = onChange;
    this.#content.className = "lines";
    this.#open.className = "chunk";
    this.#content.append(this.#open);
    scroller.append(this.#content);
    scroller.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    const observer = new ResizeObserver(() => this.#keep());
    observer.observe(scroller);
    observer.observe(this.#content); // lines that come in sight have another height than was assumed
    for (const kind of ["wheel", "touchmove", "pointerdown", "keydown"]) {
      scroller.addEventListener(kind, () => (this.#gliding = 0), { passive: true });
    }
  }

  /** Whether the end stays in sight. */
  get following() {
    return this.#following;
  }

  /** Show nothing. */
  reset() {
    this.#terminal = this.#blank();
    for (const chunk of this.#chunks) chunk.element?.remove();
    this.#chunks = [];
    this.#lines = this.#characters = this.#next = this.dropped = 0;
    this.#show();
  }

  /** Show some more output. @param {string} text */
  write(text) {
    this.#terminal.write(text);
    this.#show();
  }

  /** Go to the end, and stay there. */
  follow() {
    this.#gliding = performance.now() + GLIDE;
    this.#setFollowing(true);
    this.#keep();
  }

  #blank() {
    return new Terminal((line) => this.#add(line));
  }

  /** @param {Line} line */
  #add(line) {
    let chunk = this.#chunks.at(-1);
    if (chunk === undefined || chunk.count >= CHUNK_LINES || chunk.characters >= CHUNK_CHARACTERS) {
      chunk = { lines: [], count: 0, characters: 0, element: null };
      this.#chunks.push(chunk);
    }
    const characters = typeof line === "string" ? line.length : line.reduce((sum, run) => sum + run.text.length, 0);
    chunk.lines.push(line);
    chunk.count += 1;
    chunk.characters += characters;
    this.#lines += 1;
    this.#characters += characters;
    if (this.#lines >= MAX_LINES + CHUNK_LINES || this.#characters > MAX_CHARACTERS) this.#drop();
  }

  #drop() {
    const chunk = this.#chunks.shift();
    if (chunk === undefined) return;
    chunk.element?.remove();
    this.#next = Math.max(0, this.#next - 1);
    this.#lines -= chunk.count;
    this.#characters -= chunk.characters;
    this.dropped += chunk.count;
  }

  async #show() {
    this.#stale = true;
    if (this.#showing) return;
    this.#showing = true;
    while (this.#stale) {
      const begun = await new Promise(requestAnimationFrame);
      this.#stale = false;
      this.#paint();
      await pause(0); // until the browser has laid it out and drawn it
      await pause(Math.min(REST * (performance.now() - begun), LONGEST_REST));
    }
    this.#showing = false;
  }

  #paint() {
    const end = performance.now() + FRAME;
    while (this.#next < this.#chunks.length) {
      this.#paintChunk(this.#chunks[this.#next]);
      if (this.#next === this.#chunks.length - 1) break; // more may come to the last one
      this.#next += 1;
      if (performance.now() > end) {
        this.#stale = true;
        break;
      }
    }
    this.#open.replaceChildren(render([this.#terminal.current]));
    this.#keep();
    this.#onChange();
  }

  /** @param {Chunk} chunk */
  #paintChunk(chunk) {
    if (chunk.element === null) {
      chunk.element = document.createElement("div");
      chunk.element.className = "chunk";
      this.#open.before(chunk.element);
    }
    chunk.element.append(render(chunk.lines));
    chunk.element.normalize();
    chunk.element.style.containIntrinsicBlockSize = `auto ${chunk.count}lh`;
    chunk.lines = [];
  }

  #keep() {
    if (this.#following) this.#scroller.scrollTop = this.#scroller.scrollHeight;
    this.#top = this.#scroller.scrollTop;
  }

  #scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.#scroller;
    const end = scrollHeight - clientHeight;
    // Where the place that was left is no longer there, what was shown has shrunk: nobody has scrolled.
    if (scrollTop < this.#top && scrollTop >= this.#top - JITTER) return;
    if (scrollTop < this.#top && this.#top <= end + 1) {
      if (performance.now() < this.#gliding) return this.#keep();
      this.#setFollowing(false);
    } else if (scrollTop > this.#top && end - scrollTop <= NEAR) {
      this.#setFollowing(true);
    }
    this.#top = scrollTop;
  }

  /** @param {boolean} following */
  #setFollowing(following) {
    this.#following = following;
    this.#show();
  }
}

/** @param {number} milliseconds */
function pause(milliseconds) {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** Lines as nodes. Text becomes text nodes only: nothing in a log is ever taken for markup. @param {Line[]} lines */
function render(lines) {
  const fragment = document.createDocumentFragment();
  let plain = "";
  const add = (/** @type {string} */ text, /** @type {import("./terminal.js").Style | null} */ style) => {
    if (style === null) {
      plain += text;
      return;
    }
    if (plain !== "") fragment.append(plain);
    plain = "";
    fragment.append(styled(text, style));
  };
  for (const line of lines) {
    if (typeof line === "string") plain += line;
    else for (const run of line) add(run.text, run.style);
  }
  if (plain !== "") fragment.append(plain);
  return fragment;
}

/** @param {string} text @param {import("./terminal.js").Style} style */
function styled(text, { fg, bg, inverse, ...attributes }) {
  const span = document.createElement("span");
  if (inverse) [fg, bg] = [bg ?? "var(--back)", fg ?? "var(--fore)"];
  span.style.color = css(fg);
  span.style.backgroundColor = css(bg);
  span.classList.add(...Object.keys(attributes));
  span.append(text);
  return span;
}

/** @param {number | string | undefined} color */
function css(color) {
  return typeof color === "number" ? `var(--c${color})` : (color ?? "");
}
