import { Conclusion } from '../model/conclusion.ts'
import type { Crypto } from '../model/crypto.ts'
import type { Instant, NodeId } from '../model/ids.ts'
import { sortedIds, withId } from '../model/ids.ts'
import { invariant } from '../model/invariant.ts'
import type {
  LivenessClaim,
  MemberRecord,
  MembershipView,
  MemberView,
  SignedRecord,
} from '../model/member.ts'
import type { HelloMessage, MembershipMessage } from '../model/message.ts'
import type { PeerAddress } from '../model/peer.ts'
import type { Random } from '../model/random.ts'
import type { SpecTimers } from '../model/spec.ts'
import { Allowances } from './allowance.ts'
import { claimAgainst, packRecords } from './anti-entropy.ts'
import { Awareness } from './awareness.ts'
import { Comparisons } from './comparisons.ts'
import { chooseContacts, fullMeshMax, isWatched, probeCandidates } from './contacts.ts'
import { DeadRetries } from './dead-retries.ts'
import type { MembershipInit, MembershipOutput } from './contract.ts'
import { sendLimit } from './dissemination.ts'
import { FailureDetector } from './failure-detector.ts'
import { Gossip } from './gossip.ts'
import type { OwnChanges } from './own-record.ts'
import { changedRecord, refutingRecord, signRecord } from './own-record.ts'
import { compareOffer, contentDigest } from './record-merge.ts'
import { isLarge, PacedNews, PacedView, paceMs } from './pace.ts'
import { RecordTable } from './record-table.ts'
import { Strangers } from './strangers.ts'
import { suspicionLimits, Suspicions } from './suspicion.ts'

/** Peers that get news in each gossip interval (memberlist's LAN profile). */
const gossipFanout = 3

const nobody: readonly NodeId[] = []

/** Dead members knocked at in one probe interval. */
const knocksPerInterval = 3

/**
 * Who is there, and who seems alive: SWIM with Lifeguard over signed records, sans IO. Every message and
 * every deadline comes in with the time; what is to be sent comes out of `drain`.
 *
 * Nobody's word alone makes a member dead: also `dead` heard of one who seems alive only starts the shortest
 * wait, in which it can answer. So the halves of a healed partition do not bury each other's living.
 */
export class Membership {
  readonly #self: NodeId
  readonly #crypto: Crypto
  readonly #random: Random
  readonly #table: RecordTable
  readonly #detector: FailureDetector
  readonly #awareness = new Awareness()
  readonly #suspicions = new Suspicions()
  readonly #retries: DeadRetries
  readonly #gossip = new Gossip()
  readonly #allowances = new Allowances()
  readonly #strangers = new Strangers()
  readonly #comparisons: Comparisons
  readonly #paced: PacedView
  readonly #pacedNews = new PacedNews()
  readonly #contacts = new Conclusion<readonly PeerAddress[]>()
  #chosen: readonly NodeId[] = []
  #timers: SpecTimers
  #own: SignedRecord
  /** Sorted. */
  #connected: readonly NodeId[] = []
  #outputs: MembershipOutput[] = []
  #now: Instant
  #lastOwnClone = ''

