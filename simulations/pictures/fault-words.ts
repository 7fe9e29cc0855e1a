import type { TraceEvent } from '../run/trace.ts'

/** What is said elsewhere: which machine, and when. */
const silent = new Set(['kind', 'at', 'node', 'nodes', 'forMs'])

/** A fault in words: `slow-disk: syncMs 400`. A fault of the plan, given as JSON, is told by its own fields. */
export function faultWords({ what, text }: TraceEvent & { readonly kind: 'fault' }): string {
  const detail = text.startsWith('{') ? fieldsOf(text) : text
  return detail === '' ? what : `${what}: ${detail}`
}

function fieldsOf(text: string): string {
  const fields = Object.entries(JSON.parse(text) as Record<string, unknown>)
  const told = fields.filter(([name]) => !silent.has(name))
  return told.map(([name, value]) => `${name} ${String(value)}`).join(', ')
}
