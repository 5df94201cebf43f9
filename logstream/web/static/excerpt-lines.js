// Lines of a log that follow each other, from anywhere in it: some more come on either side, and go on the other.
//
// What has come before proves what comes: each answer has a line that is there already, and where that is another one now,
// the log is another one.

/** @typedef {import("./line-source.js").Line} Line */

/** Lines that stand beside each other in the log. */
export class ExcerptLines {
  /** @type {Line[]} */
  lines = [];
  characters = 0;

  get first() {
    return this.lines.at(0);
  }

  get last() {
    return this.lines.at(-1);
  }

  /** Have these and no others. @param {Line[]} lines */
  set(lines) {
    this.lines = lines;
    this.characters = lengthOf(lines);
    this.#number();
  }

  /**
   * Take lines that end with the first one that is there.
   *
   * @param {Line[]} answer
   * @returns {Line[] | null} those that are new; null where they do not fit
   */
  prepend(answer) {
    const { first } = this;
    const same = answer.at(-1);
    if (first === undefined || same === undefined || !isSame(first, same)) return null;
    const lines = answer.slice(0, -1);
    this.lines.unshift(...lines);
    this.characters += lengthOf(lines);
    first.line ??= same.line;
    this.#number();
    return lines;
  }

  /**
   * Take lines that begin with the last one that is there, which may have gone on.
   *
   * @param {Line[]} answer
   * @returns {Line[] | null} those that are new, and the last one too where it has gone on; null where they do not fit
   */
  append(answer) {
    const { last } = this;
    const same = answer.at(0);
    if (last === undefined || same === undefined || !(isSame(last, same) || hasGoneOn(last, same))) return null;
    const lines = answer.slice(isSame(last, same) ? 1 : 0);
    if (!isSame(last, same)) this.dropLast(1);
    else last.line ??= same.line;
    this.lines.push(...lines);
    this.characters += lengthOf(lines);
    this.#number();
    return lines;
  }

  /** Let go of so many of the first ones. @param {number} count */
  dropFirst(count) {
    this.characters -= lengthOf(this.lines.splice(0, count));
  }

  /** Let go of so many of the last ones. @param {number} count */
  dropLast(count) {
    if (count > 0) this.characters -= lengthOf(this.lines.splice(-count));
  }

  /** The place of the line that has the byte at an offset; -1 if none has. @param {number} offset */
  indexOf(offset) {
    return this.lines.findIndex(({ offset: from, end }) => from <= offset && offset < end);
  }

  /** The number of one line is known: so are the others'. @param {Line} line one of them, with its number */
  number({ offset, line }) {
    const found = this.lines.find((one) => one.offset === offset);
    if (found !== undefined) found.line = line;
    this.#number();
  }

  #number() {
    const { lines } = this;
    const known = lines.findIndex(({ line }) => line !== null);
    if (known < 0) return;
    for (let at = known + 1; at < lines.length; at += 1) {
      const before = lines[at - 1];
      lines[at].line = /** @type {number} */ (before.line) + (before.open ? 0 : 1);
    }
    for (let at = known - 1; at >= 0; at -= 1) {
      lines[at].line = /** @type {number} */ (lines[at + 1].line) - (lines[at].open ? 0 : 1);
    }
  }
}

/** @param {Line} one @param {Line} other */
function isSame(one, other) {
  return one.offset === other.offset && one.end === other.end && one.text === other.text;
}

/** Whether an unfinished line is what it was, and more: a character that was cut at its end may be whole now. @param {Line} before @param {Line} now */
function hasGoneOn(before, now) {
  if (before.open !== true || before.offset !== now.offset || now.end <= before.end) return false;
  return now.text.startsWith(before.text.replace(/\ufffd+$/, ""));
}

/** @param {Line[]} lines */
function lengthOf(lines) {
  return lines.reduce((sum, { text }) => sum + text.length, 0);
}
