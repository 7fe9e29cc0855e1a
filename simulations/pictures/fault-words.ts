import type { Fault } from '../plan/plan.ts'
import type { TraceEvent } from '../run/trace.ts'
import { fewNodes } from './bands.ts'

/** What is said elsewhere: which machine, when, and for how long. */
const silent = new Set(['kind', 'at', 'node', 'nodes', 'forMs', 'from', 'to'])

/** A fault of a trace in words: `slow-disk: syncMs 400`. One given as JSON is told by its own fields. */
export function faultWords({ what, text }: TraceEvent & { readonly kind: 'fault' }): string {
  const detail = text.startsWith('{') ? fieldWords(JSON.parse(text) as object) : text
  return detail === '' ? what : `${what}: ${detail}`
}

/** What a fault of a plan says beside its machine and its time. */
export function fieldWords(fault: object): string {
  const told = Object.entries(fault).filter(([name]) => !silent.has(name))
  return told.map(([name, value]) => `${name} ${String(value)}`).join(', ')
}

/** Where a fault of a plan strikes: a machine, or links between two sides. */
export function faultPlace(fault: Fault): string {
  if ('node' in fault) return String(fault.node)
  const isOneWay = fault.kind !== 'cut' || fault.oneWay
  return `${fewNodes(fault.from)} ${isOneWay ? '→' : '|'} ${fewNodes(fault.to)}`
}
