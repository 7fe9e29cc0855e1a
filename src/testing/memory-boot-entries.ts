import { invariant } from '../core/model/invariant.ts'
import type { BootEntries, EntryFile, TextFile } from '../core/ports.ts'
import type { Loss, PoweredDevice } from './power.ts'
import { Power } from './power.ts'

/** Clusters of a file. Two names may lie on the same ones after a rename that was cut short. */
interface Chain {
  bytes: Uint8Array
}

type Names = Map<string, Chain>

type Change =
  | { readonly kind: 'write'; readonly name: string; readonly bytes: Uint8Array }
  | { readonly kind: 'rename'; readonly from: string; readonly to: string }
  | { readonly kind: 'remove'; readonly name: string }

export interface MemoryBootEntriesInit {
  readonly power?: Power
  readonly capacityBytes?: number
  /** Files of a former life; names with the same array lie on the same clusters. */
  readonly content?: ReadonlyMap<string, Uint8Array>
  readonly newFullError?: () => Error
}

/**
 * Fake of port `BootEntries` with the manners of FAT: what was not synced may be lost, in any order; a rename may
 * leave two names; and removing one of two names on the same clusters destroys the other.
 */
export class MemoryBootEntries implements BootEntries, PoweredDevice {
  readonly #power: Power
  readonly #capacityBytes: number
  readonly #newFullError: () => Error
  #durable: Names
  #current: Names
  #pending: Change[] = []

  constructor({
    power = new Power(),
    capacityBytes = 2 ** 24,
    content = new Map(),
    newFullError,
  }: MemoryBootEntriesInit = {}) {
    this.#power = power
    this.#capacityBytes = capacityBytes
    this.#newFullError = newFullError ?? ((): Error => new Error('the ESP is full'))
    const chains = new Map<Uint8Array, Chain>()
    this.#durable = new Map(
      [...content].map(([name, bytes]) => {
        const chain = chains.get(bytes) ?? { bytes }
        chains.set(bytes, chain)
        return [name, chain]
      }),
    )
    this.#current = new Map(this.#durable)
    power.connect(this)
  }

  /** What is durable. */
  get content(): ReadonlyMap<string, Uint8Array> {
    return new Map([...this.#durable].map(([name, { bytes }]) => [name, bytes]))
  }

  async list(): Promise<readonly EntryFile[]> {
    this.#power.check()
    return [...this.#current].map(([name, { bytes }]) => ({ name, bytes: bytes.byteLength }))
  }

  async freeBytes(): Promise<number> {
    this.#power.check()
    const used = new Set(this.#current.values())
    return this.#capacityBytes - [...used].reduce((sum, { bytes }) => sum + bytes.byteLength, 0)
  }

  async read(name: string, bytesMax = Number.MAX_SAFE_INTEGER): Promise<Uint8Array> {
    this.#power.check()
    const chain = this.#current.get(name)
    invariant(chain !== undefined, `there is a file ${name}`)
    return chain.bytes.subarray(0, bytesMax)
  }

  async write(name: string, content: AsyncIterable<Uint8Array>): Promise<void> {
    this.#power.check()
    let bytes = new Uint8Array(0)
    for await (const part of content) {
      bytes = joined(bytes, part)
      if (part.byteLength > (await this.freeBytes())) throw this.#newFullError()
      this.#do({ kind: 'write', name, bytes })
    }
  }

  async rename(from: string, to: string): Promise<void> {
    this.#power.check()
    invariant(this.#current.has(from) && !this.#current.has(to), `${from} can become ${to}`)
    this.#do({ kind: 'rename', from, to })
  }

  async remove(name: string): Promise<void> {
    this.#power.check()
    invariant(this.#current.has(name), `there is a file ${name}`)
    this.#do({ kind: 'remove', name })
  }

  async sync(): Promise<void> {
    this.#power.check()
    this.#power.tick()
    for (const change of this.#pending) apply(this.#durable, change)
    this.#pending = []
    this.#current = new Map(this.#durable)
  }

  lose(loss: Loss): void {
    for (const [index, change] of this.#pending.entries()) {
      const isLast = index === this.#pending.length - 1
      if (loss === 'lost' || (loss === 'last-only' && !isLast && change.kind === 'write')) continue
      if (loss === 'kept') apply(this.#durable, change)
      else applyTorn(this.#durable, this.#current, change, loss)
    }
    this.#pending = []
    this.#current = new Map(this.#durable)
  }

  #do(change: Change): void {
    this.#pending.push(change)
    apply(this.#current, change)
    this.#power.tick()
  }
}

/** Fake of port `TextFile`: a journalled file system replaces a file as a whole or not at all. */
export class MemoryTextFile implements TextFile {
  text: string | undefined
  readonly #power: Power

  constructor(text?: string, power: Power = new Power()) {
    this.text = text
    this.#power = power
  }

  async load(): Promise<string | undefined> {
    this.#power.check()
    return this.text
  }

  async save(text: string): Promise<void> {
    this.#power.check()
    // Before and after: two operations, so that a cut may find either.
    this.#power.tick()
    this.text = text
    this.#power.tick()
  }
}

function apply(names: Names, change: Change): void {
  switch (change.kind) {
    case 'write':
      names.set(change.name, { bytes: new Uint8Array(change.bytes) })
      break
    case 'rename': {
      const chain = names.get(change.from)
      if (chain === undefined) break
      names.set(change.to, chain)
      names.delete(change.from)
      break
    }
    case 'remove': {
      const chain = names.get(change.name)
      names.delete(change.name)
      // The clusters are free now: whoever else lies on them reads what is written there next.
      if (chain !== undefined) chain.bytes = new Uint8Array(chain.bytes.byteLength)
      break
    }
  }
}

function applyTorn(names: Names, current: Names, change: Change, loss: Loss): void {
  if (change.kind === 'write') {
    const half = new Uint8Array(change.bytes)
    half.fill(0, Math.ceil(half.byteLength / 2))
    // A name that is there before its bytes: FAT writes directory and data as it likes.
    apply(names, {
      ...change,
      bytes: loss === 'first-half' ? half.subarray(0, Math.ceil(half.byteLength / 2)) : half,
    })
    return
  }
  if (change.kind === 'remove') {
    apply(names, change)
    return
  }
  // Reordered: the file whose name changes may never have been written under the old one.
  const chain = names.get(change.from) ?? torn(current.get(change.to))
  if (chain === undefined) return
  if (loss === 'both-names') names.set(change.to, chain)
  else if (loss === 'empty-name') names.set(change.to, { bytes: new Uint8Array(0) })
  else {
    names.delete(change.from)
    names.set(
      loss === 'short-name' && change.to.toLowerCase().endsWith('.efi') ? 'MUSTER~1.EFI' : change.to,
      chain,
    )
  }
}

function torn(chain: Chain | undefined): Chain | undefined {
  return chain === undefined
    ? undefined
    : { bytes: new Uint8Array(chain.bytes).fill(0, Math.ceil(chain.bytes.byteLength / 2)) }
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(a.byteLength + b.byteLength)
  out.set(a)
  out.set(b, a.byteLength)
  return out
}
