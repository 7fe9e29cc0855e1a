import type { Crypto } from '../model/crypto.ts'
import type { MemberRecord, SignedRecord } from '../model/member.ts'
import { sameData } from '../model/same-data.ts'

/** What a node changes in its own record while it runs. The rest is fixed for one start of the agent. */
export type OwnChanges = Partial<
  Pick<
    MemberRecord,
    | 'phase'
    | 'note'
    | 'endpoints'
    | 'facts'
    | 'plan'
    | 'etcd'
    | 'left'
    | 'bootstrap'
    | 'specHash'
    | 'specKeys'
    | 'overlayPort'
  >
>

/** Incarnations that one boot has for refutations: at one a second they last for twelve days of slander. */
const incarnationsPerBoot = 2 ** 20

/**
 * The incarnation with which a node starts: it grows with the durable boot counter, and refutations of one
 * boot never reach into the next. So a record of an earlier boot is always older, and one incarnation with
 * two boot nonces is proof of a clone.
 */
export function incarnationAtBoot(bootCounter: number): number {
  return bootCounter * incarnationsPerBoot
}

/** Signs this node's own record. */
export function signRecord(crypto: Crypto, record: MemberRecord): SignedRecord {
  return { record, signature: crypto.sign('muster/record/1', record) }
}

/** The record after these changes, one sequence higher; undefined if they change nothing. */
export function changedRecord(record: MemberRecord, changes: OwnChanges): MemberRecord | undefined {
  const changed = Object.entries(changes).some(([key, value]) => !sameData(Reflect.get(record, key), value))
  return changed ? { ...record, ...changes, sequence: record.sequence + 1 } : undefined
}

/** The record that refutes whatever was said of the present incarnation. */
export function refutingRecord(record: MemberRecord): MemberRecord {
  return { ...record, incarnation: record.incarnation + 1, sequence: 0 }
}
