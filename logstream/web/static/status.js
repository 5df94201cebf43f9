// The two words in a session page's head: how the connection is, and how the session is. What changes is heard once.

import { element, setText } from "./elements.js";

/** @typedef {import("./logstream.js").State} State */

const WORDS = { connecting: "connecting", open: "connected", reconnecting: "reconnecting", closed: "closed" };
const STALE = "As it was when the connection was lost";

export class Status {
  #name;
  #connection = element("#connection", HTMLElement);
  #session = element("#state", HTMLElement);

  /** @param {string} name the session's */
  constructor(name) {
    this.#name = name;
  }

  /** @param {State} connection @param {string} state of the session: a name, @param {string} text and what is said */
  show(connection, state, text) {
    say(this.#connection, connection, WORDS[connection]);
    say(this.#session, state, text);
    const isStale = connection === "reconnecting"; // and the session may be otherwise by now
    this.#session.classList.toggle("stale", isStale);
    this.#session.title = isStale ? STALE : "";
    const title = `${this.#name}: ${isStale ? WORDS[connection] : text}`;
    if (document.title !== title) document.title = title;
  }
}

/** @param {HTMLElement} place @param {string} state @param {string} text */
function say(place, state, text) {
  if (place.dataset.state !== state) place.dataset.state = state;
  setText(place, text);
}
