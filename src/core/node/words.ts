import type { LocalAnswer } from '../effect.ts'
import type { Instant, NodeId } from '../model/ids.ts'
import { compareIds, shortId, sortedIds } from '../model/ids.ts'
import type { MemberRecord, MembershipView } from '../model/member.ts'
import type { ClusterPlan } from '../model/plan.ts'
import type { InitialisedStatement, SignedStatement, Statement } from '../model/statement.ts'
import { checkSpecChange } from '../planner/spec-change.ts'
import { Conclusion } from '../model/conclusion.ts'
import { Facet } from '../model/facet.ts'
import type { History } from './history.ts'
import type { NodeContext } from './outbox.ts'
import type { StatementScope } from './statement-book.ts'
import { isOrder, isPast, isPending, StatementBook } from './statement-book.ts'
import type { TestifiedView, TestimonySituation } from './testimony.ts'
import { dueTestimony, nextTestimonyAt, sameToTestimony } from './testimony.ts'

/** Own statements are said again to those who wait for them at this interval. */
const repeatMs = 3_000

/** A statement of this node, without what is the same in all statements of a cluster. */
export type Word = Statement extends infer Each
  ? Each extends { readonly clusterId: string }
    ? Omit<Each, 'networkId' | 'epoch' | 'clusterId'>
    : never
  : never

/**
 * The signed word: what this node says, what it heard others say, and the operator's orders. Plans are made
 * of it: only what was signed can be evidence.
 */
export class Words {
  readonly #context: NodeContext
  readonly #history: History
  readonly #book: StatementBook
  /** The last thing the initialiser said of itself, and when it came. */
  #progress: { readonly key: string; readonly at: Instant }
  #repeatedAt: Instant
  /** Starts of moved keys that this node hears, and since when it hears no other start of them. */
  #moved: TestimonySituation['moved'] = new Map()
  /** Nonces of starts that asked while another start of their key was heard. */
  #disproved: ReadonlySet<string> = new Set()
  readonly #testified = new Facet<TestifiedView>(sameToTestimony)
  readonly #initialised = new Conclusion<InitialisedStatement | undefined>()
  readonly #testimony = new Conclusion<void>()
  readonly #testimonyAt = new Conclusion<Instant | undefined>()

  constructor(context: NodeContext, history: History) {
    this.#context = context
    this.#history = history
    this.#book = new StatementBook(context.init.crypto)
    this.#progress = { key: '', at: context.moment.now }
    this.#repeatedAt = context.moment.now
  }

  /** Every statement that counts under the newest plan, in an order that does not depend on when it came. */
  all(): readonly SignedStatement[] {
    return this.#book.all()
  }

  /**
   * Nodes without which the birth was ordered to go on: by the operator, or where there is no operator key by
   * root on a machine that this node has heard of.
   */
  without(isKnown: (signer: NodeId) => boolean): readonly NodeId[] {
    const { operatorKey } = this.#scope()
    return this.#book
      .ofKind('without')
      .filter(([signer]) => signer === operatorKey || isKnown(signer))
      .flatMap(([, { without }]) => without)
      .toSorted(compareIds)
  }

  /** Root's own order for a birth of a network without an operator key, signed by this node. */
  orderWithout(without: readonly NodeId[], view: MembershipView): LocalAnswer {
    const { networkId, operatorKey } = this.#scope()
    const { init } = this.#context
    if (operatorKey !== 'none') {
      const message = 'the operator decides that: sign the order with the operator key'
      return { accepted: false, reason: 'OperatorOnly', message }
    }
    const held = this.#book.ofKind('without').find(([signer]) => signer === init.self)?.[1].serial ?? 0
    const statement: Statement = { kind: 'without', networkId, serial: held + 1, without: sortedIds(without) }
    const signature = init.crypto.sign('muster/statement/1', statement)
    return this.order({ statement, signer: init.self, signature }, view)
  }

