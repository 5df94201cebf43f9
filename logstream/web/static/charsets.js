// Character sets that a terminal can be told to write in, as far as tools use them.

/** DEC's line drawing characters, in place of "`" to "~". */
const LINE_DRAWING = "◆▒␉␌␍␊°±␤␋┘┐┌└┼⎺⎻─⎼⎽├┤┴┬│≤≥π≠£·";

/** @param {string} text @returns {string} */
function lineDrawing(text) {
  return text.replace(/[`-~]/g, (character) => LINE_DRAWING[character.charCodeAt(0) - 0x60]);
}

/** @param {string} text @returns {string} */
function british(text) {
  return text.replaceAll("#", "£");
}

/** What each set makes of text, by the character that selects it; null where that is nothing. @type {Record<string, ((text: string) => string) | null>} */
export const CHARSETS = { 0: lineDrawing, A: british, B: null };
