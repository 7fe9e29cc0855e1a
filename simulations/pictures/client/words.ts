import type { PictureState } from '../picture.ts'
import { lastUpTo } from './search.ts'
import type { PageState } from './state.ts'
import { formatTime } from './time.ts'

/** What a machine was at a time. */
export interface Moment {
  readonly phase: string
  readonly note: string
  readonly sinceMs: number
  /** Undefined while it is off, and before it said anything. */
  readonly known: PictureState | undefined
  /** Faults and pauses under way. */
  readonly troubles: readonly string[]
}

/** Looks up what a machine was at a time. */
export function momentOf({ picture }: PageState, node: number, at: number): Moment | undefined {
  const lane = picture.lanes[node]
  if (lane === undefined) return undefined
  const span =
    lane.spans[
      Math.max(
        0,
        lastUpTo(
          lane.spans.map(({ from }) => from),
          at,
        ),
      )
    ]
  const snapshot = lastUpTo(lane.stateAt, at)
  const isOn = span !== undefined && span.phase !== 'off' && span.phase !== 'not recorded'
  // A snapshot from before the last start says nothing about this life.
  const isFresh = snapshot >= 0 && (lane.stateAt[snapshot] ?? 0) >= lastStart(lane.spans, at)
  return {
    phase: span?.phase ?? 'off',
    note: span?.note ?? '',
    sinceMs: span?.from ?? 0,
    known: isOn && isFresh ? picture.states[lane.stateIndex[snapshot] ?? -1] : undefined,
    troubles: [...lane.pauses, ...lane.faults]
      .filter(({ from, to }) => from <= at && at <= to)
      .map(({ text }) => text),
  }
}

function lastStart(spans: readonly { readonly from: number; readonly phase: string }[], at: number): number {
  return spans.findLast(({ from, phase }) => from <= at && phase === 'starting')?.from ?? 0
}

/** A message in one line: type, way, what it is about, and what became of it. */
export function describeFlight({ picture, flights }: PageState, index: number): string {
  const { columns, sentAt, until } = flights
  const type = picture.types[columns.type[index] ?? 0]?.name ?? ''
  const text = picture.strings[columns.text[index] ?? 0] ?? ''
  const why = picture.strings[columns.why[index] ?? 0] ?? ''
  const takes = formatTime((until[index] ?? 0) - (sentAt[index] ?? 0), 1)
  const fate = [
    takes,
    `lost${why === '' ? '' : `: ${why}`}`,
    'still under way at the end',
    `once more, ${takes}`,
  ]
  const way = `${type} ${columns.from[index]} → ${columns.to[index]}`
  return [way, text, fate[columns.fate[index] ?? 0]].filter(Boolean).join(' · ')
}