  constructor(init: MembershipInit) {
    invariant(init.own.nodeId === init.self, 'a node writes its own record only')
    invariant(init.own.networkId === init.networkId, 'the own record belongs to the own network')
    this.#self = init.self
    this.#crypto = init.crypto
    this.#random = init.random
    this.#timers = init.timers
    this.#now = init.now
    this.#own = signRecord(init.crypto, init.own)
    this.#table = new RecordTable(this.#own, init.crypto, init.random, init.now)
    this.#paced = new PacedView(this.#table)
    this.#retries = new DeadRetries(init.random)
    this.#comparisons = new Comparisons(
      {
        send: (to, message) => this.#send(to, message),
        sendRecords: (to, ids) => this.#sendRecords(to, ids),
        timers: () => this.#timers,
        audience: () => this.#audience(),
        dead: () => this.#retries.ids,
      },
      this.#table,
      init.random,
      init.now,
    )
    this.#detector = new FailureDetector(
      {
        send: (to, message) => this.#send(to, message),
        claimsFor: (target) => this.#claimsFor(target),
        candidates: () => probeCandidates(this.#self, this.#table, this.#chosen, this.#connected),
        isLiving: (id) => this.#table.isLiving(id),
        connected: () => this.#connected,
        timers: () => this.#timers,
        failed: (id) => this.#probeFailed(id),
      },
      init.random,
      this.#awareness,
      init.now,
    )
  }

  /** An admitted connection came: each side says who it is, and one of them compares tables. */
  peerUp(peer: NodeId, now: Instant): void {
    this.#now = now
    if (peer === this.#self || this.#table.isRevoked(peer) || this.#connected.includes(peer)) return
    this.#connected = withId(this.#connected, peer)
    this.#send(peer, { kind: 'hello', record: this.#own })
    if (this.#self < peer) this.#comparisons.peerUp(peer, this.#connected.length, now)
    if (this.#table.has(peer)) this.#tellAccused(peer)
    else this.#strangers.add(peer, now, this.#timers.probeIntervalMs)
  }

  /** A connection went. That is no death: the next probe goes there. */
  peerDown(peer: NodeId, now: Instant): void {
    this.#now = now
    this.#connected = this.#connected.filter((id) => id !== peer)
    this.#strangers.delete(peer)
    this.#allowances.forget(peer)
    if (this.#table.isLiving(peer)) this.#detector.probeSoon(peer, now)
  }

  /** A message of an admitted peer. */
  handle(from: NodeId, message: MembershipMessage, now: Instant): void {
    this.#now = now
    if (from === this.#self || this.#table.isRevoked(from)) return
    if (!this.#allowances.spend(from, message, now)) {
      this.#misconduct(from, 'Flood', `more ${message.kind} messages than an honest peer sends`)
      return
    }
    this.#table.touch(from, now)
    switch (message.kind) {
      case 'hello':
        return this.#onHello(from, message)
      case 'ping':
        this.#onClaims(from, message.claims)
        return this.#send(from, { kind: 'ack', nonce: message.nonce, claims: this.#claimsFor(from) })
      case 'ack': {
        const answered = this.#detector.ack(from, message.nonce)
        if (answered !== undefined) this.#table.touch(answered, now)
        return this.#onClaims(from, message.claims)
      }
      case 'ping-request':
        return this.#detector.relay(from, message.nonce, message.subject, now)
      case 'nack':
        return this.#detector.nack(from, message.nonce)
      case 'gossip':
        for (const signed of message.records) if (!this.#learn(from, signed)) return
        return this.#onClaims(from, message.claims)
      case 'digest':
        return this.#comparisons.answer(from, message)
      case 'records-request':
        return this.#sendRecords(from, sortedIds(message.ids))
    }
  }

  /** Changes the own record: one sequence higher, signed, spread. Does nothing if nothing changes. */
  update(changes: OwnChanges, now: Instant): void {
    this.#now = now
    const record = changedRecord(this.#own.record, changes)
    if (record === undefined) return
    this.#publish(record)
    // A node that leaves will not be there for the next gossip.
    if (record.left) for (const peer of this.#connected) this.#sendRecords(peer, [this.#self])
  }

  /** Does what is due. Early calls do no harm. */
  handleDeadline(now: Instant): void {
    const lateMs = now - this.nextDeadline()
    this.#now = now
    // We did not run (a busy or a paused machine): our silence is no evidence against others.
    if (lateMs > this.#timers.probeTimeoutMs) {
      this.#awareness.worsen(1)
      this.#detector.postpone(lateMs, now)
      this.#suspicions.postpone(lateMs)
      this.#retries.postpone(lateMs)
    }
    for (const id of this.#suspicions.due(now)) this.#declareDead(id)
    this.#detector.advance(now)
    this.#knockAtDead()
    for (const id of this.#strangers.take(now, this.#timers.probeIntervalMs)) {
      this.#send(id, { kind: 'records-request', ids: [id] })
    }
    this.#spreadOwn()
    if (now >= this.#gossip.nextDeadline()) this.#sendNews()
    this.#comparisons.advance(now)
    this.view()
  }

  /** When `handleDeadline` is wanted next. */
  nextDeadline(): Instant {
    return Math.min(
      this.#detector.nextDeadline(),
      this.#suspicions.nextDeadline(),
      this.#retries.nextDeadline(),
      this.#strangers.nextDeadline(),
      this.#paced.nextDeadline(),
      this.#pacedNews.nextDeadline(this.#table.ids.length),
      this.#gossip.nextDeadline(),
      this.#comparisons.nextDeadline(),
    )
  }

  /** Takes what has come up since the last call, in order. */
  drain(): MembershipOutput[] {
    const outputs = this.#outputs
    this.#outputs = []
    return outputs
  }

  /** Other timers hold from now on; running waits end by the old ones, or earlier. */
  setTimers(timers: SpecTimers, now: Instant): void {
    this.#now = now
    this.#timers = timers
    this.#detector.retime(this.#now)
    this.#comparisons.retime(this.#now)
  }

  /**
   * Everybody this node knows, sorted by id. The same object as long as nothing changed, and in a large network a
   * little longer (`paceMs`).
   */
  view(): MembershipView {
    return this.#paced.of(this.#now)
  }

  /** Stands for what of the view says who is reached where: the same object as long as that does not change. */
  ways(): object {
    return this.#paced.ways(this.#now)
  }

  /** Whether the view is drawn now and then, and not after every change. */
  get isPaced(): boolean {
    return isLarge(this.#table.ids.length)
  }

  /** How long changes are gathered at most. */
  get paceMs(): number {
    return paceMs(this.#table.ids.length)
  }

  member(id: NodeId): MemberView | undefined {
    return this.#table.member(id)
  }

  isAlive(id: NodeId): boolean {
    return this.#table.liveness(id) === 'alive'
  }

  /** When anything of a member, or a fresh word about it, was last heard; for people. */
  lastHeard(id: NodeId): Instant | undefined {
    return this.#table.lastHeard(id)
  }

  own(): SignedRecord {
    return this.#own
  }

  /** Records of these owners are refused from now on, and what they say is not heard (invariant S9). */
  revoke(ids: Iterable<NodeId>): void {
    for (const id of sortedIds(ids)) {
      if (id === this.#self || this.#table.isRevoked(id)) continue
      this.#table.revoke(id)
      this.#forgetCharges(id)
      this.#gossip.drop(id)
      this.#connected = this.#connected.filter((peer) => peer !== id)
      this.#strangers.delete(id)
      if (this.#table.has(id)) this.#changed(id, this.#table.judge(id, 'left', this.#self, this.#now))
    }
  }

  /**
   * Peers to keep connected, sorted: all of a small network, else some (`chooseContacts`). The same list as long as
   * nobody changed.
   * @param companions with whom this node has business of its own
   */
  contacts(companions: readonly NodeId[] = nobody): readonly PeerAddress[] {
    return this.#contacts.of(this.#now, [this.ways(), companions], () => {
      this.#chosen = chooseContacts(this.#self, this.#table, this.#chosen)
      const also = companions.filter((id) => id !== this.#self && this.#table.has(id))
      const ids = also.length === 0 ? this.#chosen : sortedIds([...this.#chosen, ...also])
      return ids.map((id) => ({ id, endpoints: this.#table.signed(id)?.record.endpoints ?? [] }))
    })
  }

  #onHello(from: NodeId, { record: signed }: HelloMessage): void {
    if (signed.record.nodeId !== from) {
      return this.#misconduct(from, 'Garbage', `hello with the record of ${signed.record.nodeId}`)
    }
    const held = this.#table.signed(from)
    if (!this.#learn(from, signed)) return
    // It holds less of itself than we do: a disk that was rolled back must learn of it.
    if (held !== undefined && compareOffer(held, signed) === 'older') this.#sendRecords(from, [from])
    this.#tellAccused(from)
  }

  /** Merges one record. False: it proves that the peer is not honest, and the rest of its message is dropped. */
  #learn(from: NodeId, signed: SignedRecord): boolean {
    const { nodeId: id, incarnation } = signed.record
    if (id === this.#self) return this.#learnOwn(from, signed)
    const offer = this.#table.offer(signed, this.#now)
    if (offer.kind === 'refused') {
      if (offer.fault === 'forged') this.#misconduct(from, 'Garbage', `forged record of ${id}`)
      if (offer.fault === 'foreign') this.#misconduct(from, 'Replay', `record of ${id} for another network`)
      return offer.fault === 'revoked' || offer.fault === 'full'
    }
    if (offer.clone !== '') this.#outputs.push({ kind: 'clone', id, incarnation, detail: offer.clone })
    if (offer.kind === 'known') {
      // A start and a refutation go their whole way: who misses one of these takes the living for dead.
      const isProgress = signed.record.sequence > 0
      if (offer.order === 'same' && isProgress && this.isPaced) this.#gossip.heardAgain(id)
      return true
    }
    const { previous, current, renewed } = offer
    this.#strangers.delete(id)
    this.#spreadRecord(signed, from)
    this.#changed(id, { previous, current })
    if (renewed || current.liveness === 'left') {
      const wasDead = this.#forgetCharges(id)
      if (wasDead && current.liveness === 'alive') this.#revived(from, id)
    }
    const wasLiving = previous?.liveness === 'alive' || previous?.liveness === 'suspect'
    if (current.liveness === 'alive' && !wasLiving && isWatched(id, this.#table, this.#connected))
      this.#detector.add(id)
    return true
  }

  /** A record of our own key: an old one of ours, or another machine that has the key as well. */
  #learnOwn(from: NodeId, signed: SignedRecord): boolean {
    const comparison = compareOffer(this.#own, signed)
    if (comparison === 'same' || comparison === 'older') return true
    if (!this.#table.isGenuine(signed)) {
      this.#misconduct(from, 'Garbage', `forged record of ${this.#self}`)
      return false
    }
    const { incarnation, sequence, bootNonce } = signed.record
    const sameContent = contentDigest(signed, this.#crypto) === contentDigest(this.#own, this.#crypto)
    if (sameContent || bootNonce === this.#lastOwnClone) return true
    this.#lastOwnClone = bootNonce
    const detail = `our key signed version ${incarnation}.${sequence} with boot nonce ${bootNonce}, not we`
    this.#outputs.push({ kind: 'clone', id: this.#self, incarnation, detail })
    return true
  }

  /** Our key signed more elsewhere: this start says above it that it lives, or nobody would hear of us. */
  outbid(heard: number): void {
    const { record } = this.#own
    this.#publish(refutingRecord({ ...record, incarnation: Math.max(record.incarnation, heard) }))
  }

  #onClaims(from: NodeId, claims: readonly LivenessClaim[]): void {
    for (const claim of claims) {
      if (claim.liveness !== 'suspect' && claim.liveness !== 'dead') continue
      if (claim.subject === this.#self) this.#onAccusation(from, claim)
      else this.#onClaim(from, claim)
    }
  }

  #onClaim(from: NodeId, claim: LivenessClaim): void {
    const { subject, by, incarnation, liveness } = claim
    // Claims are not signed. One about a version that we do not hold is worth nothing.
    if (this.#table.signed(subject)?.record.incarnation !== incarnation || !this.#table.isLiving(subject))
      return
    let isNews = true
    if (this.#table.liveness(subject) === 'alive') this.#suspect(subject, by)
    else isNews = this.#suspicions.confirm(subject, by, this.#now)
    if (liveness === 'dead') isNews = this.#suspicions.condemn(subject, this.#now) || isNews
    if (isNews) this.#spreadClaim(claim, from)
  }

  /** Somebody takes us for suspect or dead: only a higher incarnation of our own record refutes that. */
  #onAccusation(from: NodeId, { incarnation }: LivenessClaim): void {
    const { record } = this.#own
    if (incarnation > record.incarnation) return
    if (incarnation === record.incarnation && !record.left) {
      this.#awareness.worsen(1)
      this.#publish(refutingRecord(record))
    }
    // Also to one who only missed an earlier refutation.
    this.#sendRecords(from, [this.#self])
  }

  #probeFailed(subject: NodeId): void {
    const isNew = this.#table.liveness(subject) === 'alive'
    if (isNew) this.#suspect(subject, this.#self)
    else if (!this.#suspicions.confirm(subject, this.#self, this.#now)) return
    const { incarnation } = (this.#table.signed(subject) as SignedRecord).record
    this.#spreadClaim({ subject, incarnation, liveness: 'suspect', by: this.#self }, this.#self)
    // The suspect is told first, so that it can answer (Lifeguard's buddy system).
    if (isNew) this.#tellAccused(subject)
  }

  #suspect(subject: NodeId, accuser: NodeId): void {
    const limits = suspicionLimits(this.#table.living, this.#timers.probeIntervalMs)
    this.#suspicions.start(subject, accuser, limits, this.#now)
    this.#changed(subject, this.#table.judge(subject, 'suspect', accuser, this.#now))
  }

  #declareDead(subject: NodeId): void {
    const isSpreading = this.#suspicions.isCondemned(subject)
    this.#suspicions.clear(subject)
    this.#changed(subject, this.#table.judge(subject, 'dead', this.#table.accuser(subject), this.#now))
    this.#retries.add(subject, this.#now, 2 * this.#timers.probeIntervalMs)
    const claim = claimAgainst(subject, this.#table)
    if (claim !== undefined && !isSpreading) this.#spreadClaim({ ...claim, by: this.#self }, this.#self)
  }

  /** Drops suspicion, retries and claims. True if the member was dead. */
  #forgetCharges(id: NodeId): boolean {
    this.#suspicions.clear(id)
    this.#gossip.dropClaim(id)
    return this.#retries.remove(id)
  }

  /** One came back: perhaps a partition healed, so we look at the others and at what its side knows. */
  #revived(from: NodeId, id: NodeId): void {
    this.#retries.hasten(this.#now, this.#retries.ids.length * this.#timers.probeIntervalMs)
    if (from === id) this.#comparisons.with(id, this.#now)
  }

  #knockAtDead(): void {
    const { probeIntervalMs, antiEntropyIntervalMs } = this.#timers
    // In a large network many knock at the same door: each less often.
    const longestMs = antiEntropyIntervalMs * Math.max(1, this.#table.ids.length / fullMeshMax)
    const taken = this.#retries.take(this.#now, knocksPerInterval, probeIntervalMs, longestMs)
    for (const id of taken) this.#detector.knock(id)
  }

  #sendNews(): void {
    const targets = this.#random.sample(this.#audience(), gossipFanout)
    const limit = sendLimit(this.#table.living)
    const batch = this.#gossip.batch(targets, limit, this.#now, this.#timers.gossipIntervalMs)
    for (const { to, message } of batch) this.#send(to, message)
  }

  #publish(record: MemberRecord): void {
    this.#own = signRecord(this.#crypto, record)
    this.#changed(this.#self, this.#table.replaceOwn(this.#own, this.#now))
    this.#pacedNews.put(this.#own)
    this.#spreadOwn()
  }

  #spreadOwn(): void {
    const own = this.#pacedNews.take(this.#now, this.#table.ids.length)
    if (own !== undefined) this.#spreadRecord(own, this.#self)
  }

  #spreadRecord(signed: SignedRecord, source: NodeId): void {
    this.#gossip.addRecord(signed, source, this.#now, this.#timers.gossipIntervalMs)
  }

  #spreadClaim(claim: LivenessClaim, source: NodeId): void {
    this.#gossip.addClaim(claim, source, this.#now, this.#timers.gossipIntervalMs)
  }

  #tellAccused(peer: NodeId): void {
    const claim = claimAgainst(peer, this.#table)
    if (claim !== undefined) this.#send(peer, { kind: 'gossip', records: [], claims: [claim] })
  }

  #claimsFor(target: NodeId): LivenessClaim[] {
    const charge = claimAgainst(target, this.#table)
    const news = this.#gossip.piggyback(target, sendLimit(this.#table.living))
    return charge === undefined ? news : [charge, ...news.filter((claim) => claim.subject !== target)]
  }

  #sendRecords(to: NodeId, ids: readonly NodeId[]): void {
    for (const message of packRecords(ids, this.#table)) this.#send(to, message)
  }

  /** Connected peers worth talking to: not those that are dead or have left. */
  #audience(): NodeId[] {
    return this.#connected.filter((id) => !this.#table.has(id) || this.#table.isLiving(id))
  }

  #changed(id: NodeId, change: { previous: MemberView | undefined; current: MemberView }): void {
    this.#outputs.push({ kind: 'changed', id, ...change })
  }

  #misconduct(peer: NodeId, code: 'Garbage' | 'Flood' | 'Replay', detail: string): void {
    this.#outputs.push({ kind: 'misconduct', peer, code, detail })
  }

  #send(to: NodeId, message: MembershipMessage): void {
    this.#outputs.push({ kind: 'send', to, message })
  }
}
