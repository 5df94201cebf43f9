// What is selected and copied of a log: its lines as they are, without line breaks that wrapping made, without their
// numbers, and without what is around it on the page.

/** Have text that is selected in an element copied so. @param {HTMLElement} element */
export function copyPlainly(element) {
  element.addEventListener("copy", (event) => {
    const text = selectedText(element);
    if (text === "" || event.clipboardData === null) return;
    event.clipboardData.setData("text/plain", text);
    event.preventDefault();
  });
}

/** Select all lines in the first of some elements that is shown. @param {HTMLElement[]} elements */
export function selectLines(elements) {
  const shown = elements.find((one) => one.checkVisibility({ visibilityProperty: true }));
  const lines = shown?.querySelector(".lines");
  if (lines != null) getSelection()?.selectAllChildren(lines);
}

/** The text of a log that is selected; nothing where something else is selected too. @param {Element} element */
function selectedText(element) {
  const selection = getSelection();
  if (selection === null || selection.rangeCount === 0) return "";
  const range = selection.getRangeAt(0);
  if (!element.contains(range.commonAncestorContainer)) return "";
  const selected = range.cloneContents();
  for (const other of selected.querySelectorAll(".number, [data-uncopied]")) other.remove();
  const parts = [...selected.querySelectorAll(".lines")]; // where what is around them is selected too
  return (parts.length === 0 ? [selected] : parts).map(({ textContent }) => textContent ?? "").join("");
}
