import type { Codec } from '../model/codec.ts'
import { dictionary, integer, nullable, struct, text } from '../model/codec.ts'
import type { Hash, NodeId } from '../model/ids.ts'
import { membersMax } from '../model/limits.ts'
import type { AcceptedValue, VoteStamp } from '../model/message.ts'
import type { Ballot } from '../model/plan.ts'
import { acceptedCodec, ballotCodec } from '../model/wire.ts'

/**
 * The one durable register of a voter: what it promised, what it accepted, and which ballot numbers it used
 * as a proposer. It is written before any message that depends on it is sent, and emptied only by the next
 * certified plan.
 */
export interface Register {
  /** The generation that is being decided. */
  readonly generation: number
  readonly parentHash: Hash | ''
  readonly promised: Ballot | null
  readonly accepted: AcceptedValue | null
  /** Highest ballot number this node used as a proposer in this generation; -1: none. */
  readonly proposedNumber: number
  /** Grows with every change, across generations and boots. */
  readonly voteSequence: number
  /** The highest stamp seen of each other voter. */
  readonly stamps: Readonly<Record<NodeId, VoteStamp>>
}

/** The register at the start of a generation. The sequence and the stamps of others live on. */
export function emptyRegister(
  generation: number,
  parentHash: Hash | '',
  previous?: Pick<Register, 'voteSequence' | 'stamps'>,
): Register {
  return {
    generation,
    parentHash,
    promised: null,
    accepted: null,
    proposedNumber: -1,
    voteSequence: previous?.voteSequence ?? 0,
    stamps: previous?.stamps ?? {},
  }
}

const stamp = struct({ bootCounter: integer(), voteSequence: integer() })

export const registerCodec: Codec<Register> = struct({
  generation: integer(),
  parentHash: text(64),
  promised: nullable(ballotCodec),
  accepted: nullable(acceptedCodec),
  proposedNumber: integer(-1),
  voteSequence: integer(),
  stamps: dictionary(stamp, membersMax),
})
