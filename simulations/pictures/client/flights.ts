import type { MessageColumns } from '../picture.ts'
import { lowerBound } from './search.ts'

// Messages with absolute times, and the two questions that the page asks of them.

/** How many messages share one entry of `blockUntil`. */
const blockSize = 256

/** Messages in the order in which they were sent. */
export interface Flights {
  readonly count: number
  readonly sentAt: Float64Array
  readonly until: Float64Array
  readonly columns: MessageColumns
  /** The latest end in each block: blocks that ended before a window are skipped. */
  readonly blockUntil: Float64Array
}

/** Gives the columns of a page absolute times. */
export function flightsOf(columns: MessageColumns): Flights {
  const count = columns.type.length
  const sentAt = new Float64Array(count)
  const until = new Float64Array(count)
  const blockUntil = new Float64Array(Math.ceil(count / blockSize))
  let at = 0
  for (let index = 0; index < count; index += 1) {
    at += columns.sentAfter[index] ?? 0
    const end = at + (columns.takes[index] ?? 0)
    const block = Math.floor(index / blockSize)
    sentAt[index] = at
    until[index] = end
    blockUntil[block] = Math.max(blockUntil[block] ?? 0, end)
  }
  return { count, sentAt, until, columns, blockUntil }
}

/** Visits messages that were under way in a window of time, in the order in which they were sent. */
export function visitFlights(
  flights: Flights,
  from: number,
  to: number,
  visit: (index: number) => void,
): void {
  const stop = lowerBound(flights.sentAt, to)
  for (let block = 0; block * blockSize < stop; block += 1) {
    if ((flights.blockUntil[block] ?? 0) < from) continue
    const end = Math.min(stop, (block + 1) * blockSize)
    for (let index = block * blockSize; index < end; index += 1) {
      if ((flights.until[index] ?? 0) >= from) visit(index)
    }
  }
}

/**
 * Messages that can have had a part in what a machine was at a time: those that arrived there before, those that arrived
 * at their senders before they were sent, and so on (Lamport's happened-before).
 */
export function causesOf(
  flights: Flights,
  node: number,
  at: number,
  counts: (index: number) => boolean,
): ReadonlySet<number> {
  const { columns, sentAt, until } = flights
  const arrivals: number[] = []
  visitFlights(flights, 0, at, (index) => {
    const fate = columns.fate[index]
    if ((fate === 0 || fate === 3) && (until[index] ?? 0) <= at && counts(index)) arrivals.push(index)
  })
  const latestFirst = arrivals.toSorted((a, b) => (until[b] ?? 0) - (until[a] ?? 0))
  /** Until when a machine's doings can have had a part. */
  const reach = new Map([[node, at]])
  const causes = new Set<number>()
  for (const index of latestFirst) {
    const receiver = columns.to[index] ?? -1
    const sender = columns.from[index] ?? -1
    if ((until[index] ?? 0) > (reach.get(receiver) ?? -1)) continue
    causes.add(index)
    reach.set(sender, Math.max(reach.get(sender) ?? -1, sentAt[index] ?? 0))
  }
  return causes
}
