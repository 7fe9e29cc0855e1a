import type { Message } from '../../src/core/model/message.ts'

/** One value of the shared ledger. */
export interface Entry {
  readonly value: string | number
  /** The greater one wins: the writer's wall clock, or one more than what it replaces. */
  readonly version: number
}

/**
 * What edgevpn calls its blockchain, as provider-kairos uses it: one replicated map that lives in memory alone. The
 * bucket of provider-kairos has no owner, so that any node may write any key and the last writer wins. (This is the
 * `enforce` mode of edgevpn 0.35, which merges key by key. The older mode replaced the whole block and lost more.)
 */
export type Ledger = ReadonlyMap<string, Entry>

/** A ledger with this value written. `wallClock` in milliseconds, with a fraction: the real one counts nanoseconds. */
export function write(ledger: Ledger, key: string, value: string | number, wallClock: number): Ledger {
  const version = Math.max((ledger.get(key)?.version ?? 0) + 1, wallClock)
  return new Map(ledger).set(key, { value, version })
}

/** Takes in another node's ledger, key by key; the same object where it brought nothing new. */
export function merge(ledger: Ledger, other: Ledger): Ledger {
  let merged: Map<string, Entry> | undefined
  for (const [key, entry] of other) {
    if (entry.version <= (ledger.get(key)?.version ?? Number.NEGATIVE_INFINITY)) continue
    merged ??= new Map(ledger)
    merged.set(key, entry)
  }
  return merged ?? ledger
}

/** Keys under a prefix, without it, whose value is a moment less than `windowMs` before `now`. Sorted. */
export function seenWithin(ledger: Ledger, prefix: string, windowMs: number, now: number): readonly string[] {
  return [...ledger]
    .filter(([key, { value }]) => key.startsWith(prefix) && now - Number(value) < windowMs)
    .map(([key]) => key.slice(prefix.length))
    .toSorted()
}

/** The whole ledger on its way: edgevpn has no smaller message. */
interface LedgerMessage {
  readonly kind: 'ledger'
  readonly ledger: Ledger
}

/**
 * Packs a ledger for the world's network, which carries whatever has a kind and looks inside of nothing. It is no
 * message of muster's: the types are told otherwise here alone, and the real codec would refuse it.
 */
export function ledgerMessage(ledger: Ledger): Message {
  const message: LedgerMessage = { kind: 'ledger', ledger }
  return message as unknown as Message
}

/** The ledger in a message; undefined: it is something else. */
export function ledgerIn(message: Message): Ledger | undefined {
  const some = message as unknown as LedgerMessage
  return some.kind === 'ledger' ? some.ledger : undefined
}