  /** The newest grant's initialiser's own word that it made the CA. */
  initialised(): InitialisedStatement | undefined {
    return this.#initialised.of(this.#context.moment.now, [this.#history.plan, this.#book.all()], () =>
      this.#findInitialised(),
    )
  }

  #findInitialised(): InitialisedStatement | undefined {
    const grant = this.#history.plan?.header.grant
    if (grant === null || grant === undefined) return undefined
    const signed = this.#book.find(
      'initialised',
      (statement, signer) => statement.grant === grant.number && signer === grant.team[0],
    )
    return signed?.statement.kind === 'initialised' ? signed.statement : undefined
  }

  /**
   * Hears a statement. Who hands on a forged one is cut off; one out of scope is merely not kept. Whether anything came of it.
   */
  hear(from: NodeId, signed: SignedStatement): boolean {
    const { plan } = this.#history
    const { statement } = signed
    const isOurs = 'clusterId' in statement && statement.clusterId === plan?.header.clusterId
    if (plan !== undefined && isOurs && isPast(statement, plan)) return false
    const outcome = this.#book.add(signed, this.#scope())
    if (typeof outcome === 'object' && outcome.flaw === 'a forged signature') {
      this.#context.outbox.cutOff(from, 'a forged statement')
    }
    return outcome === 'added'
  }

  /** Takes the operator's order from the local API and hands it to those who decide. */
  order(signed: SignedStatement, view: MembershipView): LocalAnswer {
    const plan = this.#history.plan
    const refusal = refuseOrder(signed.statement, plan)
    if (refusal !== undefined) return { accepted: false, ...refusal }
    const outcome = this.#book.add(signed, this.#scope())
    if (typeof outcome === 'object') {
      const message = `the order is not valid here: ${outcome.flaw}`
      return { accepted: false, reason: 'NotGenuine', message }
    }
    const audience = plan?.header.voters ?? view.members.map((member) => member.record.nodeId)
    for (const peer of audience) this.#context.outbox.send(peer, { kind: 'statement', signed })
    return { accepted: true, reason: 'HandedToVoters', message: 'the order was handed to the voters' }
  }

  /** Signs a word and tells it to those who decide and to the team. What was said before is not said anew. */
  say(word: Word): void {
    const { init, outbox } = this.#context
    const { networkId, epoch, clusterId } = this.#scope()
    const statement: Statement = { ...word, networkId, epoch, clusterId }
    const signature = init.crypto.sign('muster/statement/1', statement)
    const signed: SignedStatement = { statement, signer: init.self, signature }
    if (this.#book.add(signed, this.#scope()) !== 'added') return
    outbox.event('info', 'Stated', describe(word))
    const audience = this.#audience()
    if (statement.kind === 'silent' && !audience.includes(statement.subject)) audience.push(statement.subject)
    for (const peer of audience) outbox.send(peer, { kind: 'statement', signed })
  }

  /** Another start of this key was heard: nothing is ever said of its silence to the start that asks now. */
  heardTwice(id: NodeId): void {
    const asking = this.#book.ofKind('moved').filter(([signer]) => signer === id)
    if (asking.length === 0) return
    this.#disproved = new Set([...this.#disproved, ...asking.map(([, { boot }]) => boot)])
  }

  /** Tells a peer, if it is concerned, what this node said, and everybody the operator's orders. */
  repeatTo(peers: readonly NodeId[]): void {
    const audience = new Set(this.#audience())
    for (const signed of this.#book.all()) {
      const order = isOrder(signed.statement)
      if (!order && signed.signer !== this.#context.init.self) continue
      const { statement } = signed
      for (const peer of peers) {
        const asked = statement.kind === 'silent' && statement.subject === peer
        if (order || asked || audience.has(peer))
          this.#context.outbox.send(peer, { kind: 'statement', signed })
      }
    }
  }

  /** Any change of what the initialiser says of itself is signed progress. Whether this is one. */
  noteProgress(record: MemberRecord): boolean {
    if (this.#history.plan?.header.grant?.team[0] !== record.nodeId) return false
    const key = `${record.phase} ${record.note} ${record.etcd.length}`
    if (key === this.#progress.key) return false
    this.#progress = { key, at: this.#context.moment.now }
    return true
  }

  /** A new plan: what it has made pointless is forgotten, and its initialiser's time begins. */
  adopted(plan: ClusterPlan): void {
    this.#book.prune((statement) => isPending(statement, plan))
    this.#progress = { key: '', at: this.#context.moment.now }
  }

  /** Says what is due of silent nodes, and says again what the team may not have heard. */
  testify(membership: MembershipView, connected: readonly NodeId[]): void {
    const plan = this.#history.plan
    if (plan === undefined) return
    const view = this.#testified.of(membership)
    const { quarantine, moment } = this.#context
    const { now } = moment
    this.#testimony.of(
      now,
      [plan, view, this.#book.all(), this.#moved, this.#disproved, this.#progress, quarantine.isActive],
      () => this.#sayWhatIsDue(plan, view),
      () => this.#nextTestimonyAt(plan, view),
    )
    if (plan.header.phase === 'granted' && now >= this.#repeatedAt + repeatMs) {
      this.#repeatedAt = now
      this.repeatTo(connected)
    }
  }

  /** When `testify` may have more to say. */
  nextDeadline(membership: MembershipView): Instant | undefined {
    const plan = this.#history.plan
    if (plan === undefined) return undefined
    const testimony = this.#nextTestimonyAt(plan, this.#testified.of(membership))
    if (plan.header.phase !== 'granted') return testimony
    return Math.min(this.#repeatedAt + repeatMs, testimony ?? Number.POSITIVE_INFINITY)
  }

  #nextTestimonyAt(plan: ClusterPlan, view: TestifiedView): Instant | undefined {
    let next: Instant | undefined
    return this.#testimonyAt.of(
      this.#context.moment.now,
      [plan, view, this.#moved, this.#progress],
      () => (next = nextTestimonyAt(this.#situation(plan, view))),
      () => next,
    )
  }

  #sayWhatIsDue(plan: ClusterPlan, view: TestifiedView): void {
    const { init, quarantine } = this.#context
    if (quarantine.isActive && !this.#saidMoved()) this.say({ kind: 'moved', boot: init.boot.nonce })
    this.#watchMoved(view)
    for (const word of dueTestimony(this.#situation(plan, view))) {
      if (!this.#saidAlready(word)) this.say(word)
    }
  }

  #saidMoved(): boolean {
    const { init } = this.#context
    return this.#book.ofKind('moved').some(([id, { boot }]) => id === init.self && boot === init.boot.nonce)
  }

  /** Which of the starts that ask are the only ones of their key that this node hears. */
  #watchMoved(view: TestifiedView): void {
    const asked = this.#book.ofKind('moved')
    const boots = new Set(asked.map(([, { boot }]) => boot))
    if ([...this.#disproved].some((boot) => !boots.has(boot))) {
      this.#disproved = new Set([...this.#disproved].filter((boot) => boots.has(boot)))
    }
    for (const [signer, statement] of asked) {
      const member = view.members.find(({ record }) => record.nodeId === signer)
      const heard = member?.liveness === 'alive' && member.record.bootNonce === statement.boot
      if (!heard || this.#disproved.has(statement.boot)) this.#setMoved(signer, undefined)
      else if (this.#moved.get(signer)?.boot !== statement.boot) {
        this.#setMoved(signer, { boot: statement.boot, since: this.#context.moment.now })
      }
    }
  }

  #setMoved(id: NodeId, start: { readonly boot: string; readonly since: Instant } | undefined): void {
    if (start === undefined && !this.#moved.has(id)) return
    const moved = new Map(this.#moved)
    if (start === undefined) moved.delete(id)
    else moved.set(id, start)
    this.#moved = moved
  }

  #saidAlready(word: Word): boolean {
    const own = this.#book.all().filter(({ signer }) => signer === this.#context.init.self)
    return own.some(({ statement }) => {
      if (word.kind === 'stalled') return statement.kind === 'stalled' && statement.grant === word.grant
      if (word.kind === 'silent')
        return (
          statement.kind === 'silent' && statement.subject === word.subject && statement.boot === word.boot
        )
      return (
        word.kind === 'dead' &&
        statement.kind === 'dead' &&
        statement.subject === word.subject &&
        statement.incarnation === word.incarnation
      )
    })
  }

  #situation(plan: ClusterPlan, view: TestifiedView): TestimonySituation {
    const { init, moment } = this.#context
    const grants = new Set(this.#history.chain.headers.map((link) => link.header.grant?.number ?? -1))
    grants.delete(-1)
    return {
      self: init.self,
      plan,
      view,
      progressAt: this.#progress.at,
      revocations: Math.max(0, grants.size - 1),
      graceUntil: init.now + this.#history.spec.timers.bootGraceMs,
      moved: this.#moved,
      now: moment.now,
    }
  }

  /** Whom statements concern: those who decide, and the team that waits for them. */
  #audience(): NodeId[] {
    const header = this.#history.plan?.header
    const all = sortedIds([...(header?.voters ?? []), ...(header?.grant?.team ?? [])])
    return all.filter((id) => id !== this.#context.init.self)
  }

  #scope(): StatementScope {
    const { networkId, operatorKey } = this.#context.init
    const plan = this.#history.plan
    return {
      networkId,
      epoch: plan?.header.epoch ?? 0,
      clusterId: plan?.header.clusterId ?? '',
      operatorKey: plan?.body.operatorKey ?? operatorKey,
    }
  }
}

/** Why an order cannot be carried out under this plan; undefined if it can. */
function refuseOrder(
  statement: Statement,
  plan: ClusterPlan | undefined,
): Pick<LocalAnswer, 'reason' | 'message'> | undefined {
  if (statement.kind === 'without') {
    if (plan === undefined) return undefined
    return { reason: 'Chartered', message: 'the cluster is founded: nothing waits for the nodes named' }
  }
  if (statement.kind === 'keep') return undefined
  if (statement.kind !== 'spec') return { reason: 'NotAnOrder', message: 'this is no order' }
  if (plan === undefined) return { reason: 'NoPlan', message: 'there is no plan to change yet' }
  if (statement.serial <= plan.body.operatorSerial) {
    return { reason: 'SerialUsed', message: 'this order was carried out already' }
  }
  const verdict = checkSpecChange(plan.body.spec, statement.spec)
  return verdict.allowed ? undefined : { reason: 'FrozenKey', message: verdict.message }
}

function describe(word: Word): string {
  switch (word.kind) {
    case 'initialised':
      return `the CA of grant ${word.grant} is made; starting the first server`
    case 'ready':
      return `etcd has all ${word.members.length} servers of grant ${word.grant} as voters`
    case 'stalled':
      return `no progress of the initialiser of grant ${word.grant}: asking for another team`
    case 'dead':
      return `nothing was heard of ${shortId(word.subject)} for too long`
    case 'members':
      return `etcd lists ${word.members.length} members`
    case 'lost':
      return `the data of etcd member ${word.memberId} are gone from this machine`
    case 'moved':
      return 'this key woke up on other hardware: asking the voters whether they hear the original'
    case 'silent':
      return `of ${shortId(word.subject)} only the start that asked was heard for long enough`
    case 'keep':
      return `order: ${shortId(word.subject)} keeps its key`
    case 'spec':
      return `order ${word.serial}: change the spec`
  }
}
