// The list of keys, over the page.

const CTRL = "Ctrl";

/** Lists the keys that there are when it is opened. */
export class KeysDialog {
  #keys;
  #dialog = document.createElement("dialog");
  #list = document.createElement("dl");

  /** @param {import("./keys.js").Keys} keys */
  constructor(keys) {
    this.#keys = keys;
    const heading = document.createElement("h2");
    heading.id = "keys-heading";
    heading.textContent = "Keys";
    const close = document.createElement("button");
    close.type = "button";
    close.textContent = "Close";
    close.addEventListener("click", () => this.#dialog.close());
    this.#dialog.id = "keys";
    this.#dialog.setAttribute("aria-labelledby", heading.id);
    this.#dialog.append(heading, close, this.#list); // it opens where the focus is: at the top
    this.#dialog.addEventListener("click", ({ target }) => {
      if (target === this.#dialog) this.#dialog.close(); // beside what is in it
    });
    document.body.append(this.#dialog);
  }

  open() {
    this.#list.replaceChildren(...this.#keys.bindings.map(entry));
    this.#dialog.showModal();
  }
}

/** @param {import("./keys.js").Binding} binding */
function entry({ key, ctrl, label }) {
  const row = document.createElement("div");
  const term = document.createElement("dt");
  const names = ctrl ? [CTRL, key.toUpperCase()] : [key === " " ? "Space" : key];
  for (const [index, name] of names.entries()) {
    if (index > 0) term.append("-");
    const element = document.createElement("kbd");
    element.textContent = name;
    term.append(element);
  }
  const description = document.createElement("dd");
  description.textContent = label;
  row.append(term, description);
  return row;
}
