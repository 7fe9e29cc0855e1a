import type { Verdict } from '../consensus/acceptor.ts'
import { autoMinimum, charterTerms, describeSetting, mayVoteUnder, sameSetting } from '../consensus/terms.ts'
import type { NodeId } from '../model/ids.ts'
import { sortedIds } from '../model/ids.ts'
import type { Waiting } from '../model/condition.ts'
import type { Hash } from '../model/ids.ts'
import type { MembershipView, MemberView } from '../model/member.ts'
import type { CharterTerms } from '../model/plan.ts'
import type { BootstrapSetting } from '../model/spec.ts'

/** All that the rules of generation 0 depend on. */
export interface BirthSituation {
  readonly self: NodeId
  readonly setting: BootstrapSetting
  readonly specHash: Hash
  readonly controlPlane: number
  /** Whether this node has an installed, durable store. */
  readonly durable: boolean
  /** Every identity ever heard of, sorted. */
  readonly seen: readonly NodeId[]
  readonly view: MembershipView
  /** A certified plan of this network was heard of: join beats init. */
  readonly planHeard: boolean
  /** Milliseconds until voting is enabled: the configured delay, or the settle time of `auto`. */
  readonly holdMs: number
  /** `auto`: listed nodes to go on without, by the operator's order. */
  readonly without: readonly NodeId[]
}

/** The terms that this node may offer now, or what it waits for. */
export type BirthOffer =
  | { readonly kind: 'offer'; readonly terms: CharterTerms }
  | { readonly kind: 'refused'; readonly reason: string; readonly message: string }
  | { readonly kind: 'waiting'; readonly waiting: Omit<Waiting, 'since' | 'retryAt'> }

/** The identities that may vote or count: all but those known to be mere live installers. */
export function countedIdentities(situation: BirthSituation): readonly NodeId[] {
  const fleeting = new Set(
    situation.view.members
      .filter((member) => !member.record.facts.durable)
      .map((member) => member.record.nodeId),
  )
  return situation.seen.filter((id) => !fleeting.has(id))
}

/** Members that would found a cluster together with this node: installed, alive, with the same wishes. */
export function founders(situation: BirthSituation): readonly NodeId[] {
  return sortedIds([
    ...situation.view.members
      .filter((member) => isFounder(member, situation))
      .map((member) => member.record.nodeId),
    ...(situation.durable ? [situation.self] : []),
  ])
}

function isFounder(member: MemberView, { setting, specHash }: BirthSituation): boolean {
  const { record, liveness } = member
  return (
    record.facts.durable &&
    !record.left &&
    (liveness === 'alive' || liveness === 'suspect') &&
    record.plan.generation < 0 &&
    record.specHash === specHash &&
    sameSetting(record.bootstrap, setting)
  )
}

/** Whom to ask for a promise under these terms. */
export function birthElectors(situation: BirthSituation, terms: CharterTerms): readonly NodeId[] {
  return terms.list.length > 0 ? terms.list.filter((id) => mayVoteUnder(terms, id)) : founders(situation)
}

