import { closeSync, fstatSync, ftruncateSync, openSync, readSync, writeSync } from 'node:fs'

/** One change of a disk that a power cut may still undo. */
export interface DiskWrite {
  readonly offset: number
  readonly before: Buffer
  readonly after: Buffer
}

/** What happens to a disk, in order. */
export type DiskEvent =
  | { readonly kind: 'write'; readonly offset: number; readonly data: Buffer; readonly isForced: boolean }
  | { readonly kind: 'flush' }

/** What is written as one: a power cut leaves whole sectors. */
export const sectorBytes = 512

/** A disk holds no more back than this; then the oldest is on stable storage. Drives have 8 to 256 MiB. */
const cacheBytesMax = 256 * 1_024 * 1_024

/** A run of zeroes is written in parts of this size. */
const zeroesBytes = 1_024 * 1_024

/**
 * A disk with a volatile cache, over a sparse file. A write is seen by every read at once, but until the next flush
 * a power cut may lose it, whole or in part, and in any order.
 */
export class VolatileDisk {
  readonly bytes: number
  readonly #file: number
  readonly #onEvent: (event: DiskEvent) => void
  #unflushed: DiskWrite[] = []
  #unflushedBytes = 0

  /** Opens a file; with `bytes` it gets that size. `onEvent` is told everything that happens. */
  constructor(path: string, bytes?: number, onEvent: (event: DiskEvent) => void = () => undefined) {
    this.#file = openSync(path, bytes === undefined ? 'r+' : 'a+')
    closeSync(this.#file)
    this.#file = openSync(path, 'r+')
    if (bytes !== undefined) ftruncateSync(this.#file, bytes)
    this.bytes = fstatSync(this.#file).size
    this.#onEvent = onEvent
  }

  /** Whether a request lies on the disk. */
  holds(offset: number, length: number): boolean {
    return offset >= 0 && length >= 0 && offset + length <= this.bytes
  }

  read(offset: number, length: number): Buffer {
    const data = Buffer.alloc(length)
    for (let done = 0; done < length;) {
      const count = readSync(this.#file, data, done, length - done, offset + done)
      if (count === 0) break
      done += count
    }
    return data
  }

  write(offset: number, data: Buffer, isForced: boolean): void {
    this.#onEvent({ kind: 'write', offset, data, isForced })
    // A forced write is not overtaken by what was written before to the same place.
    if (isForced) this.#settle(offset, data.length)
    else this.#remember({ offset, before: this.read(offset, data.length), after: data })
    this.#put(offset, data)
  }

  /** Zeroes, for a trim as well: what a trimmed sector reads as is the disk's own affair. What is zero already takes no space. */
  zero(offset: number, length: number, isForced: boolean): void {
    for (let done = 0; done < length; done += zeroesBytes) {
      const at = offset + done
      const zeroes = Buffer.alloc(Math.min(zeroesBytes, length - done))
      if (this.read(at, zeroes.length).equals(zeroes)) {
        this.#onEvent({ kind: 'write', offset: at, data: zeroes, isForced })
        if (isForced) this.#settle(at, zeroes.length)
      } else this.write(at, zeroes, isForced)
    }
  }

  flush(): void {
    this.#onEvent({ kind: 'flush' })
    this.#unflushed = []
    this.#unflushedBytes = 0
  }

  /** The power fails: of each write since the last flush all, nothing, or some sectors remain, as lots are drawn. */
  losePower(random: () => number): void {
    for (const { offset, before } of this.#unflushed.toReversed()) this.#put(offset, before)
    for (const write of this.#unflushed) {
      for (const part of partsThatRemain(write.offset, write.after, random)) this.#put(part.offset, part.data)
    }
    this.#unflushed = []
    this.#unflushedBytes = 0
  }

  close(): void {
    closeSync(this.#file)
  }

  /** A forced write makes what was there before it in the same place final: nothing may bring it back. */
  #settle(offset: number, length: number): void {
    this.#unflushed = this.#unflushed.filter(
      (write) => write.offset + write.after.length <= offset || offset + length <= write.offset,
    )
  }

  #remember(write: DiskWrite): void {
    this.#unflushed.push(write)
    this.#unflushedBytes += write.after.length
    while (this.#unflushedBytes > cacheBytesMax) {
      this.#unflushedBytes -= this.#unflushed.shift()?.after.length ?? this.#unflushedBytes
    }
  }

  #put(offset: number, data: Buffer): void {
    for (let done = 0; done < data.length;) {
      done += writeSync(this.#file, data, done, data.length - done, offset + done)
    }
  }
}

/** Which sectors of a write that was not flushed are there after a power cut: all, none, or a part from the front or the back. */
export function partsThatRemain(
  offset: number,
  data: Buffer,
  random: () => number,
): { readonly offset: number; readonly data: Buffer }[] {
  const lot = random()
  if (lot < 0.4) return []
  if (lot < 0.8 || data.length <= sectorBytes) return [{ offset, data }]
  const cut = Math.ceil((random() * data.length) / sectorBytes) * sectorBytes
  return random() < 0.5
    ? [{ offset, data: data.subarray(0, cut) }]
    : [{ offset: offset + cut, data: data.subarray(cut) }]
}
