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

const DRAWN = 40; // pixels that a finger has to draw down what is at its top already

/**
 * Tell when a reader wants to go up beyond the top, by the wheel, a key or a finger.
 *
 * @param {HTMLElement} scroller
 * @param {() => void} onUp
 */
export function watchPastTheTop(scroller, onUp) {
  let from = Infinity; // where a finger was when the top was in sight
  const tell = () => {
    if (scroller.scrollTop <= 0) onUp();
  };
  scroller.addEventListener("wheel", ({ deltaY, ctrlKey }) => (deltaY < 0 && !ctrlKey ? tell() : undefined), { passive: true });
  scroller.addEventListener("keydown", ({ key, altKey, metaKey, ctrlKey }) => {
    if (!altKey && !metaKey && !ctrlKey && (key === "ArrowUp" || key === "PageUp")) tell();
  });
  scroller.addEventListener(
    "touchstart",
    ({ touches }) => (from = scroller.scrollTop <= 0 ? touches[0].clientY : Infinity),
    { passive: true },
  );
  scroller.addEventListener("touchmove", ({ touches }) => (touches[0].clientY - from > DRAWN ? tell() : undefined), { passive: true });
}
