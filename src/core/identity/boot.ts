import type { Codec } from '../model/codec.ts'
import { integer, pattern, struct } from '../model/codec.ts'

/** One start of the agent. Kept under the state key `boot`, persisted before the first word is sent. */
export interface BootRecord {
  /** 1 at the first start, raised by one at each. */
  readonly counter: number
  /** Random hex, new at each start: two live starts with one counter are a clone. */
  readonly nonce: string
}

/** Strict shape of a boot record that is read back from a disk. */
export const bootCodec: Codec<BootRecord> = struct({
  counter: integer(1),
  nonce: pattern(/^[0-9a-f]{16,64}$/, 'a nonce in hex'),
})

/** The record of the start that begins now. */
export function nextBoot(previous: BootRecord | undefined, nonce: string): BootRecord {
  return { counter: (previous?.counter ?? 0) + 1, nonce }
}

/**
 * What a start heard of somewhere says about this one, where both use one key:
 * - `self`: it is this very start.
 * - `earlier`: a former start of this node, still remembered.
 * - `twin`: the same counter with another nonce: two machines live on copies of one disk.
 * - `later`: a start that this disk does not know: the disk was rolled back, or a copy has lived on.
 */
export type BootRelation = 'self' | 'earlier' | 'twin' | 'later'

/** Compares this start with one of the same key that was heard of. */
export function compareBoots(own: BootRecord, heard: BootRecord): BootRelation {
  if (heard.counter > own.counter) return 'later'
  if (heard.counter < own.counter) return 'earlier'
  return heard.nonce === own.nonce ? 'self' : 'twin'
}
