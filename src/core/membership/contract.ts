import type { Crypto } from '../model/crypto.ts'
import type { Hash, Instant, NodeId } from '../model/ids.ts'
import type { MemberRecord, MemberView } from '../model/member.ts'
import type { MembershipMessage } from '../model/message.ts'
import type { Random } from '../model/random.ts'
import type { SpecTimers } from '../model/spec.ts'

/** What a membership machine is made of. */
export interface MembershipInit {
  readonly self: NodeId
  readonly networkId: Hash
  readonly crypto: Crypto
  readonly random: Random
  readonly timers: SpecTimers
  /** Own record, unsigned. Its incarnation comes from `incarnationAtBoot`. */
  readonly own: MemberRecord
  readonly now: Instant
}

/** What the machine asks for and tells, in order. */
export type MembershipOutput =
  | { readonly kind: 'send'; readonly to: NodeId; readonly message: MembershipMessage }
  /** A record or a liveness changed. */
  | {
      readonly kind: 'changed'
      readonly id: NodeId
      readonly previous: MemberView | undefined
      readonly current: MemberView
    }
  /** A peer did what no honest one does: it is to be cut off and named. */
  | {
      readonly kind: 'misconduct'
      readonly peer: NodeId
      readonly code: 'Garbage' | 'Flood' | 'Replay'
      readonly detail: string
    }
  /** Signed proof of two live starts of one key, ours or another's; `incarnation` is the one just heard. */
  | {
      readonly kind: 'clone'
      readonly id: NodeId
      readonly incarnation: number
      readonly detail: string
    }
