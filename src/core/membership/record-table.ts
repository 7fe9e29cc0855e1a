import type { Crypto } from '../model/crypto.ts'
import type { Hash, Instant, NodeId } from '../model/ids.ts'
import { compareIds } from '../model/ids.ts'
import { membersMax } from '../model/limits.ts'
import type { Liveness, MemberRecord, MemberView, MembershipView, SignedRecord } from '../model/member.ts'
import { sameData } from '../model/same-data.ts'
import type { DigestMessage } from '../model/message.ts'
import type { Random } from '../model/random.ts'
import { compareOffer, contentDigest, mergeRecords } from './record-merge.ts'

/** One line of an anti-entropy digest. */
export type RecordVersion = DigestMessage['versions'][number]

interface Entry {
  signed: SignedRecord
  liveness: Liveness
  since: Instant
  /** When anything of it, or a fresh word about it, was last heard, in whole milliseconds. For people: no part of a view, nor of a decision. */
  lastHeard: Instant
  /** Who said first that it is suspect or dead. */
  accuser: NodeId
  /** Last boot nonce or digest reported as a clone's, so that each is reported once. */
  clone: string
  view: MemberView | undefined
}

/** What is known already, word for word. */
const heardAgain: Offer = { kind: 'known', order: 'same', clone: '' }

/** What came of an offered record. */
export type Offer =
  | {
      readonly kind: 'accepted'
      readonly previous: MemberView | undefined
      readonly current: MemberView
      /** The record stands for a later start or a refutation: former suspicions are void. */
      readonly renewed: boolean
      readonly clone: string
    }
  /** Nothing new, but genuine proof of two live starts of one key if `clone` is not empty. */
  | { readonly kind: 'known'; readonly order: 'same' | 'older'; readonly clone: string }
  | { readonly kind: 'refused'; readonly fault: 'forged' | 'foreign' | 'revoked' | 'full' }

/**
 * Everybody's newest record and liveness, as this node knows them. Merging is commutative, associative and
 * idempotent: the greater version wins, whatever the order of arrival. Signatures are verified only for
 * records that would change something.
 */
export class RecordTable {
  readonly #crypto: Crypto
  readonly #random: Random
  readonly #self: NodeId
  readonly #networkId: Hash
  readonly #entries = new Map<NodeId, Entry>()
  readonly #revoked = new Set<NodeId>()
  /** All ids, sorted; and all in an order of this node's own, drawn once for each. */
  readonly #ids: NodeId[] = []
  readonly #sorted: Entry[] = []
  readonly #ranked: NodeId[] = []
  readonly #ranks: number[] = []
  #view: MembershipView | undefined
  #whole: Hash | undefined
  #living = 0
  #ways: object = {}

  constructor(own: SignedRecord, crypto: Crypto, random: Random, now: Instant) {
    this.#crypto = crypto
    this.#random = random
    this.#self = own.record.nodeId
    this.#networkId = own.record.networkId
    this.#put(own, now)
  }

  /** Members that are neither dead nor have left, this node included. */
  get living(): number {
    return this.#living
  }

  /** All known ids, sorted. */
  get ids(): readonly NodeId[] {
    return this.#ids
  }

  /** All known ids in this node's own random order, which does not change as others come and go. */
  byRank(): readonly NodeId[] {
    return this.#ranked
  }

  has(id: NodeId): boolean {
    return this.#entries.has(id)
  }

  signed(id: NodeId): SignedRecord | undefined {
    return this.#entries.get(id)?.signed
  }

  liveness(id: NodeId): Liveness | undefined {
    return this.#entries.get(id)?.liveness
  }

  /** Whether a member is neither dead nor has left. */
  isLiving(id: NodeId): boolean {
    const liveness = this.#entries.get(id)?.liveness
    return liveness === 'alive' || liveness === 'suspect'
  }

  accuser(id: NodeId): NodeId {
    return this.#entries.get(id)?.accuser ?? this.#self
  }

  isRevoked(id: NodeId): boolean {
    return this.#revoked.has(id)
  }

  /** Takes note of a revocation. The record stays as a memory, with the liveness `left`. */
  revoke(id: NodeId): void {
    this.#revoked.add(id)
    this.#whole = undefined
    this.#ways = {}
  }

