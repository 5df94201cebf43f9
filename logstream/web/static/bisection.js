// Finding a place in what is in order, by halves.

/**
 * The first place from which on something is true; `count` if it never is.
 *
 * @param {number} count how many places there are
 * @param {(at: number) => boolean} isTrue false up to a place, and true from there on
 */
export function firstWhere(count, isTrue) {
  let [low, high] = [0, count];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (isTrue(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
}
