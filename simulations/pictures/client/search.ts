// Finding things in columns that are in the order of time. Pure, so that it is tested without a browser.

/** Index of the first value that is not below `least`; the length where there is none. */
export function lowerBound(sorted: ArrayLike<number>, least: number): number {
  let low = 0
  let high = sorted.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((sorted[middle] ?? Infinity) < least) low = middle + 1
    else high = middle
  }
  return low
}

/** Index of the last value that is not above `most`; -1 where there is none. */
export function lastUpTo(sorted: ArrayLike<number>, most: number): number {
  let low = 0
  let high = sorted.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((sorted[middle] ?? Infinity) <= most) low = middle + 1
    else high = middle
  }
  return low - 1
}
