import type { TraceEvent } from '../run/trace.ts'
import type { Band } from './picture.ts'

/** Bands of partitions, each in the first row of the track where it overlaps no other. */
export function faultBands(events: readonly TraceEvent[], endMs: number): readonly Band[] {
  const rowEnds: number[] = []
  const bands: Band[] = []
  for (const event of events) {
    if (event.kind !== 'partition') continue
    const from = event.at
    const to = Math.max(from, Math.min(event.until, endMs))
    const free = rowEnds.findIndex((end) => end <= from)
    const row = free === -1 ? rowEnds.length : free
    rowEnds[row] = to
    bands.push({ from, to, how: event.how, groups: event.groups, text: describeBand(event), row })
  }
  return bands
}

function describeBand({ how, groups }: TraceEvent & { readonly kind: 'partition' }): string {
  const sides = groups.map(fewNodes)
  if (how === 'partition') return `partition ${sides.join(' | ')}`
  return `${how === 'clog' ? 'clog' : 'one-way loss'} ${sides.join(' → ')}`
}

/** The numbers where they can be read at a glance, else how many they are. */
export function fewNodes(nodes: readonly number[]): string {
  const ranges = nodeRanges(nodes)
  return ranges.length > 24 ? `${nodes.length} machines` : ranges
}

/** Numbers in words: `0-3, 7`. */
export function nodeRanges(nodes: readonly number[]): string {
  const sorted = [...new Set(nodes)].toSorted((a, b) => a - b)
  const parts: string[] = []
  for (let index = 0; index < sorted.length; index += 1) {
    const first = sorted[index]
    while (sorted[index + 1] === (sorted[index] ?? 0) + 1) index += 1
    const last = sorted[index]
    parts.push(first === last ? `${first}` : `${first}-${last}`)
  }
  return parts.join(', ')
}
