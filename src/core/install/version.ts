/**
 * Compares two versions as systemd-boot 252 does (`strverscmp_improved`), since it is the loader that decides which
 * entry is the newest. Negative: `a` is older. `~` is older than nothing, then `-`, `^`, `.`; numbers are newer
 * than letters; whatever else stands there only separates.
 */
export function compareVersions(a: string, b: string): number {
  let left = a
  let right = b
  for (;;) {
    left = left.replace(/^[^\dA-Za-z~^.-]+/, '')
    right = right.replace(/^[^\dA-Za-z~^.-]+/, '')
    const tilde = comparePrefix('~', left, right)
    if (tilde.order !== 0) return tilde.order
    ;[left, right] = tilde.rest
    // The end counts only after `~`, so that 1~rc1 is older than 1.
    if (left === '' || right === '') return Math.sign(left.length - right.length)
    for (const prefix of ['-', '^', '.']) {
      const { order, rest } = comparePrefix(prefix, left, right)
      if (order !== 0) return order
      ;[left, right] = rest
    }
    const digits = /^\d/.test(left) || /^\d/.test(right)
    const [leftPart, rightPart] = [leading(left, digits), leading(right, digits)]
    const order = digits ? compareNumbers(leftPart, rightPart) : compareLetters(leftPart, rightPart)
    if (order !== 0) return order
    left = left.slice(leftPart.length)
    right = right.slice(rightPart.length)
  }
}

/** A text that begins with this character is older than one that does not; both lose it otherwise. */
function comparePrefix(
  prefix: string,
  left: string,
  right: string,
): { readonly order: number; readonly rest: readonly [string, string] } {
  const order = Number(!left.startsWith(prefix)) - Number(!right.startsWith(prefix))
  const both = order === 0 && left.startsWith(prefix)
  return { order, rest: both ? [left.slice(1), right.slice(1)] : [left, right] }
}

function leading(text: string, digits: boolean): string {
  return (digits ? /^\d*/ : /^[A-Za-z]*/).exec(text)?.[0] ?? ''
}

function compareNumbers(left: string, right: string): number {
  const presence = Number(left !== '') - Number(right !== '')
  if (presence !== 0) return presence
  const [a, b] = [left.replace(/^0+/, ''), right.replace(/^0+/, '')]
  return a.length === b.length ? compareText(a, b) : Math.sign(a.length - b.length)
}

function compareLetters(left: string, right: string): number {
  const length = Math.min(left.length, right.length)
  const order = compareText(left.slice(0, length), right.slice(0, length))
  return order === 0 ? Math.sign(left.length - right.length) : order
}

function compareText(left: string, right: string): number {
  if (left === right) return 0
  return left < right ? -1 : 1
}
