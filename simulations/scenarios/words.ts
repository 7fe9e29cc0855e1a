import type { EventWord, ScenarioEvent } from './schema.ts'
import { eventWords } from './schema.ts'

const unitsMs: Readonly<Record<string, number>> = { h: 3_600_000, m: 60_000, s: 1_000, ms: 1 }

/** Milliseconds of a span such as `30s`; NaN for anything else. A blank before the unit is allowed. */
export function spanMs(text: string): number {
  const [, digits, unit] = /^(\d+)\s?(ms|s|m|h)$/.exec(text.trim()) ?? []
  return Number(digits ?? Number.NaN) * (unitsMs[unit ?? ''] ?? Number.NaN)
}

/** Numbers, from 0, of the machines in `h1, h3` or `all`. */
export function machinesIn(text: string, count: number): readonly number[] {
  if (text.trim() === 'all') return Array.from({ length: count }, (_, index) => index)
  return text.split(',').map((name) => Number(name.trim().slice(1)) - 1)
}

/** The two sides of `h1, h2 / h3` or, in one direction, `h1 > h2`. */
export function sidesIn(text: string): {
  readonly left: readonly number[]
  readonly right: readonly number[]
  readonly oneWay: boolean
} {
  const [left = '', right = ''] = text.split(/[/>]/)
  return { left: machinesIn(left, 0), right: machinesIn(right, 0), oneWay: text.includes('>') }
}

/** Name of a machine by its number. */
export function nameOf(index: number): string {
  return `h${index + 1}`
}

/** The keys of an event that say what happens; exactly one in a valid scenario. */
export function wordsOf(event: ScenarioEvent): readonly EventWord[] {
  return (Object.keys(eventWords) as EventWord[]).filter((word) => event[word] !== undefined)
}
