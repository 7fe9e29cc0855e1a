import type { BirthRecord } from '../../src/core/identity/birth.ts'
import type { NodeId } from '../../src/core/model/ids.ts'
import type { StateKey, StoredState, Write } from '../../src/core/ports.ts'

/**
 * The state directory of one machine as the production store keeps it: a batch of writes is there whole or not
 * at all, and damage costs the identity, never a part of it. Kept as the log of its writes, so that it can be
 * rolled back and copied.
 */
export class Disk {
  readonly #log: { readonly at: number; readonly write: Write }[]
  /** The key lies on the same disk. */
  readonly id: NodeId
  /** The machine on which the key was born. */
  birth: BirthRecord

  constructor(id: NodeId, birth: BirthRecord, log: readonly { at: number; write: Write }[] = []) {
    this.id = id
    this.birth = birth
    this.#log = [...log]
  }

  write(at: number, writes: readonly Write[]): void {
    for (const write of writes) this.#log.push({ at, write })
  }

  /** What a start reads. */
  load(): StoredState {
    const values: Partial<Record<StateKey, unknown>> = {}
    const chain: unknown[] = []
    for (const { write } of this.#log) {
      if (write.op === 'append') chain.push(write.value)
      else values[write.key] = write.value
    }
    return { values, chain }
  }

  /** Newest value of a part; undefined if it was never written. */
  read(key: StateKey): unknown {
    const found = this.#log.findLast(({ write }) => write.op === 'put' && write.key === key)
    return found?.write.value
  }

  /** An identical disk: the same key, the same state. */
  copy(): Disk {
    return new Disk(this.id, this.birth, this.#log)
  }

  /** The disk as it was then; the same object if nothing was written since. */
  asOf(then: number): Disk {
    const kept = this.#log.filter(({ at }) => at <= then)
    return kept.length === this.#log.length ? this : new Disk(this.id, this.birth, kept)
  }
}
