/** A broken rule: a word for programs and a clause for people. */
export interface Flaw {
  readonly reason: string
  readonly message: string
}

export function flaw(reason: string, message: string): Flaw {
  return { reason, message }
}

/** Whether two values of plain data are equal, whatever the order of their keys. */
export function same(a: unknown, b: unknown): boolean {
  if (a === b) return true
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false
  if (Array.isArray(a) !== Array.isArray(b)) return false
  const left = Object.entries(a)
  const right = b as Readonly<Record<string, unknown>>
  return (
    left.length === Object.keys(b).length &&
    left.every(([key, value]) => key in right && same(value, right[key]))
  )
}
