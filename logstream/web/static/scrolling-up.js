// When a reader wants to go up. Where scrolling is smooth it begins later than that, and the first thing that the page
// itself scrolls would end it.

const KEYS = ["ArrowUp", "PageUp", "Home"];

/**
 * Tell when a reader begins to scroll up by the wheel or a key.
 *
 * @param {HTMLElement} scroller
 * @param {() => void} onUp
 */
export function watchScrollingUp(scroller, onUp) {
  const tell = () => {
    if (scroller.scrollTop > 0) onUp();
  };
  scroller.addEventListener("wheel", ({ deltaY, ctrlKey }) => (deltaY < 0 && !ctrlKey ? tell() : undefined), { passive: true });
  scroller.addEventListener("keydown", ({ key, shiftKey, altKey, metaKey }) => {
    if (altKey || metaKey) return;
    if (shiftKey ? key === " " : KEYS.includes(key)) tell();
  });
}
