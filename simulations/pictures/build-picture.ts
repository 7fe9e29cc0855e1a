import type { Plan } from '../plan/plan.ts'
import type { RunResult } from '../run/result.ts'
import type { NodeSnapshot, Trace, TraceEvent } from '../run/trace.ts'
import { faultBands } from './bands.ts'
import { decisionsOf, labelOf } from './decisions.ts'
import { happeningColumns } from './happenings.ts'
import type { LaneEvent } from './lanes.ts'
import { laneFaults, lanePauses, laneSpans } from './lanes.ts'
import { messageColumns } from './messages.ts'
import type { Decision, Lane, PictureState, PictureViolation, RunPicture } from './picture.ts'
import { happeningKinds } from './picture.ts'
import { stringTable } from './strings.ts'

/** Puts a recorded run in the order in which a page draws it. */
export function buildPicture(trace: Trace, result: RunResult): RunPicture {
  const { plan, events } = trace
  const endMs = Math.max(1, trace.endMs, result.virtualMs)
  const recordedMs = trace.truncated ? (events.at(-1)?.at ?? 0) : endMs
  const strings = stringTable()
  // The healing ends every fault, however long the plan had it last.
  const healedAt = events.find(({ kind }) => kind === 'healed')?.at
  const faultsEndMs = healedAt ?? endMs
  const bands = faultBands(events, faultsEndMs)
  const { decisions, adoptions } = decisionsOf(events)
  const violations = allViolations(events, result)
  const { types, messages } = messageColumns(events, recordedMs, strings)
  const byNode = laneEvents(events)
  const faults = laneFaults(plan, events, faultsEndMs)
  const { states, indexOf } = stateTable(decisions)
  const count = Math.max(plan.nodes, ...byNode.keys().map((node) => node + 1))
  const lanes = Array.from({ length: count }, (_, node): Lane => {
    const own = byNode.get(node) ?? []
    const spans = laneSpans(own, recordedMs, endMs)
    const snapshots = own.filter((event) => event.kind === 'snapshot')
    return {
      name: node < plan.nodes ? `node ${node}` : `node ${node} (copy)`,
      segment: plan.segments[node] ?? -1,
      core: plan.core.includes(node),
      spans,
      pauses: lanePauses(own, spans, faultsEndMs),
      faults: faults.get(node) ?? [],
      adoptions: adoptions.get(node) ?? [],
      stateAt: snapshots.map(({ at }) => at),
      stateIndex: snapshots.map(({ state }) => indexOf(state)),
    }
  })
  const happenings = happeningColumns(events, lanes, bands, decisions, violations, strings)
  return {
    title: titleOf(plan),
    endMs,
    recordedMs,
    healedAt,
    strings: strings.strings,
    lanes,
    bands,
    types,
    messages,
    happenings,
    kinds: happeningKinds,
    states,
    decisions,
    violations,
  }
}

/** The plan in one line. */
export function titleOf({ seed, nodes, bootstrap }: Plan): string {
  const { mode } = bootstrap
  const size = 'expect' in bootstrap ? ` ${bootstrap.expect}` : ''
  return `Seed ${seed}: ${nodes} machines, bootstrap ${mode}${size}`
}

/** The result's violations, and those that only the trace has. */
function allViolations(events: readonly TraceEvent[], result: RunResult): readonly PictureViolation[] {
  const found = new Map<string, PictureViolation>()
  const traced = events.filter((event) => event.kind === 'violation')
  for (const { at, node, invariant, text } of [...result.violations, ...traced]) {
    const key = `${invariant}/${node}/${at}`
    if (!found.has(key)) found.set(key, { at, node, invariant, text })
  }
  return [...found.values()].toSorted((a, b) => a.at - b.at)
}

function laneEvents(events: readonly TraceEvent[]): ReadonlyMap<number, LaneEvent[]> {
  const byNode = new Map<number, LaneEvent[]>()
  for (const event of events) {
    const { kind } = event
    if (kind !== 'boot' && kind !== 'crash' && kind !== 'pause' && kind !== 'phase' && kind !== 'snapshot') {
      continue
    }
    const own = byNode.get(event.node)
    if (own === undefined) byNode.set(event.node, [event])
    else own.push(event)
  }
  return byNode
}

/** Gives equal states one number: most snapshots repeat what was known. */
function stateTable(decisions: readonly Decision[]): {
  readonly states: readonly PictureState[]
  readonly indexOf: (snapshot: NodeSnapshot) => number
} {
  const states: PictureState[] = []
  const indices = new Map<string, number>()
  return {
    states,
    indexOf: (snapshot) => {
      const key = JSON.stringify(snapshot)
      const known = indices.get(key)
      if (known !== undefined) return known
      const { phase, note, planPhase, leader, connected, seen, etcd } = snapshot
      const plan = labelOf(decisions, snapshot.clusterId, snapshot.generation)
      indices.set(key, states.length)
      return states.push({ phase, note, plan, planPhase, leader, connected, seen, etcd }) - 1
    },
  }
}
