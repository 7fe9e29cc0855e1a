import type { TraceEvent } from '../run/trace.ts'
import { nodeRanges } from './bands.ts'
import { labelOf } from './decisions.ts'
import { faultWords } from './fault-words.ts'
import type { Band, Decision, HappeningColumns, Lane, PictureViolation } from './picture.ts'
import { happeningKinds } from './picture.ts'
import type { StringTable } from './strings.ts'

type Kind = (typeof happeningKinds)[number]
type Happening = readonly [at: number, node: number, kind: Kind, text: string]

/** Everything but messages and snapshots as lines of text, in the order of time. */
export function happeningColumns(
  events: readonly TraceEvent[],
  lanes: readonly Lane[],
  bands: readonly Band[],
  decisions: readonly Decision[],
  violations: readonly PictureViolation[],
  strings: StringTable,
): HappeningColumns {
  const rows: Happening[] = [
    ...events.flatMap((event) => describe(event, decisions)),
    ...lanes.flatMap(phaseChanges),
    ...bands.map((band): Happening => [band.from, -1, 'partition', band.text]),
    ...violations.map(({ at, node, invariant, text }): Happening => [
      at,
      node,
      'violation',
      `${invariant}: ${text}`,
    ]),
  ]
  const sorted = rows.toSorted((a, b) => a[0] - b[0])
  return {
    at: sorted.map(([at]) => at),
    node: sorted.map(([, node]) => node),
    kind: sorted.map(([, , kind]) => happeningKinds.indexOf(kind)),
    text: sorted.map(([, , , text]) => strings.indexOf(text)),
  }
}

/** A machine's phases, without what its power did: that is told by itself. */
function phaseChanges({ spans }: Lane, node: number): readonly Happening[] {
  return spans
    .filter(({ phase }) => phase !== 'off' && phase !== 'starting' && phase !== 'not recorded')
    .map(({ from, phase, note }) => [from, node, 'phase', note === '' ? phase : `${phase}: ${note}`])
}

/** Phases, partitions and violations come from elsewhere: the result knows more violations than a truncated trace. */
function describe(event: TraceEvent, decisions: readonly Decision[]): readonly Happening[] {
  const { at } = event
  switch (event.kind) {
    case 'boot':
      return [[at, event.node, 'power', `on, boot ${event.boots}, as ${event.id}`]]
    case 'crash':
      return [[at, event.node, 'power', `off: ${event.why}`]]
    case 'pause':
      return [[at, event.node, 'pause', `stands still for ${Math.round(event.until - at)} ms`]]
    case 'persist':
      return [[at, event.node, 'persist', `durable: ${event.keys.join(', ')}`]]
    case 'adoption': {
      const label = labelOf(decisions, event.clusterId, event.generation, event.hash)
      return [[at, event.node, 'plan', `takes ${label} ${event.phase} (${event.hash.slice(0, 12)})`]]
    }
    case 'log':
      return [[at, event.node, 'log', `${event.level} ${event.reason}: ${event.message}`]]
    case 'k3s':
      return [[at, event.node, 'k3s', event.detail === '' ? event.what : `${event.what}: ${event.detail}`]]
    case 'fault': {
      const text = faultWords(event)
      if (event.nodes.length === 1) return [[at, event.nodes[0] ?? -1, 'fault', text]]
      return [[at, -1, 'fault', event.nodes.length === 0 ? text : `${text} (${nodeRanges(event.nodes)})`]]
    }
    case 'healed':
      return [[at, -1, 'healed', `whole again: ${nodeRanges(event.core)}`]]
    case 'phase':
    case 'send':
    case 'delivery':
    case 'drop':
    case 'partition':
    case 'snapshot':
    case 'violation':
      return []
  }
}
