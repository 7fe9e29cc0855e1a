import type { Crypto } from '../model/crypto.ts'
import type { NodeId } from '../model/ids.ts'
import type {
  AcceptMessage,
  PrepareMessage,
  PromiseMessage,
  ProposeMessage,
  RefuseMessage,
  VoteStamp,
} from '../model/message.ts'
import type { Ballot, CharterTerms, ClusterPlan } from '../model/plan.ts'
import { planHash } from '../model/plan-hash.ts'
import { compareBallots } from './ballot.ts'
import type { Electorate } from './electorate.ts'
import { countsAsVoter, voteClaim } from './electorate.ts'
import type { Register } from './register.ts'
import { termsFlaw } from './terms.ts'

// The acceptor of single-decree Paxos as pure steps: register and message in, register and reply out.
// Whoever runs a step must make the new register durable before the reply leaves.

/** Yes, or why not. */
export type Verdict =
  | { readonly ok: true }
  | {
      readonly ok: false
      readonly reason: string
      readonly message: string
      readonly view?: readonly NodeId[]
    }

/** What the acceptor asks of the rest of the node. All of it is a function of the present moment. */
export interface AcceptorContext {
  readonly self: NodeId
  readonly bootCounter: number
  readonly electorate: Electorate
  readonly crypto: Crypto
  /** Generation 0: whether this node may promise or accept under these terms here and now. */
  admits(terms: CharterTerms, proposer: NodeId): Verdict
  /** Whether a plan is acceptable on top of the newest certified one; a pure function of both. */
  judge(plan: ClusterPlan): Verdict
}

/** The register after a step, and the answer. The same register object means that nothing changed. */
export interface AcceptorStep {
  readonly register: Register
  readonly reply: PromiseMessage | AcceptMessage | RefuseMessage
}

/** Phase 1: promises to take part in no lower ballot, and reports what was accepted before. */
export function acceptPrepare(
  register: Register,
  from: NodeId,
  message: PrepareMessage,
  context: AcceptorContext,
): AcceptorStep {
  const { ballot, terms } = message
  const barred = barredFrom(register, from, ballot, terms, message, context)
  if (barred !== undefined) return { register, reply: barred }
  const again = register.promised !== null && compareBallots(ballot, register.promised) === 0
  const next: Register = again
    ? register
    : { ...register, promised: ballot, voteSequence: register.voteSequence + 1 }
  return {
    register: next,
    reply: {
      kind: 'promise',
      generation: next.generation,
      parentHash: next.parentHash,
      ballot,
      accepted: next.accepted,
      stamp: stampOf(next, context),
    },
  }
}

/** Phase 2: accepts the plan and signs it, unless a higher ballot was promised. */
export function acceptPropose(
  register: Register,
  from: NodeId,
  message: ProposeMessage,
  context: AcceptorContext,
): AcceptorStep {
  const { ballot, plan, terms } = message
  const { electorate, crypto, self } = context
  const at = { generation: plan.header.generation, parentHash: plan.header.parentHash }
  const barred = barredFrom(register, from, ballot, terms, at, context)
  if (barred !== undefined) return { register, reply: barred }
  const verdict = context.judge(plan)
  if (!verdict.ok) return { register, reply: refusal(register, ballot, verdict) }

  const hash = planHash(plan.header, crypto)
  const held = register.accepted
  const again = held !== null && compareBallots(held.ballot, ballot) === 0
  if (again && planHash(held.plan.header, crypto) !== hash) {
    return {
      register,
      reply: refusal(register, ballot, {
        ok: false,
        reason: 'BallotReused',
        message: 'this ballot was used for another plan',
      }),
    }
  }
  const vote = again
    ? held.vote
    : {
        voter: self,
        signature: crypto.sign('muster/vote/1', voteClaim(electorate, hash, ballot, terms)),
      }
  const next: Register = again
    ? register
    : {
        ...register,
        promised: ballot,
        accepted: { ballot, plan, terms, vote },
        voteSequence: register.voteSequence + 1,
      }
  return {
    register: next,
    reply: { kind: 'accept', ...at, planHash: hash, ballot, vote, stamp: stampOf(next, context) },
  }
}

/** What bars this node from voting in a ballot, in either phase; undefined when nothing does. */
function barredFrom(
  register: Register,
  from: NodeId,
  ballot: Ballot,
  terms: CharterTerms | null,
  at: { readonly generation: number; readonly parentHash: string },
  context: AcceptorContext,
): RefuseMessage | undefined {
  const { electorate, self } = context
  const no = (reason: string, message: string): RefuseMessage =>
    refusal(register, ballot, { ok: false, reason, message })

  if (ballot.proposer !== from) return no('NotTheProposer', 'the ballot names another proposer')
  if (at.generation !== electorate.generation || at.parentHash !== electorate.parentHash) {
    return no('OtherParent', `decides generation ${electorate.generation} on another parent`)
  }
  if ((terms === null) !== electorate.generation > 0)
    return no('BadTerms', 'terms belong to the charter alone')
  const flaw = terms === null ? undefined : termsFlaw(terms)
  if (flaw !== undefined) return no('BadTerms', flaw)
  if (!countsAsVoter(electorate, terms, self)) return no('NotAVoter', 'this node has no vote here')
  if (!countsAsVoter(electorate, terms, from)) return no('NotAVoter', 'the proposer has no vote here')
  if (register.promised !== null && compareBallots(ballot, register.promised) < 0) {
    return no('HigherPromise', 'a higher ballot was promised')
  }
  if (terms !== null) {
    const admitted = context.admits(terms, from)
    if (!admitted.ok) return refusal(register, ballot, admitted)
  }
  return undefined
}

function refusal(register: Register, ballot: Ballot, verdict: Exclude<Verdict, { ok: true }>): RefuseMessage {
  return {
    kind: 'refuse',
    generation: register.generation,
    ballot,
    reason: verdict.reason,
    message: verdict.message,
    promised: verdict.reason === 'HigherPromise' ? register.promised : null,
    view: verdict.view ?? [],
  }
}

function stampOf(register: Register, context: AcceptorContext): VoteStamp {
  return { bootCounter: context.bootCounter, voteSequence: register.voteSequence }
}
