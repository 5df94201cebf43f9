// The page's keys: what each one does, and what it is called in the list of keys.

/**
 * One key.
 *
 * @typedef {object} Binding
 * @property {string} key as `KeyboardEvent.key` has it: "w", "E", "?", "End"
 * @property {boolean} [ctrl] with Ctrl, or Cmd on a Mac
 * @property {boolean} [always] while something is typed too
 * @property {string} label what it does, for the list of keys
 * @property {(event: KeyboardEvent) => unknown} action what it does; the browser does its own too where that is `false`
 */

/**
 * The keys of a page. Which are listed is up to `KeysDialog`.
 *
 * A key does nothing while something is typed, but one that is `always` heard, while a dialog is open, or where something
 * else on the page has used it (`preventDefault`). Of two for the same key, the one that was added last is used.
 */
export class Keys {
  /** In the order in which they were added. @type {Binding[]} */
  bindings = [];

  /** @param {EventTarget} target where keys are heard, which is the whole page */
  constructor(target) {
    target.addEventListener("keydown", (event) => this.#press(/** @type {KeyboardEvent} */ (event)));
  }

  /** Have a key do something. @param {Binding} binding @returns {() => void} has it do so no more */
  add(binding) {
    this.bindings.push(binding);
    return () => {
      this.bindings = this.bindings.filter((one) => one !== binding);
    };
  }

  /** @param {KeyboardEvent} event */
  #press(event) {
    if (event.defaultPrevented || event.altKey || event.isComposing) return;
    const typing = isTyping(event.target);
    const binding = this.bindings.findLast((one) => fits(one, event) && (one.always || !typing));
    if (binding === undefined || isBehindDialog()) return;
    if (binding.action(event) !== false) event.preventDefault();
  }
}

/** @param {Binding} binding @param {KeyboardEvent} event */
function fits({ key, ctrl = false }, event) {
  if (event.key !== key || (event.ctrlKey || event.metaKey) !== ctrl) return false;
  return key.length === 1 || !event.shiftKey; // a character says by itself whether Shift is pressed
}

/** Whether keys are text where they go. @param {EventTarget | null} target */
function isTyping(target) {
  const { localName, type, isContentEditable } = /** @type {Partial<HTMLInputElement>} */ (target ?? {});
  if (localName === "input") return !["button", "checkbox", "radio", "submit"].includes(type ?? "");
  return localName === "select" || localName === "textarea" || isContentEditable === true;
}

function isBehindDialog() {
  return globalThis.document?.querySelector("dialog:modal") != null;
}
