import type { Crypto } from '../model/crypto.ts'
import type { SignedRecord } from '../model/member.ts'
import { compareRecords } from '../model/member.ts'

type Digester = Pick<Crypto, 'digest'>

/** How an offered record stands to the one that is held. Nothing of it is verified yet. */
export type Comparison =
  /** Unknown owner, or a greater version. */
  | 'newer'
  | 'same'
  | 'older'
  /** Two contents that one honest start of one node cannot both have signed. */
  | 'conflict'

/**
 * Compares by (incarnation, sequence). One incarnation belongs to one start of the agent, so another boot
 * nonce in it, or another signature for one version, is a conflict: a clone, if the signature is genuine.
 */
export function compareOffer(held: SignedRecord | undefined, offered: SignedRecord): Comparison {
  if (held === undefined) return 'newer'
  const order = compareRecords(offered.record, held.record)
  if (order === 0 && equalBytes(offered.signature, held.signature)) return 'same'
  const sameStart = offered.record.bootNonce === held.record.bootNonce
  if (order === 0 || (offered.record.incarnation === held.record.incarnation && !sameStart)) return 'conflict'
  return order > 0 ? 'newer' : 'older'
}

/**
 * The record that stays of two genuine ones of one owner: the greater (incarnation, sequence). Between two
 * contents of one version (clones) the greater digest, so that all nodes keep the same one.
 */
export function mergeRecords(a: SignedRecord, b: SignedRecord, crypto: Digester): SignedRecord {
  const order = compareRecords(a.record, b.record)
  if (order !== 0) return order > 0 ? a : b
  return contentDigest(a, crypto) >= contentDigest(b, crypto) ? a : b
}

/** Digest of what a record says, to tell two contents of one version apart. */
export function contentDigest(signed: SignedRecord, crypto: Digester): string {
  return crypto.digest('muster/record/1', signed.record)
}

function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index])
}