  /** Merges a record that came from outside. Never for this node's own key. */
  offer(signed: SignedRecord, now: Instant): Offer {
    const { record } = signed
    const id = record.nodeId
    if (this.#revoked.has(id)) return { kind: 'refused', fault: 'revoked' }
    const entry = this.#entries.get(id)
    // The most frequent case by far: news go round, and are heard again and again.
    if (entry?.signed === signed) return heardAgain
    const comparison = compareOffer(entry?.signed, signed)
    if (comparison === 'same' || comparison === 'older')
      return { kind: 'known', order: comparison, clone: '' }
    if (record.networkId !== this.#networkId) return { kind: 'refused', fault: 'foreign' }
    if (entry === undefined && this.#entries.size >= membersMax) return { kind: 'refused', fault: 'full' }
    if (!this.isGenuine(signed)) return { kind: 'refused', fault: 'forged' }
    if (entry === undefined) {
      const current = this.#put(signed, now)
      return { kind: 'accepted', previous: undefined, current, renewed: true, clone: '' }
    }
    const clone = comparison === 'conflict' ? this.#cloneEvidence(entry, signed) : ''
    if (mergeRecords(signed, entry.signed, this.#crypto) !== signed || clone === 'none') {
      return { kind: 'known', order: 'older', clone: clone === 'none' ? '' : clone }
    }
    const previous = this.#viewOf(entry)
    const renewed = record.incarnation > entry.signed.record.incarnation
    if (!sameWays(entry.signed.record, record)) this.#ways = {}
    entry.signed = signed
    this.#whole = undefined
    const liveness = record.left ? 'left' : renewed || entry.liveness === 'left' ? 'alive' : entry.liveness
    entry.lastHeard = Math.round(now)
    this.#settle(entry, liveness, now)
    return { kind: 'accepted', previous, current: this.#viewOf(entry), renewed, clone }
  }

  /** Whether the owner signed it. */
  isGenuine(signed: SignedRecord): boolean {
    return this.#crypto.verify(signed.record.nodeId, 'muster/record/1', signed.record, signed.signature)
  }

  /** Replaces this node's own record. Returns the views before and after. */
  replaceOwn(signed: SignedRecord, now: Instant): { previous: MemberView; current: MemberView } {
    const entry = this.#entry(this.#self)
    const previous = this.#viewOf(entry)
    if (!sameWays(entry.signed.record, signed.record)) this.#ways = {}
    entry.signed = signed
    this.#whole = undefined
    this.#settle(entry, signed.record.left ? 'left' : 'alive', now)
    return { previous, current: this.#viewOf(entry) }
  }

  /** Changes what is thought of a member. Returns the views before and after. */
  judge(
    id: NodeId,
    liveness: Liveness,
    accuser: NodeId,
    now: Instant,
  ): { previous: MemberView; current: MemberView } {
    const entry = this.#entry(id)
    const previous = this.#viewOf(entry)
    entry.accuser = accuser
    this.#settle(entry, liveness, now)
    return { previous, current: this.#viewOf(entry) }
  }

  /** Something was heard of a member. */
  touch(id: NodeId, now: Instant): void {
    const entry = this.#entries.get(id)
    if (entry !== undefined) entry.lastHeard = Math.round(now)
  }

  /** When anything of a member, or a fresh word about it, was last heard. */
  lastHeard(id: NodeId): Instant | undefined {
    return this.#entries.get(id)?.lastHeard
  }

  /** Versions of all records that are not revoked, sorted by id. */
  versions(): RecordVersion[] {
    return this.#sorted
      .map(({ signed }) => signed.record)
      .filter(({ nodeId }) => !this.#revoked.has(nodeId))
      .map(({ nodeId: id, incarnation, sequence }) => ({ id, incarnation, sequence }))
  }

  /**
   * One digest over all versions: equal tables have equal digests. It is made of a sum over the digests of each, so that
   * one more costs one more; nobody gains by a collision but that two tables are compared a little later.
   */
  whole(): Hash {
    if (this.#whole !== undefined) return this.#whole
    let count = 0
    let high = 0
    let low = 0
    for (const { signed } of this.#sorted) {
      if (this.#revoked.size > 0 && this.#revoked.has(signed.record.nodeId)) continue
      const [first, second] = versionDigest(signed, this.#crypto)
      count += 1
      high = (high + first) % wordsEnd
      low = (low + second) % wordsEnd
    }
    this.#whole = this.#crypto.digest('muster/digest/2', { count, high, low })
    return this.#whole
  }

  member(id: NodeId): MemberView | undefined {
    const entry = this.#entries.get(id)
    return entry === undefined ? undefined : this.#viewOf(entry)
  }

  /** All members, sorted by id. The same object as long as nothing changed. */
  view(): MembershipView {
    this.#view ??= {
      self: this.#self,
      members: this.#sorted.map((entry) => this.#viewOf(entry)),
    }
    return this.#view
  }

  /**
   * Stands for who there is, who is reached where, and who counts as living: another object whenever one of these
   * changes, and the same one while members only report their progress.
   */
  get ways(): object {
    return this.#ways
  }

  /** Whether a view is that of now. */
  isShownBy(view: MembershipView): boolean {
    return this.#view === view
  }

  #entry(id: NodeId): Entry {
    return this.#entries.get(id) as Entry
  }

  #put(signed: SignedRecord, now: Instant): MemberView {
    const id = signed.record.nodeId
    const liveness = signed.record.left ? 'left' : 'alive'
    const entry: Entry = {
      signed,
      liveness,
      since: now,
      lastHeard: Math.round(now),
      accuser: id,
      clone: '',
      view: undefined,
    }
    this.#entries.set(id, entry)
    const index = lowerBound(this.#ids.length, (at) => compareIds(this.#ids[at] as NodeId, id))
    this.#ids.splice(index, 0, id)
    this.#sorted.splice(index, 0, entry)
    const rank = this.#random.next()
    const place = lowerBound(this.#ranks.length, (at) => (this.#ranks[at] ?? 0) - rank)
    this.#ranked.splice(place, 0, id)
    this.#ranks.splice(place, 0, rank)
    if (liveness === 'alive') this.#living++
    this.#whole = undefined
    this.#ways = {}
    this.#view = undefined
    return this.#viewOf(entry)
  }

  #settle(entry: Entry, liveness: Liveness, now: Instant): void {
    if (liveness !== entry.liveness) {
      this.#living += countsAsLiving(liveness) - countsAsLiving(entry.liveness)
      this.#ways = {}
      entry.liveness = liveness
      entry.since = now
    }
    this.#forgetViews(entry)
  }

  /** A word for people about a second start of one key; `none` if only the signature differs; empty if reported. */
  #cloneEvidence(entry: Entry, offered: SignedRecord): string {
    const held = entry.signed
    const ours = contentDigest(held, this.#crypto)
    const theirs = contentDigest(offered, this.#crypto)
    if (ours === theirs) return 'none'
    const sign = offered.record.bootNonce === held.record.bootNonce ? theirs : offered.record.bootNonce
    const pair = [sign, held.record.bootNonce].toSorted(compareIds).join(' ')
    if (entry.clone === pair) return ''
    entry.clone = pair
    const { incarnation, sequence, bootNonce } = offered.record
    return offered.record.bootNonce === held.record.bootNonce
      ? `two contents of version ${incarnation}.${sequence}`
      : `boot nonces ${held.record.bootNonce} and ${bootNonce} in incarnation ${incarnation}`
  }

  #viewOf(entry: Entry): MemberView {
    entry.view ??= {
      record: entry.signed.record,
      liveness: entry.liveness,
      since: entry.since,
    }
    return entry.view
  }

  #forgetViews(entry: Entry): void {
    entry.view = undefined
    this.#view = undefined
  }
}

/** 48 bits: two of them add up exactly. */
const wordsEnd = 2 ** 48

const versionDigests = new WeakMap<SignedRecord, readonly [number, number]>()

/** The digest of one version, as two numbers of 48 bits, made once for each record. */
function versionDigest(signed: SignedRecord, crypto: Crypto): readonly [number, number] {
  const known = versionDigests.get(signed)
  if (known !== undefined) return known
  const { nodeId: id, incarnation, sequence } = signed.record
  const hash = crypto.digest('muster/version/1', { id, incarnation, sequence })
  const made = [Number.parseInt(hash.slice(0, 12), 16), Number.parseInt(hash.slice(12, 24), 16)] as const
  versionDigests.set(signed, made)
  return made
}

/** Whether a later record of one node names the same ways to it. */
function sameWays(before: MemberRecord, after: MemberRecord): boolean {
  return (
    before.overlayPort === after.overlayPort &&
    before.overlayKey === after.overlayKey &&
    sameData(before.endpoints, after.endpoints)
  )
}

function countsAsLiving(liveness: Liveness): number {
  return liveness === 'alive' || liveness === 'suspect' ? 1 : 0
}

/** First index whose item does not come before the wanted one. */
function lowerBound(length: number, compare: (index: number) => number): number {
  let low = 0
  let high = length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (compare(middle) < 0) low = middle + 1
    else high = middle
  }
  return low
}