/** What this node may offer. */
export function offerBirth(situation: BirthSituation): BirthOffer {
  const { setting, self, durable, planHeard, holdMs } = situation
  const wait = (
    what: string,
    have: number,
    need: number,
    missing: readonly string[],
    message: string,
  ): BirthOffer => ({ kind: 'waiting', waiting: { for: what, have, need, missing, message } })

  if (!durable) return { kind: 'refused', reason: 'NotInstalled', message: 'a live installer does not vote' }
  if (planHeard) {
    return wait(
      'voters',
      0,
      1,
      [],
      'a certified plan was heard of: waiting for a majority of its voters to confirm it',
    )
  }
  const crowded = tooMany(situation)
  if (crowded !== undefined) return { kind: 'refused', ...crowded }
  const ready = founders(situation)
  const terms = charterTerms(setting, countedIdentities(situation), situation.without)
  if (!mayVoteUnder(terms, self)) {
    return { kind: 'refused', reason: 'NotAVoter', message: 'this node is not in the list of voters' }
  }
  if (terms.list.length > 0) {
    const electors = birthElectors(situation, terms)
    const missing = electors.filter((id) => !ready.includes(id))
    if (setting.mode === 'auto') {
      const need = Math.max(autoMinimum(situation.controlPlane), electors.length)
      if (ready.length < need) {
        return wait('machines', ready.length, need, missing, autoMessage(ready.length, need, missing.length))
      }
    } else if (electors.length - missing.length < terms.quorum) {
      const have = electors.length - missing.length
      return wait(
        'voters',
        have,
        terms.quorum,
        missing,
        `${have} of the ${terms.quorum} named voters needed are here`,
      )
    }
  } else if (ready.length < terms.quorum) {
    const message = `${ready.length} of ${terms.quorum} machines found each other (${describeSetting(setting)})`
    return wait('machines', ready.length, terms.quorum, [], message)
  }
  if (holdMs > 0) {
    const why = setting.mode === 'auto' ? 'no new machine has shown up for long enough' : 'voting is enabled'
    return wait('time', 0, 1, [], `waiting ${Math.ceil(holdMs / 1_000)} s more until ${why}`)
  }
  return { kind: 'offer', terms }
}

function autoMessage(have: number, need: number, missing: number): string {
  return missing > 0
    ? `auto: ${missing} machine(s) that were seen before are silent, and nothing is decided without them`
    : `auto: ${have} of at least ${need} machines found each other`
}

/** Whether this node may promise or accept under these terms now. A function of the present, never replayed. */
export function admitBirth(situation: BirthSituation, terms: CharterTerms, proposer: NodeId): Verdict {
  const { setting, self, durable, planHeard, holdMs } = situation
  const no = (reason: string, message: string, view?: readonly NodeId[]): Verdict =>
    view === undefined ? { ok: false, reason, message } : { ok: false, reason, message, view }

  if (!durable) return no('NotInstalled', 'a live installer does not vote')
  if (planHeard) return no('PlanHeard', 'a certified plan of this network exists: join beats init')
  if (!sameSetting(setting, terms.setting)) {
    return no(
      'BootstrapDiffers',
      `this machine has ${describeSetting(setting)}, not ${describeSetting(terms.setting)}`,
    )
  }
  const asked = situation.view.members.find((member) => member.record.nodeId === proposer)
  if (proposer !== self && asked !== undefined && asked.record.specHash !== situation.specHash) {
    return no('SpecDiffers', 'the configuration of the proposer asks for another cluster')
  }
  const crowded = tooMany(situation)
  if (crowded !== undefined) return no(crowded.reason, crowded.message)
  if (setting.mode === 'auto') {
    const counted = countedIdentities(situation)
    if (counted.some((id) => !terms.list.includes(id))) {
      return no('ViewNotInList', 'this node knows machines that the list lacks', counted)
    }
    if (terms.list.length < autoMinimum(situation.controlPlane)) {
      return no('TooFew', `auto needs at least ${autoMinimum(situation.controlPlane)} machines`)
    }
    if (terms.without.some((id) => !situation.without.includes(id))) {
      return no('WithoutNotOrdered', 'no order to go on without a listed machine is known here')
    }
  } else if (holdMs > 0) {
    return no('VotingNotEnabled', `voting is enabled in ${Math.ceil(holdMs / 1_000)} s`)
  }
  return { ok: true }
}

/** `expect` and `tolerate` are safe only while 2q > M: a node that has seen 2q identities refuses. */
function tooMany(situation: BirthSituation): { reason: string; message: string } | undefined {
  const { setting } = situation
  if (setting.mode !== 'expect' && setting.mode !== 'tolerate') return undefined
  const quorum = charterTerms(setting, [], []).quorum
  const counted = countedIdentities(situation).length
  if (counted < 2 * quorum) return undefined
  return {
    reason: 'TooManyIdentities',
    message:
      `${counted} machines are known, and ${describeSetting(setting)} is safe with at most ${2 * quorum - 1}: ` +
      'two clusters could be founded',
  }
}
