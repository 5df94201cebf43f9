// The tool bar: what keys do, for the mouse and the thumb.

/**
 * A button for it.
 *
 * @typedef {object} Tool
 * @property {string} label what is on the button, in a word or two
 * @property {string} title what it does, in some more
 * @property {string} [key] that does the same, as people write it: "w", "Shift-T"
 * @property {boolean} [last] whether it is behind all others that are not
 * @property {() => void} action
 */

/** A tool bar as ARIA has it: one stop for the Tab key, and the arrow keys go from button to button. */
export class Tools {
  #element;

  /** @param {HTMLElement} element with the role `toolbar` */
  constructor(element) {
    this.#element = element;
    element.addEventListener("keydown", (event) => this.#move(event));
    element.addEventListener("focusin", ({ target }) => this.#enter(target));
  }

  /** Put a button at the end, but for those that are last. @param {Tool} tool @returns {HTMLButtonElement} for `hidden`, `disabled` or `setPressed` */
  add({ label, title, key, last = false, action }) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = label;
    button.title = key === undefined ? title : `${title} (${key})`;
    if (key !== undefined) button.setAttribute("aria-keyshortcuts", key.replace("-", "+"));
    button.tabIndex = this.#element.querySelector("button") === null ? 0 : -1;
    button.addEventListener("click", action);
    if (last) button.dataset.last = "";
    this.#element.insertBefore(button, last ? null : this.#element.querySelector("[data-last]"));
    return button;
  }

  /** @returns {HTMLButtonElement[]} */
  get #buttons() {
    return [...this.#element.querySelectorAll("button")].filter((one) => !one.hidden && !one.disabled);
  }

  /** @param {KeyboardEvent} event */
  #move(event) {
    const buttons = this.#buttons;
    const at = buttons.indexOf(/** @type {HTMLButtonElement} */ (event.target));
    if (at < 0 || event.ctrlKey || event.altKey || event.metaKey) return;
    const steps = { ArrowLeft: -1, ArrowRight: 1 };
    const step = steps[/** @type {keyof typeof steps} */ (event.key)];
    if (step === undefined) return;
    event.preventDefault();
    buttons[(at + step + buttons.length) % buttons.length].focus();
  }

  /** @param {EventTarget | null} target */
  #enter(target) {
    for (const button of this.#element.querySelectorAll("button")) button.tabIndex = button === target ? 0 : -1;
  }
}

/** Say that what a button switches is on or off. @param {HTMLButtonElement} button @param {boolean} isOn */
export function setPressed(button, isOn) {
  button.setAttribute("aria-pressed", `${isOn}`);
}
