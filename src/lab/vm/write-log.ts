import { type DiskEvent, partsThatRemain } from './volatile-disk.ts'

// What was written to one part of a disk, in order, and what a power cut at any moment can have left of it.

/** Part of a disk, in bytes. */
export interface DiskRange {
  readonly offset: number
  readonly bytes: number
}

/** Records what happens within a range. Offsets of what is kept count from the range's start. */
export class WriteLog {
  readonly range: DiskRange
  readonly #events: DiskEvent[] = []

  constructor(range: DiskRange) {
    this.range = range
  }

  get events(): readonly DiskEvent[] {
    return this.#events
  }

  /** Takes note of an event of the whole disk. */
  record(event: DiskEvent): void {
    if (event.kind === 'flush') {
      // Flushes with nothing of ours between them say nothing.
      if (this.#events.at(-1)?.kind === 'write') this.#events.push(event)
      return
    }
    const start = Math.max(event.offset, this.range.offset)
    const end = Math.min(event.offset + event.data.length, this.range.offset + this.range.bytes)
    if (end <= start) return
    this.#events.push({
      ...event,
      offset: start - this.range.offset,
      data: event.data.subarray(start - event.offset, end - event.offset),
    })
  }
}

/** Bytes that a power cut left on top of what was there before the log began; in the order in which they are put. */
export interface Remains {
  /** How many events had happened. */
  readonly events: number
  readonly writes: readonly { readonly offset: number; readonly data: Buffer }[]
}

/**
 * What may be there when the power fails after the first `count` events: everything up to the last flush, every
 * forced write, and of the rest what the lots leave.
 */
export function remainsAfter(events: readonly DiskEvent[], count: number, random: () => number): Remains {
  const happened = events.slice(0, count)
  const lastFlush = happened.findLastIndex((event) => event.kind === 'flush')
  const writes = happened.flatMap((event, index) => {
    if (event.kind === 'flush') return []
    if (index < lastFlush || event.isForced) return [event]
    return partsThatRemain(event.offset, event.data, random)
  })
  return { events: count, writes: writes.map(({ offset, data }) => ({ offset, data })) }
}
