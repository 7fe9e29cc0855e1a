import type { NodeId } from '../model/ids.ts'
import { shortId } from '../model/ids.ts'
import type { StatusInput } from './types.ts'

/** Names in a sentence: the first few, and how many more. */
export function listed(names: readonly string[], most = 5): string {
  if (names.length <= most) return names.join(', ')
  return `${names.slice(0, most).join(', ')} and ${names.length - most} more`
}

/** `1 machine`, `2 machines`. */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}

/** A function that names nodes for people: planned name, else hostname, with the end of the id. */
export function namesOf(input: Pick<StatusInput, 'plan' | 'view'>): (id: NodeId) => string {
  const names = new Map(
    input.view.members.map(({ record }) => [
      record.nodeId,
      `${record.facts.hostname} (${shortId(record.nodeId)})`,
    ]),
  )
  for (const one of input.plan?.plan.body.assignments ?? []) names.set(one.nodeId, one.name)
  return (id) => names.get(id) ?? shortId(id)
}

/** A span of time in words: `3 s`, `4 min`, `5 h`, `2 days`. */
export function span(milliseconds: number): string {
  const seconds = Math.max(0, Math.round(milliseconds / 1_000))
  if (seconds < 120) return `${seconds} s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 120) return `${minutes} min`
  const hours = Math.floor(minutes / 60)
  return hours < 48 ? `${hours} h` : `${Math.floor(hours / 24)} days`
}
