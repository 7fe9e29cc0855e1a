import type { Effect } from '../effect.ts'
import type { K3sDecision, K3sInput, MemberList } from '../k3s/decision.ts'
import { decideK3s } from '../k3s/decide.ts'
import type { K3sRecord } from '../k3s/record.ts'
import { activeGrants, k3sRecordCodec, secretsFor } from '../k3s/record.ts'
import { flagsKeyOf } from '../k3s/restart.ts'
import { serversOf } from '../k3s/unit.ts'
import type { K3sObservation, K3sSecrets, K3sStepResult } from '../k3s/types.ts'
import type { Chain } from '../consensus/chain.ts'
import { decodeTree } from '../model/codec.ts'
import type { Instant, NodeId } from '../model/ids.ts'
import type { MemberRecord, MembershipView } from '../model/member.ts'
import type { SecretsMessage } from '../model/message.ts'
import { sameData } from '../model/same-data.ts'
import type { EtcdMember, InitialisedStatement } from '../model/statement.ts'
import { Conclusion } from '../model/conclusion.ts'

/** A failed step is tried again after this. */
const stepRetryMs = 2_000

/** Another server is asked for the secrets after this. */
const secretsRetryMs = 2_000

/** What execution reads of the rest of the node, at the moment of use. */
export interface ExecutionSurroundings {
  readonly self: NodeId
  readonly chain: Chain
  readonly view: MembershipView
  /** This node's own record, which the decision is told by. */
  readonly own: MemberRecord
  readonly overlayUp: boolean
  /** The newest grant's initialiser's own signed statement. */
  readonly initialised: InitialisedStatement | undefined
  /** Connected peers, sorted. */
  readonly connected: readonly NodeId[]
}

/** What came of one look at the situation; without a decision where there was nothing new. */
export interface ExecutionStep {
  readonly effects: readonly Effect[]
  readonly decision: K3sDecision | undefined
}

/** What the records of others say that k3s here depends on. */
interface Noticed {
  readonly aliveServers: readonly NodeId[]
  readonly haltedServers: readonly NodeId[]
  /** What the records of other servers list; an older generation's list is marked as such. */
  readonly lists: readonly MemberList[]
}

const nothingNew: ExecutionStep = { effects: [], decision: undefined }

/**
 * Runs k3s on this node as the newest certified plan says: asks `decideK3s` after every change, remembers the
 * durable record, keeps at most one step under way, and fetches the secrets of the grant.
 */
export class Execution {
  #record: K3sRecord | undefined
  #observation: K3sObservation | undefined
  #secrets: { grant: number; secrets: K3sSecrets } | undefined
  /** Generation of the newest plan when the look began that showed it. */
  #seenUnder = -1
  /** Whether the observation was made after the last step. */
  #fresh = false
  #busy = false
  /** The step under way starts the unit: what was last seen of it is over. */
  #starting = false
  #retryAt: Instant = 0
  #lastFailure = ''
  #askedAt: Instant | undefined
  #askedWhom: NodeId | undefined
  #decision: K3sDecision | undefined
  readonly #looked = new Conclusion<ExecutionStep>()
  readonly #noticed = new Conclusion<Noticed>()
  readonly #waiting = new Conclusion<boolean>()

  /** @param stored the value under the state key `k3s`, or undefined */
  constructor(stored: unknown) {
    this.#record = stored === undefined ? undefined : decodeTree(k3sRecordCodec, stored)
  }

  get observation(): K3sObservation | undefined {
    return this.#observation
  }

  /** etcd's members as a look showed them that began under this generation. */
  members(generation: number): readonly EtcdMember[] | undefined {
    return this.#seenUnder === generation ? this.#observation?.members : undefined
  }

  get decision(): K3sDecision | undefined {
    return this.#decision
  }

  /** Why the last step failed; empty when the last one worked. */
  get lastFailure(): string {
    return this.#lastFailure
  }

