import type { Position, Report } from './diagnostics.ts'
import type { LocatedMap } from './positions.ts'
import { positionOf } from './positions.ts'

/** What the rules of meaning need: where a key stands, and where to say what is wrong. */
export interface Statements {
  readonly report: Report
  /** Where a key stands, by the names of the keys that lead to it. */
  keyAt(path: readonly string[]): Position
  error(path: string, message: string, suggestion?: string): void
  warning(path: string, message: string, suggestion?: string): void
  /** `file:line` of a dotted key, for messages about two places. */
  place(path: string): string
}

/** Rules over one merged configuration. */
export function createStatements(root: LocatedMap, report: Report): Statements {
  const at = (path: string): Position => positionOf(root, path.split('.'))
  const keyAt = (path: readonly string[]): Position => positionOf(root, path, 'key')
  return {
    report,
    keyAt,
    error: (path, message, suggestion) => report.error(at(path), path, message, suggestion),
    warning: (path, message, suggestion) => report.warning(keyAt(path.split('.')), path, message, suggestion),
    place: (path) => {
      const { file, line } = keyAt(path.split('.'))
      return `${path} (${file}:${line})`
    },
  }
}

/** Says that a key was read and checked, and that nothing is done with it. */
export function notYet(statements: Statements, path: string, consequence = ''): void {
  statements.warning(path, `read, not yet acted on${consequence === '' ? '' : `: ${consequence}`}`)
}

/** One of two spellings of the same thing, with the key that stated it. */
export interface Stated<T> {
  readonly path: string
  readonly value: T
}

/**
 * The value of something that may be said in several spellings. All that speak must say the same; otherwise it is
 * an error that names both places, and the first counts.
 */
export function agreed<T>(
  statements: Statements,
  ...said: readonly (Stated<T> | undefined)[]
): Stated<T> | undefined {
  const [first, ...others] = said.filter((each) => each !== undefined)
  if (first === undefined) return undefined
  for (const other of others) {
    if (JSON.stringify(other.value) !== JSON.stringify(first.value)) {
      statements.error(
        other.path,
        `contradicts ${statements.place(first.path)}`,
        `Keep one of them; \`${first.path}\` is the one to keep.`,
      )
    }
  }
  return first
}

/** A stated value, or undefined where the key is absent. */
export function stated<T>(path: string, value: T | undefined): Stated<T> | undefined {
  return value === undefined ? undefined : { path, value }
}
