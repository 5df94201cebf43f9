// What the head of a session's page says of its recording and its terminal, and where the reader chooses how large that is
// if nothing says it.

import { element, setText } from "./elements.js";
import { USUAL_SIZE } from "./view.js";

/** @typedef {import("./view.js").Size} Size */

const KEY = "logstream.size"; // in the browser's storage, such as "120x40"

export class SessionHead {
  /** How large a terminal is that nothing says more of, as the reader has chosen. @type {Size} */
  chosen;
  #away = element("#away", HTMLElement);
  #recording = element("#recording", HTMLElement);
  #size = element("#terminal-size", HTMLElement);
  #choice = element("#choice", HTMLFormElement);
  #columns = element("[name=columns]", HTMLInputElement, this.#choice);
  #rows = element("[name=rows]", HTMLInputElement, this.#choice);

  /** @param {() => void} onChoice called when the reader has chosen another size */
  constructor(onChoice) {
    this.chosen = this.#remembered() ?? USUAL_SIZE;
    this.#fill();
    this.#choice.addEventListener("submit", (event) => event.preventDefault());
    this.#choice.addEventListener("change", () => {
      const size = this.#entered();
      if (size === null) {
        this.#fill();
        return;
      }
      this.chosen = size;
      remember(`${size.columns}x${size.rows}`);
      onChoice();
    });
  }

  /**
   * @param {import("./script-recording.js").Facts} facts what the recording says
   * @param {number | null} exitCode of the session's command, as the server says
   * @param {Size | null} size null where nothing says it
   */
  show(facts, exitCode, size) {
    /** @type {Record<string, string | undefined>} */
    const values = {
      command: facts.command,
      start: facts.start,
      end: facts.end,
      exit: (facts.exitCode ?? exitCode ?? undefined)?.toString(),
    };
    let known = false;
    for (const [name, value = ""] of Object.entries(values)) {
      const place = element(`[data-fact=${name}]`, HTMLElement, this.#recording);
      setText(place, value);
      if (place.parentElement !== null) place.parentElement.hidden = value === "";
      known ||= value !== "";
    }
    this.#recording.hidden = !known;
    this.#choice.hidden = size !== null;
    this.#size.hidden = size === null;
    this.#size.textContent = size === null ? "" : `${size.columns} × ${size.rows}`;
  }

  /** @param {string | null} who is not heard of, so that there is silence: "host" or "relay"; null for nobody */
  showAway(who) {
    setText(this.#away, who === null ? "" : `${who} away`);
    if (who === null) delete this.#away.dataset.state;
    else this.#away.dataset.state = "away";
  }

  /** Put what is chosen where it is seen. */
  #fill() {
    this.#columns.value = `${this.chosen.columns}`;
    this.#rows.value = `${this.chosen.rows}`;
  }

  /** The size that is in the fields; null where that is none. @returns {Size | null} */
  #entered() {
    if (!this.#choice.checkValidity()) return null;
    return { columns: this.#columns.valueAsNumber, rows: this.#rows.valueAsNumber };
  }

  #remembered() {
    [this.#columns.value, this.#rows.value = ""] = stored().split("x");
    return this.#entered();
  }
}

function stored() {
  try {
    return localStorage.getItem(KEY) ?? "";
  } catch {
    return ""; // the browser lets nothing be kept
  }
}

/** @param {string} size */
function remember(size) {
  try {
    localStorage.setItem(KEY, size);
  } catch {
    // It holds for this page only.
  }
}
