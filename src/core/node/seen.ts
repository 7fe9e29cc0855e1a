import type { Codec } from '../model/codec.ts'
import { decodeTree, list, pattern, struct } from '../model/codec.ts'
import type { NodeId } from '../model/ids.ts'
import { sortedIds, withId } from '../model/ids.ts'
import { membersMax } from '../model/limits.ts'

const seenCodec: Codec<{ readonly ids: readonly NodeId[] }> = struct({
  ids: list(pattern(/^[1-9A-HJ-NP-Za-km-z]{32,64}$/, 'a peer id'), membersMax),
})

/**
 * Every identity that this node ever heard of, by any means. It is durable and never shrinks: `expect` counts
 * it to refuse a birth with too many machines, and `auto` takes it as the node's view (protocol 2.3).
 */
export class SeenIdentities {
  readonly #ids: Set<NodeId>
  #sorted: readonly NodeId[]
  /** Added and not sorted in yet: a message may bring many. */
  #fresh: NodeId[] = []

  /** @param stored the value under the state key `seen`, or undefined at the first boot */
  constructor(stored: unknown) {
    this.#ids = new Set(stored === undefined ? [] : decodeTree(seenCodec, stored).ids)
    this.#sorted = sortedIds(this.#ids)
  }

  /** Adds identities; whether any was new, so that the set must be persisted. */
  add(ids: Iterable<NodeId>): boolean {
    const before = this.#ids.size
    for (const id of ids) {
      if (this.#ids.has(id) || this.#ids.size >= membersMax) continue
      this.#ids.add(id)
      this.#fresh.push(id)
    }
    return this.#ids.size > before
  }

  has(id: NodeId): boolean {
    return this.#ids.has(id)
  }

  /** All of them, sorted. The same list as long as none is added. */
  all(): readonly NodeId[] {
    if (this.#fresh.length === 0) return this.#sorted
    const [only] = this.#fresh
    this.#sorted =
      this.#fresh.length === 1 && only !== undefined
        ? withId(this.#sorted, only)
        : sortedIds([...this.#sorted, ...this.#fresh])
    this.#fresh = []
    return this.#sorted
  }

  /** What is stored under the state key `seen`. */
  stored(): object {
    return { ids: this.all() }
  }
}
