/**
 * Edits (insert, delete, replace, swap of neighbours) that turn one word into another: the optimal string
 * alignment distance.
 */
export function editDistance(from: string, to: string): number {
  let beforeLast: number[] = []
  let last = Array.from({ length: to.length + 1 }, (_, index) => index)
  for (let row = 1; row <= from.length; row++) {
    const current = [row]
    for (let column = 1; column <= to.length; column++) {
      const same = from[row - 1] === to[column - 1]
      let best = Math.min(last[column]! + 1, current[column - 1]! + 1, last[column - 1]! + (same ? 0 : 1))
      const swapped =
        row > 1 && column > 1 && from[row - 1] === to[column - 2] && from[row - 2] === to[column - 1]
      if (swapped) best = Math.min(best, beforeLast[column - 2]! + 1)
      current.push(best)
    }
    beforeLast = last
    last = current
  }
  return last[to.length]!
}

/** Longest word that is compared: longer ones are no typing errors of ours. */
const wordCharactersMax = 64

/** The candidate that a mistyped word most likely means, or undefined where none is near. */
export function closest(word: string, candidates: Iterable<string>): string | undefined {
  if (word.length > wordCharactersMax) return undefined
  let best: { readonly candidate: string; readonly distance: number } | undefined
  const plain = normalise(word)
  for (const candidate of candidates) {
    const distance = editDistance(plain, normalise(candidate))
    const limit = Math.max(1, Math.floor(Math.min(plain.length, candidate.length) / 3))
    if (distance <= limit && (best === undefined || distance < best.distance)) best = { candidate, distance }
  }
  return best?.candidate
}

/** `controlPlane`, `control-plane` and `control_plane` are one word to a reader. */
function normalise(word: string): string {
  return word.toLowerCase().replaceAll(/[-_ ]/g, '')
}
