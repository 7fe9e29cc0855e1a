import { invariant } from '../core/model/invariant.ts'
import type { DiskRegion, DiskTarget } from '../core/ports.ts'
import { readMemoryFileSystem } from './memory-file-systems.ts'
import type { Loss, PoweredDevice } from './power.ts'
import { Power } from './power.ts'

const pageBytes = 4_096
const zeroPage = new Uint8Array(pageBytes)

type Pages = Map<number, Uint8Array>

/** What a disk in memory holds; pages that were never written read as this. */
export interface MemoryDiskInit {
  readonly sizeBytes: number
  /** Logical sectors; 512 where nothing is said. */
  readonly sectorBytes?: number
  readonly power?: Power
  /** Pages of a former life; see `MemoryDiskTarget.content`. */
  readonly content?: ReadonlyMap<number, Uint8Array>
  /** Called before each write, to make it fail as a disk does. */
  readonly onWrite?: (region: DiskRegion) => void
}

/** Fake of port `DiskTarget` whose unsynced writes are lost, torn or swapped when the power goes. */
export class MemoryDiskTarget implements DiskTarget, PoweredDevice {
  readonly path = '/dev/memory'
  readonly sectorBytes: number
  readonly sizeBytes: number
  readonly #power: Power
  readonly #onWrite: ((region: DiskRegion) => void) | undefined
  readonly #durable: Pages
  readonly #current: Pages
  #pending: { readonly offset: number; readonly bytes: Uint8Array }[] = []

  constructor({
    sizeBytes,
    sectorBytes = 512,
    power = new Power(),
    content = new Map(),
    onWrite,
  }: MemoryDiskInit) {
    this.sizeBytes = sizeBytes
    this.sectorBytes = sectorBytes
    this.#power = power
    this.#onWrite = onWrite
    this.#durable = new Map(content)
    this.#current = new Map(content)
    power.connect(this)
  }

  /** What is durable: hand it to the disk of the next life. */
  get content(): ReadonlyMap<number, Uint8Array> {
    return this.#durable
  }

  async read(offset: number, bytes: number): Promise<Uint8Array> {
    this.#power.check()
    return this.peek(offset, bytes)
  }

  /** Reads without waiting, as a judge does. */
  peek(offset: number, bytes: number): Uint8Array {
    invariant(offset >= 0 && offset + bytes <= this.sizeBytes, 'a read lies within the disk')
    const out = new Uint8Array(bytes)
    for (let at = offset; at < offset + bytes;) {
      const page = Math.floor(at / pageBytes)
      const within = at % pageBytes
      const length = Math.min(pageBytes - within, offset + bytes - at)
      const source = this.#current.get(page)
      if (source !== undefined) out.set(source.subarray(within, within + length), at - offset)
      at += length
    }
    return out
  }

  async write(offset: number, bytes: Uint8Array): Promise<void> {
    this.#power.check()
    invariant(offset >= 0 && offset + bytes.byteLength <= this.sizeBytes, 'a write lies within the disk')
    this.#onWrite?.({ offset, bytes: bytes.byteLength })
    const copy = new Uint8Array(bytes)
    this.#pending.push({ offset, bytes: copy })
    apply(this.#current, offset, copy)
    this.#power.tick()
  }

  async flush(): Promise<void> {
    this.#power.check()
    // Cut within a flush, everything may still be lost: the operation counts before anything is durable.
    this.#power.tick()
    for (const { offset, bytes } of this.#pending) apply(this.#durable, offset, bytes)
    this.#pending = []
  }

  async makeFileSystem(
    region: DiskRegion,
    { type, label }: { readonly type: 'ext4' | 'vfat'; readonly label: string },
  ): Promise<void> {
    for (const offset of [0, pageBytes])
      await this.write(region.offset + offset, fileSystemMark(type, label, offset))
    await this.flush()
  }

  async readTextFile(region: DiskRegion, path: string): Promise<string | undefined> {
    const files = readMemoryFileSystem((at, bytes) => this.peek(region.offset + at, bytes), this.sectorBytes)
    const found = files?.find((file) => file.path === path)
    return found && new TextDecoder().decode(found.bytes)
  }

  async close(): Promise<void> {
    this.#pending = []
  }

  lose(loss: Loss): void {
    for (const [index, { offset, bytes }] of this.#pending.entries()) {
      const half = Math.ceil(bytes.byteLength / 2)
      const isLast = index === this.#pending.length - 1
      if (loss === 'kept' || (loss === 'last-only' && isLast)) apply(this.#durable, offset, bytes)
      if (loss === 'first-half') apply(this.#durable, offset, bytes.subarray(0, half))
      if (loss === 'second-half') apply(this.#durable, offset + half, bytes.subarray(half))
      if (loss === 'first-sector') apply(this.#durable, offset, bytes.subarray(0, this.sectorBytes))
      if (loss === 'all-but-first-sector')
        apply(this.#durable, offset + this.sectorBytes, bytes.subarray(this.sectorBytes))
    }
    this.#pending = []
    this.#current.clear()
    for (const [page, bytes] of this.#durable) this.#current.set(page, bytes)
  }
}

/** What an empty file system looks like on a disk in memory. */
export function fileSystemMark(type: string, label: string, offset: number): Uint8Array {
  const mark = new Uint8Array(pageBytes)
  new TextEncoder().encodeInto(`file system ${type} ${label} ${offset}`, mark)
  return mark
}

function apply(pages: Pages, offset: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.byteLength;) {
    const page = Math.floor((offset + at) / pageBytes)
    const within = (offset + at) % pageBytes
    const length = Math.min(pageBytes - within, bytes.byteLength - at)
    const part = bytes.subarray(at, at + length)
    at += length
    // An erased page is one that was never written: tests erase megabytes.
    if (length === pageBytes && Buffer.compare(part, zeroPage) === 0) {
      pages.delete(page)
      continue
    }
    const next = pages.get(page)?.slice() ?? new Uint8Array(pageBytes)
    next.set(part, within)
    pages.set(page, next)
  }
}
