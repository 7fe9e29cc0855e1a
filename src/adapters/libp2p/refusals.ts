import type { NodeId } from '../../core/model/ids.ts'
import { membersMax } from '../../core/model/limits.ts'
import type { RefusalCode } from '../../core/ports.ts'

interface Bar {
  readonly code: RefusalCode
  readonly detail: string
  readonly untilMs: number
  readonly lastsMs: number
}

/** Who is refused for a while, and which refusals were told already. Times are passed in. */
export class Refusals {
  readonly #bars = new Map<NodeId, Bar>()
  readonly #told = new Map<string, number>()
  readonly #minMs: number
  readonly #maxMs: number
  readonly #reportMs: number

  constructor(minMs: number, maxMs: number, reportMs: number) {
    this.#minMs = minMs
    this.#maxMs = maxMs
    this.#reportMs = reportMs
  }

  /** Bars a peer, twice as long as the last time if that is not long ago. Returns how long. */
  bar(peer: NodeId, code: RefusalCode, detail: string, nowMs: number): number {
    const last = this.#bars.get(peer)
    const again = last !== undefined && nowMs < last.untilMs + 4 * last.lastsMs
    const lastsMs = again ? Math.min(this.#maxMs, last.lastsMs * 2) : this.#minMs
    this.#forget(this.#bars)
    this.#bars.set(peer, { code, detail, untilMs: nowMs + lastsMs, lastsMs })
    return lastsMs
  }

  /** Why and for how long a peer is barred, or undefined. */
  barred(peer: NodeId, nowMs: number): { code: RefusalCode; detail: string; leftMs: number } | undefined {
    const bar = this.#bars.get(peer)
    if (bar === undefined || bar.untilMs <= nowMs) return undefined
    const { code, detail } = bar
    return { code, detail, leftMs: bar.untilMs - nowMs }
  }

  /** True if this refusal is to be told: an address or peer that keeps trying is told once a while. */
  worthTelling(who: string, code: RefusalCode, nowMs: number): boolean {
    const key = `${code} ${who}`
    const last = this.#told.get(key)
    if (last !== undefined && nowMs - last < this.#reportMs) return false
    this.#forget(this.#told)
    this.#told.set(key, nowMs)
    return true
  }

  /** Keeps a map small although strangers choose its keys: the oldest entry goes. */
  #forget(map: Map<string, unknown>): void {
    const oldest = map.keys().next()
    if (map.size >= membersMax && oldest.done !== true) map.delete(oldest.value)
  }
}
