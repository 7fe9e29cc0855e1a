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
