// Numbers and times as people read them.

const UNITS = ["B", "kB", "MB", "GB", "TB"];
/** @type {[Intl.RelativeTimeFormatUnit, number][]} */
const AGES = [
  ["second", 60],
  ["minute", 60],
  ["hour", 24],
  ["day", Infinity],
];
const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto" });

/** A size with three digits, such as "12.3 MB". @param {number} size in bytes */
export function bytes(size) {
  let unit = 0;
  while (size >= 999.5 && unit < UNITS.length - 1) {
    size /= 1000;
    unit += 1;
  }
  return `${unit === 0 ? size : size.toPrecision(3)} ${UNITS[unit]}`;
}

/**
 * How long ago a time is, such as "5 minutes ago".
 *
 * @param {number} time in seconds since the epoch
 * @returns {string}
 */
export function age(time, now = Date.now() / 1000) {
  let value = Math.max(0, now - time);
  for (const [unit, count] of AGES) {
    if (value < count) return relative.format(-Math.floor(value), unit);
    value /= count;
  }
  throw new RangeError(`${time} is no time`);
}