  /** Takes note of a look that began under this generation. Whether it showed anything new. */
  observed(observation: K3sObservation, generation: number): boolean {
    // A look that shows nothing new leaves the former one in place: nothing follows from it anew.
    const isNew = !sameData(observation, this.#observation)
    if (!isNew && this.#fresh && generation === this.#seenUnder) return false
    if (isNew) this.#observation = observation
    this.#seenUnder = generation
    this.#fresh = true
    return true
  }

  result(result: K3sStepResult, now: Instant): void {
    this.#busy = false
    this.#starting = false
    // What was seen before the step is no longer true: the next decision waits for a fresh look.
    this.#fresh = false
    if (result.kind === 'authority') this.#secrets = { grant: result.grant, secrets: result.secrets }
    if (result.kind === 'failed') {
      this.#lastFailure = `${result.step}: ${result.detail}`
      this.#retryAt = now + stepRetryMs
    } else {
      this.#lastFailure = ''
    }
  }

  /** Takes secrets that this node asked for. An answer that nobody asked for is not read. */
  secretsArrived(from: NodeId, message: SecretsMessage): void {
    if (from !== this.#askedWhom) return
    const { grant, caHash, serverPassword, agentPassword } = message
    this.#secrets = { grant, secrets: { caHash, serverPassword, agentPassword } }
    this.#askedWhom = undefined
  }

  /** The answer to a node that asks for secrets; undefined when it is not entitled to any. */
  secretsFor(asker: NodeId, chain: Chain): SecretsMessage | undefined {
    const plan = chain.newest?.plan
    if (plan === undefined || plan.header.grant === null) return undefined
    const secrets = secretsFor(asker, plan, this.#record)
    if (secrets === undefined) return undefined
    return { kind: 'secrets', grant: plan.header.grant.number, ...secrets }
  }

  /** Decides what to do, if anything is new. Effects come in the order in which they must be carried out. */
  decide(around: ExecutionSurroundings, now: Instant): ExecutionStep {
    let step = nothingNew
    const { chain, view, own, overlayUp, initialised, connected } = around
    const noticed = this.#notice(around, now)
    const waits = this.#waiting.of(now, [chain.newest, this.#record], () => this.#waitsForOthers(chain))
    const seen = [this.#observation, this.#seenUnder, this.#fresh]
    const state = [this.#record, this.#secrets, this.#busy, this.#starting, ...seen]
    this.#looked.of(
      now,
      [chain, waits ? view : noticed, own, overlayUp, initialised, connected, ...state],
      () => (step = this.#decide(around, noticed, now)),
      () => this.nextDeadline(now),
    )
    return step
  }

  /** What of the view matters here: the servers. The same object as long as nothing of them changed. */
  #notice({ chain, view, self }: ExecutionSurroundings, now: Instant): Noticed {
    const before = this.#noticed.last
    return this.#noticed.of(now, [chain.newest, view], () => {
      const plan = chain.newest?.plan
      const servers = new Set(plan === undefined ? [] : serversOf(plan).map(({ nodeId }) => nodeId))
      const aliveServers: NodeId[] = []
      const haltedServers: NodeId[] = []
      const lists: MemberList[] = []
      for (const { record, liveness } of plan === undefined ? [] : view.members) {
        const { nodeId: from, etcd: members } = record
        if (liveness === 'alive' && servers.has(from)) aliveServers.push(from)
        if (record.phase === 'stopped' && servers.has(from)) haltedServers.push(from)
        if (members.length > 0 && from !== self)
          lists.push({ from, generation: record.plan.generation, members })
      }
      const noticed = { aliveServers, haltedServers, lists }
      return before !== undefined && sameData(before, noticed) ? before : noticed
    })
  }

  /** A unit with the flags of an older spec waits for its turn among all the others, workers included. */
  #waitsForOthers(chain: Chain): boolean {
    const plan = chain.newest?.plan
    if (plan === undefined || this.#record === undefined || this.#record.role === null) return false
    const role = this.#record.role === 'agent' ? 'agent' : 'server'
    return this.#record.flags !== flagsKeyOf(role, plan.body.spec.k3s)
  }

  #decide(around: ExecutionSurroundings, noticed: Noticed, now: Instant): ExecutionStep {
    const plan = around.chain.newest?.plan
    if (plan === undefined) return nothingNew
    const decided = decideK3s({
      self: around.self,
      plan,
      activeGrants: activeGrants(around.chain.headers.map((link) => link.header)),
      record: this.#record,
      observation: this.#fresh ? this.#observation : undefined,
      initialised: around.initialised,
      secrets: this.#secrets,
      lists: noticed.lists,
      haltedServers: noticed.haltedServers,
      overlayUp: around.overlayUp,
      ...(this.#waitsForOthers(around.chain)
        ? everybody(around.view)
        : { aliveNodes: noticed.aliveServers, peers: [] }),
      busy: this.#busy || now < this.#retryAt,
      now,
    })
    const startsNow = decided.steps.some((step) => step.kind === 'start')
    const { generation } = plan.header
    const current = this.#seenUnder === generation ? decided : withoutList(decided)
    const decision = this.#starting || startsNow ? notReady(current) : current
    const effects: Effect[] = []
    // A decision that is drawn again makes its record again: what says the same is on the disk already.
    if (!sameData(decision.record, this.#record)) {
      if (decision.record !== undefined)
        effects.push({ kind: 'persist', writes: [{ op: 'put', key: 'k3s', value: decision.record }] })
      this.#record = decision.record
    }
    this.#decision = decision
    this.#askForSecrets(decision, around, now, effects)
    for (const step of decision.steps) {
      this.#busy = true
      this.#starting = step.kind === 'start'
      effects.push({ kind: 'k3s', step })
    }
    return { effects, decision }
  }

  /** When `decide` should be asked again although nothing happened. */
  nextDeadline(now: Instant): Instant | undefined {
    const askAgainAt = (this.#askedAt ?? -secretsRetryMs) + secretsRetryMs
    if (this.#retryAt > now) return askAgainAt > now ? Math.min(this.#retryAt, askAgainAt) : this.#retryAt
    return askAgainAt > now ? askAgainAt : undefined
  }

  #askForSecrets(
    decision: K3sDecision,
    around: ExecutionSurroundings,
    now: Instant,
    effects: Effect[],
  ): void {
    const grant = around.chain.newest?.plan.header.grant
    const servers = decision.needSecretsFrom.filter(
      (id) => id !== around.self && around.connected.includes(id),
    )
    if (servers.length === 0 || grant === null || grant === undefined) return
    if (this.#askedAt !== undefined && now < this.#askedAt + secretsRetryMs) return
    const last = this.#askedWhom === undefined ? -1 : servers.indexOf(this.#askedWhom)
    const next = servers[(last + 1) % servers.length] as NodeId
    this.#askedAt = now
    this.#askedWhom = next
    effects.push({ kind: 'send', to: next, message: { kind: 'secrets-request', grant: grant.number } })
  }
}

/** While the unit is started nobody may count on it, whatever was seen of it before. */
function notReady(decision: K3sDecision): K3sDecision {
  if (decision.phase !== 'k3s-ready' && decision.phase !== 'k3s-outdated') return decision
  return { ...decision, phase: 'k3s-starting', note: 'restarting k3s' }
}

/** A list that was read under an older plan may show what the newest one has just undone: nobody says it under the newest. */
function withoutList(decision: K3sDecision): K3sDecision {
  const { members: _, ...say } = decision.say
  return { ...decision, say }
}

/** All members, for a unit that waits for its turn among them. */
function everybody({ members }: MembershipView): Pick<K3sInput, 'aliveNodes' | 'peers'> {
  return {
    aliveNodes: members.filter((member) => member.liveness === 'alive').map((member) => member.record.nodeId),
    peers: members.map(({ record }) => ({
      id: record.nodeId,
      phase: record.phase,
      generation: record.plan.generation,
    })),
  }
}
