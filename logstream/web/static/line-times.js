// The times of lines on the page, and a field to go to a time.

import { sentenceOf } from "./answers.js";
import { Arrivals, localTime, spanAt, timeText, timeTitle } from "./arrivals.js";
import { Choice } from "./choices.js";
import { element } from "./elements.js";
import { setPressed } from "./tools.js";

/**
 * @typedef {import("./arrivals.js").Span} Span
 *
 * @typedef {object} Parts of the page
 * @property {import("./reader.js").Reader} reader
 * @property {import("./keys.js").Keys} keys
 * @property {import("./tools.js").Tools} tools
 * @property {HTMLElement} excerpt where the lines are
 * @property {HTMLFormElement} form the field, and a place to say what is wrong
 */

const AGAIN = 2000; // milliseconds after which is asked again where there was no answer

/** Shows beside each line of an excerpt when it arrived. */
export class LineTimes {
  #parts;
  #arrivals;
  #shown = new Choice("times", /** @type {boolean} */ (false));
  #input;
  #problem;
  #width = 0; // characters of the longest time

  /** @param {string} url of the session's page @param {Parts} parts */
  constructor(url, parts) {
    this.#parts = parts;
    this.#arrivals = new Arrivals(url);
    const { reader, keys, tools, form, excerpt } = parts;
    this.#input = element("input", HTMLInputElement, form);
    this.#problem = element("[role=alert]", HTMLElement, form);
    reader.onLines((elements) => this.#show(elements));
    const toggle = () => this.#toggle();
    const ask = () => this.#askForTime();
    keys.add({ key: "t", label: "Show when lines arrived, or not", action: toggle });
    keys.add({ key: "T", label: "Go to a time", action: ask });
    const button = tools.add({ label: "Times", title: "Show when lines arrived", key: "t", action: toggle });
    tools.add({ label: "Go to time", title: "Go to the line that arrived at a time", key: "Shift-T", action: ask });
    this.#shown.watch((isShown) => {
      setPressed(button, isShown);
      excerpt.classList.toggle("timed", isShown);
      if (isShown) this.#show([...reader.lines]);
    });
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#goToTime();
    });
    form.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      event.preventDefault();
      this.#close();
    });
    element("[type=button]", HTMLButtonElement, form).addEventListener("click", () => this.#close());
  }

  /** Lines that are followed have no place on the page of their own: they are shown as an excerpt. */
  #toggle() {
    const { reader } = this.#parts;
    this.#shown.value = reader.isLive || !this.#shown.value;
    if (reader.isLive) reader.goToLines();
  }

  /** Show the times of lines that stand beside each other. @param {HTMLElement[]} lines */
  async #show(lines) {
    if (!this.#shown.value) return;
    const untimed = lines.filter((line) => line.querySelector(":scope > time") === null);
    if (untimed.length === 0) return;
    const cells = untimed.map((line) => {
      const cell = document.createElement("time");
      cell.dataset.uncopied = "";
      element("a", HTMLElement, line).after(cell);
      return cell;
    });
    /** @type {Span[]} */
    let spans = [];
    try {
      spans = await this.#arrivals.between(Number(untimed[0].dataset.offset), Number(untimed.at(-1)?.dataset.end));
    } catch {
      setTimeout(() => this.#retry(untimed), AGAIN);
      return;
    }
    for (const [index, line] of untimed.entries()) {
      const span = spanAt(spans, Number(line.dataset.offset));
      if (span !== undefined) this.#fill(cells[index], span);
    }
  }

  /** @param {HTMLElement[]} lines whose times are not known */
  #retry(lines) {
    const left = lines.filter((line) => line.isConnected);
    for (const line of left) line.querySelector(":scope > time")?.remove();
    this.#show(left);
  }

  /** @param {HTMLTimeElement} cell @param {Span} span */
  #fill(cell, span) {
    const text = timeText(span);
    cell.textContent = text;
    cell.title = timeTitle(span);
    const time = span.latest ?? span.earliest;
    if (time !== null) cell.dateTime = new Date(time * 1000).toISOString();
    if (text.length <= this.#width) return;
    this.#width = text.length;
    this.#parts.excerpt.style.setProperty("--time", `${text.length}`);
  }

  // Going to a time

  async #askForTime() {
    const { form, reader } = this.#parts;
    const place = reader.topOffset;
    this.#say("");
    form.hidden = false;
    this.#input.focus();
    if (this.#input.value !== "") return;
    this.#input.value = localTime(new Date());
    const now = this.#input.value; // as the field has it
    if (place === null) return;
    try {
      const [span] = await this.#arrivals.between(place, place + 1);
      const time = span?.latest ?? span?.earliest ?? null;
      if (time === null || this.#input.value !== now) return; // the reader was faster
      this.#input.value = localTime(new Date(time * 1000));
    } catch {
      // The reader's own time is as good a beginning.
    }
  }

  async #goToTime() {
    const { reader, form } = this.#parts;
    const time = new Date(this.#input.value).getTime() / 1000;
    if (Number.isNaN(time)) return;
    const isWanted = reader.look();
    try {
      const { offset } = await this.#arrivals.at(time);
      if (form.hidden || !isWanted()) return;
      this.#say("");
      this.#shown.value = true;
      if (await reader.goTo(offset, { mark: [offset, offset] })) this.#close();
    } catch (error) {
      this.#say(sentenceOf(error));
    }
  }

  #close() {
    const { form, excerpt, reader } = this.#parts;
    const hadFocus = form.contains(document.activeElement);
    form.hidden = true;
    if (hadFocus && !reader.isLive) excerpt.focus({ preventScroll: true });
  }

  /** @param {string} text */
  #say(text) {
    this.#problem.textContent = text;
  }
}
