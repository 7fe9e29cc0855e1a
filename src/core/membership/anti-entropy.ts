import type { NodeId } from '../model/ids.ts'
import { compareIds } from '../model/ids.ts'
import { claimsPerMessageMax, recordsPerMessageMax } from '../model/limits.ts'
import type { LivenessClaim, SignedRecord } from '../model/member.ts'
import { compareRecords } from '../model/member.ts'
import type { GossipMessage } from '../model/message.ts'
import type { RecordTable, RecordVersion } from './record-table.ts'

// Anti-entropy repairs what gossip lost. It costs one small message as long as nothing is missing:
//
//   A ── digest {whole, ask} ──▶ B      equal: B is silent, that was all
//   A ◀── digest {versions} ──── B      different
//   A ── gossip {records} ─────▶ B      what B lacks
//   A ── records-request ──────▶ B      what A lacks
//   A ◀── gossip {records} ───── B

/** What two tables differ in, seen from ours. Both lists are sorted. */
export interface Difference {
  /** We lack these, or hold older ones. */
  readonly lacking: readonly NodeId[]
  /** They lack these, or hold older ones. */
  readonly surplus: readonly NodeId[]
}

/** Compares versions. `ours` is sorted; `theirs` came from outside and is in any order. */
export function compareVersions(
  ours: readonly RecordVersion[],
  theirs: readonly RecordVersion[],
): Difference {
  const theirById = new Map(theirs.map((version) => [version.id, version]))
  const surplus: NodeId[] = []
  const lacking: NodeId[] = []
  for (const version of ours) {
    const other = theirById.get(version.id)
    theirById.delete(version.id)
    const order = other === undefined ? 1 : compareRecords(version, other)
    if (order > 0) surplus.push(version.id)
    if (order < 0) lacking.push(version.id)
  }
  lacking.push(...theirById.keys())
  return { lacking: lacking.toSorted(compareIds), surplus }
}

/**
 * The records of these ids, in messages within the limits. What is held against a member goes with its
 * record: a newcomer must not take the dead for living.
 */
export function packRecords(ids: readonly NodeId[], table: RecordTable): GossipMessage[] {
  const messages: GossipMessage[] = []
  let records: SignedRecord[] = []
  let claims: LivenessClaim[] = []
  const flush = (): void => {
    if (records.length > 0) messages.push({ kind: 'gossip', records, claims })
    records = []
    claims = []
  }
  for (const id of ids) {
    const signed = table.signed(id)
    if (signed === undefined || table.isRevoked(id)) continue
    records.push(signed)
    const claim = claimAgainst(id, table)
    if (claim !== undefined) claims.push(claim)
    if (records.length === recordsPerMessageMax || claims.length === claimsPerMessageMax) flush()
  }
  flush()
  return messages
}

/** What this node holds against a member: that it is suspect or dead. */
export function claimAgainst(id: NodeId, table: RecordTable): LivenessClaim | undefined {
  const signed = table.signed(id)
  const liveness = table.liveness(id)
  if (signed === undefined || (liveness !== 'suspect' && liveness !== 'dead')) return undefined
  return { subject: id, incarnation: signed.record.incarnation, liveness, by: table.accuser(id) }
}
