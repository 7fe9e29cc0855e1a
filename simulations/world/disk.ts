import type { BirthRecord } from '../../src/core/identity/birth.ts'
import { decodeStrict, encodeCanonical } from '../../src/core/model/codec.ts'
import type { StoredState, Write } from '../../src/core/ports.ts'
import type { Identity } from './identity.ts'

/** What one copy of the state holds. Never changed: a persist makes a new one. */
export interface Document {
  readonly identity: Identity
  readonly birth: BirthRecord
  readonly values: StoredState['values']
  readonly chain: readonly unknown[]
  readonly sequence: number
}

/**
 * A machine's state disk, with what the production store guarantees (src/adapters/store): identity, votes and chain are
 * one document in two copies; a persist is all or nothing and is answered when both copies hold it; a cut one leaves the
 * old state or the new one, and what a start finds is on both copies before it is used; damage of one copy is mended from
 * the other; where both are damaged the identity is gone.
 */
export class Disk {
  #copies: readonly [Document | undefined, Document | undefined] = [undefined, undefined]
  #damaged = false
  #putBack = false
  /** What the disk held, for a while back: a virtual machine's snapshots. */
  #history: { readonly at: number; readonly document: Document }[] = []
  readonly #encoded: boolean
  readonly #remembers: boolean

  /**
   * @param encoded values go through real bytes, as in production
   * @param remembers keeps what was there, for `rollBack`
   */
  constructor(encoded: boolean, remembers: boolean) {
    this.#encoded = encoded
    this.#remembers = remembers
  }

  /** What a start finds: the newest copy, or nothing. `lost`: there was an identity, and no copy of it is whole. */
  open(): { readonly document: Document | undefined; readonly lost: boolean } {
    const [a, b] = this.#copies
    const newest = a === undefined || (b !== undefined && b.sequence > a.sequence) ? b : a
    const lost = newest === undefined && this.#damaged
    this.#copies = [newest, newest]
    this.#damaged = false
    return { document: newest, lost }
  }

  /** Whether the identity on this disk has lived on after what the disk holds of it. */
  get wasPutBack(): boolean {
    return this.#putBack
  }

  /** What is durable now; undefined on an empty disk. */
  get document(): Document | undefined {
    return this.#copies[0] ?? this.#copies[1]
  }

  /** A new identity on an empty disk. */
  create(identity: Identity, birth: BirthRecord): Document {
    const document = { identity, birth, values: {}, chain: [], sequence: 1 }
    this.#putBack = false
    this.#copies = [document, document]
    return document
  }

  /** All of it, durable when this returns. */
  persist(writes: readonly Write[], at: number): void {
    const next = this.#after(writes)
    if (this.#remembers && this.document !== undefined) this.#history.push({ at, document: this.document })
    this.#copies = [next, next]
  }

  /** A persist that was cut in the middle of a copy: that one reads back wrong, and the other is whole. */
  tear(writes: readonly Write[], keeps: boolean): void {
    const whole = keeps ? this.#after(writes) : this.document
    this.#copies = keeps ? [whole, undefined] : [undefined, whole]
    this.#damaged = whole !== undefined
  }

  adoptBirth(birth: BirthRecord): void {
    const document = this.document
    if (document === undefined) return
    const next = { ...document, birth, sequence: document.sequence + 1 }
    this.#copies = [next, next]
  }

  /** One copy reads back wrong, or both. */
  rot(copies: number): void {
    const [, b] = this.#copies
    this.#damaged ||= this.document !== undefined
    this.#copies = copies === 1 ? [undefined, b] : [undefined, undefined]
  }

  wipe(): void {
    this.#copies = [undefined, undefined]
    this.#damaged = false
  }

  /** Puts back what it held at `time`. Whether that was something else of the same identity. */
  rollBack(time: number): boolean {
    const { document } = this
    const kept = this.#history.find((one) => one.at >= time)?.document
    if (document === undefined || kept === undefined || kept === document) return false
    if (kept.identity !== document.identity) return false
    this.#copies = [kept, kept]
    this.#putBack = true
    return true
  }

  /** Makes this disk a copy of another one. */
  copyFrom(other: Disk): void {
    this.#copies = [other.document, other.document]
    this.#damaged = false
  }

  #after(writes: readonly Write[]): Document {
    const document = this.document
    if (document === undefined) throw new Error('a disk without an identity is not written')
    const values: Record<string, unknown> = { ...document.values }
    let { chain } = document
    for (const write of writes) {
      const value = this.#encoded ? decodeStrict(anything, encodeCanonical(write.value)) : write.value
      if (write.op === 'put') values[write.key] = value
      else chain = [...chain, value]
    }
    return { ...document, values, chain, sequence: document.sequence + 1 }
  }
}

const anything = { read: (value: unknown): unknown => value }
