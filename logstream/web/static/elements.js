// The elements that a page's template has, and what is said in them.

/**
 * The first element that a selector finds.
 *
 * @template {Element} T
 * @param {string} selector
 * @param {{ new (): T }} type what it is
 * @param {ParentNode} within where to look
 * @returns {T}
 * @throws {Error} where there is none of this type
 */
export function element(selector, type, within = document) {
  const found = within.querySelector(selector);
  if (!(found instanceof type)) throw new Error(`the page has no ${type.name} ${selector}`);
  return found;
}

/** Have an element say something, once: a screen reader would read the same again. @param {Element} element @param {string} text */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
