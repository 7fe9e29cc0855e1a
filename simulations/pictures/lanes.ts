import type { Fault, Plan } from '../plan/plan.ts'
import type { TraceEvent } from '../run/trace.ts'
import { faultWords } from './fault-words.ts'
import type { Span, Stretch } from './picture.ts'

/** Events that say something about one machine's own state, in order. */
export type LaneEvent = Extract<
  TraceEvent,
  { readonly kind: 'boot' | 'crash' | 'pause' | 'phase' | 'snapshot' }
>

interface TimeRange {
  readonly from: number
  readonly to: number
}

/** The phase of the time after a trace that ends early: nothing is known of it. */
const unrecorded = 'not recorded'

/** Phases and times without power of one machine, one after the other from 0 to the end. */
export function laneSpans(events: readonly LaneEvent[], recordedMs: number, endMs: number): readonly Span[] {
  const spans: Span[] = []
  let open: Span = { from: 0, to: 0, phase: 'off', note: 'not switched on yet' }
  const turn = (at: number, phase: string, note: string): void => {
    if (open.phase === phase && open.note === note) return
    if (at > open.from) spans.push({ ...open, to: at })
    open = { from: at, to: at, phase, note }
  }
  for (const event of events) {
    if (event.kind === 'boot') turn(event.at, 'starting', `boot ${event.boots}`)
    else if (event.kind === 'crash') turn(event.at, 'off', event.why)
    else if (open.phase === 'off') continue
    else if (event.kind === 'phase') turn(event.at, event.phase, event.note)
    else if (event.kind === 'snapshot' && event.state.phase !== '') {
      turn(event.at, event.state.phase, event.state.note)
    }
  }
  spans.push({ ...open, to: Math.max(open.from, recordedMs) })
  if (recordedMs < endMs) {
    spans.push({ from: recordedMs, to: endMs, phase: unrecorded, note: 'more happened than was kept' })
  }
  return spans
}

/** Times at which a machine stood still. One that is off cannot. */
export function lanePauses(
  events: readonly LaneEvent[],
  spans: readonly Span[],
  endMs: number,
): readonly Stretch[] {
  const on = spans.filter(({ phase }) => phase !== 'off' && phase !== unrecorded)
  return events.flatMap((event) => {
    if (event.kind !== 'pause') return []
    const parts = on
      .map(({ from, to }) => ({ from: Math.max(from, event.at), to: Math.min(to, event.until, endMs) }))
      .filter(({ from, to }) => from < to)
    return joinTouching(parts).map((part) => ({ ...part, text: 'stands still' }))
  })
}

function joinTouching(parts: readonly TimeRange[]): readonly TimeRange[] {
  const joined: TimeRange[] = []
  for (const { from, to } of parts) {
    const last = joined.at(-1)
    if (last?.to === from) joined[joined.length - 1] = { from: last.from, to }
    else joined.push({ from, to })
  }
  return joined
}

/**
 * Faults of the plan by machine. The trace says when one began; how long it lasts stands in the plan. A fault without
 * duration is a moment.
 */
export function laneFaults(
  plan: Plan,
  events: readonly TraceEvent[],
  endMs: number,
): ReadonlyMap<number, readonly Stretch[]> {
  const faults = new Map<number, Stretch[]>()
  for (const event of events) {
    // A pause has a mark of its own on the bar.
    if (event.kind !== 'fault' || event.what === 'pause') continue
    for (const node of event.nodes) {
      const to = Math.min(event.at + durationOf(plan, event, node), Math.max(endMs, event.at))
      faults.set(node, [...(faults.get(node) ?? []), { from: event.at, to, text: faultWords(event) }])
    }
  }
  return faults
}

function durationOf(plan: Plan, event: TraceEvent & { readonly kind: 'fault' }, node: number): number {
  const near = (fault: Fault): boolean => Math.abs(fault.at - event.at) < 1
  const found = plan.faults.find(
    (fault) => fault.kind === event.what && 'node' in fault && fault.node === node && near(fault),
  )
  return found !== undefined && 'forMs' in found ? found.forMs : 0
}
