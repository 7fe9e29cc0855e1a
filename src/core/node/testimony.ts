import type { Instant, NodeId } from '../model/ids.ts'
import { sameUnder } from '../model/facet.ts'
import type { MemberView, ViewOf } from '../model/member.ts'
import type { ClusterPlan } from '../model/plan.ts'
import type { DeadStatement, SilentStatement, StalledStatement } from '../model/statement.ts'
import { deathsToAttest, hearsMajority } from '../planner/deaths.ts'

/** Revocations double the initialiser's time, up to an hour (protocol 2.3). */
const initTimeoutMaxMs = 3_600_000

const testifiedKeys = ['nodeId', 'left', 'incarnation', 'bootNonce'] as const

/** What testimony reads of the view. */
export type TestifiedView = ViewOf<(typeof testifiedKeys)[number]>

/** Whether two states of a member are the same to testimony. */
export function sameToTestimony(a: MemberView, b: MemberView): boolean {
  return a.liveness === b.liveness && a.since === b.since && sameUnder(a.record, b.record, testifiedKeys)
}

/** What a voter's word depends on. */
export interface TestimonySituation {
  readonly self: NodeId
  readonly plan: ClusterPlan
  readonly view: TestifiedView
  /** When the initialiser last showed signed progress under this grant, on this node's clock. */
  readonly progressAt: Instant
  /** Grants that were revoked before this one. */
  readonly revocations: number
  /** Starts of moved keys that are the only ones of their key heard here, each since when. */
  readonly moved: ReadonlyMap<NodeId, { readonly boot: string; readonly since: Instant }>
  /** Nobody is judged dead before. */
  readonly graceUntil: Instant
  readonly now: Instant
}

/** A statement that is due, without the parts that are the same in all of a cluster's statements. */
export type DueStatement =
  | Pick<StalledStatement, 'kind' | 'grant'>
  | Pick<DeadStatement, 'kind' | 'subject' | 'incarnation'>
  | Pick<SilentStatement, 'kind' | 'subject' | 'boot'>

/** When the present grant's initialiser has used up its time; undefined when no grant is under way. */
export function stalledAt(
  situation: Pick<TestimonySituation, 'plan' | 'progressAt' | 'revocations'>,
): Instant | undefined {
  const { plan, progressAt, revocations } = situation
  if (plan.header.phase !== 'granted') return undefined
  const patience = plan.body.spec.timers.initTimeoutMs * 2 ** Math.min(revocations, 30)
  return progressAt + Math.min(patience, Math.max(initTimeoutMaxMs, plan.body.spec.timers.initTimeoutMs))
}

/** What a voter should say now: of an initialiser that stands still, of nodes that are silent, moved or have left. */
export function dueTestimony(situation: TestimonySituation): readonly DueStatement[] {
  const { self, plan, view, graceUntil, now } = situation
  if (!plan.header.voters.includes(self)) return []
  const due: DueStatement[] = []
  const stalled = stalledAt(situation)
  if (stalled !== undefined && now >= stalled && plan.header.grant !== null) {
    due.push({ kind: 'stalled', grant: plan.header.grant.number })
  }
  for (const { subject, incarnation } of deathsToAttest(plan, view, self, now, graceUntil)) {
    due.push({ kind: 'dead', subject, incarnation })
  }
  const { deadAfterMs } = plan.body.spec.timers
  if (hearsMajority(plan, view, self)) {
    for (const [subject, { boot, since }] of situation.moved) {
      if (subject !== self && now >= since + deadAfterMs) due.push({ kind: 'silent', subject, boot })
    }
  }
  return due
}

/** The next moment at which `dueTestimony` may have more to say. */
export function nextTestimonyAt(situation: TestimonySituation): Instant | undefined {
  const { self, plan, view, graceUntil, now } = situation
  // Only voters are asked what they think of others.
  if (!plan.header.voters.includes(self)) return undefined
  const times: Instant[] = []
  const stalled = stalledAt(situation)
  if (stalled !== undefined) times.push(stalled)
  for (const { liveness, since } of view.members) {
    if (liveness === 'dead') times.push(Math.max(graceUntil, since + plan.body.spec.timers.deadAfterMs))
  }
  for (const { since } of situation.moved.values()) times.push(since + plan.body.spec.timers.deadAfterMs)
  const ahead = times.filter((time) => time > now)
  return ahead.length === 0 ? undefined : Math.min(...ahead)
}
