import type { Instant, NodeId } from '../model/ids.ts'
import type { LivenessClaim } from '../model/member.ts'
import type { MembershipMessage } from '../model/message.ts'
import type { Random } from '../model/random.ts'
import type { SpecTimers } from '../model/spec.ts'
import type { Awareness } from './awareness.ts'
import { Relays } from './relays.ts'

/** Others through whom a silent member is probed (memberlist's LAN profile). */
const helpersPerProbe = 3

/** What the detector needs of the machine around it. */
export interface DetectorHost {
  send(to: NodeId, message: MembershipMessage): void
  /** News to piggyback; first of all what is held against the receiver, so that it can answer. */
  claimsFor(target: NodeId): readonly LivenessClaim[]
  /** Living members worth probing from here, sorted, without this node. */
  candidates(): readonly NodeId[]
  /** Whether a member still counts as living. */
  isLiving(id: NodeId): boolean
  /** Connected peers, sorted. */
  connected(): readonly NodeId[]
  timers(): SpecTimers
  /** The probe of a member failed. */
  failed(id: NodeId): void
}

interface Probe {
  readonly subject: NodeId
  /** Asked to probe it for us; empty while the probe is direct. */
  readonly helpers: Set<NodeId>
  readonly endsAt: Instant
  stage: 'direct' | 'indirect'
  deadline: Instant
  nacks: number
}

/**
 * SWIM's probing with Lifeguard's local health. One member is probed in each interval, in a shuffled
 * round-robin; interval and timeout are multiplied when this node doubts itself.
 *
 * ```
 *             ack                        ack, from the subject or through a helper
 *  direct ───────────▶ answered ◀─────────────────────────────┐
 *    │                                                         │
 *    │ probeTimeout: ask up to 3 connected others,             │
 *    │               and the subject itself once more          │
 *    └───────────────▶ indirect ───────────────────────────────┘
 *                         │ end of the interval
 *                         ▼
 *                       failed: the subject is suspected;
 *                       helpers that sent neither ack nor nack count against ourselves
 * ```
 */
export class FailureDetector {
  readonly #host: DetectorHost
  readonly #random: Random
  readonly #awareness: Awareness
  readonly #relays: Relays
  readonly #probes = new Map<number, Probe>()
  /** This round's members that were not probed yet, the next one last. */
  #round: NodeId[] = []
  /** Lost connections: probed first. */
  #urgent: NodeId[] = []
  #nextProbeAt: Instant

  constructor(host: DetectorHost, random: Random, awareness: Awareness, now: Instant) {
    this.#host = host
    this.#random = random
    this.#awareness = awareness
    this.#relays = new Relays(host)
    // Machines that start in the same moment must not probe in step for ever.
    this.#nextProbeAt = now + random.between(0, host.timers().probeIntervalMs)
  }

  /** A member appeared, or came back: it takes part from a random place of the present round on. */
  add(id: NodeId): void {
    this.#round.splice(this.#random.below(this.#round.length + 1), 0, id)
  }

  /** The next probe goes there. */
  probeSoon(id: NodeId, now: Instant): void {
    if (!this.#urgent.includes(id)) this.#urgent.push(id)
    if (this.#urgent.length === 1) {
      this.#nextProbeAt = Math.min(this.#nextProbeAt, now + this.#host.timers().probeTimeoutMs / 2)
    }
  }

  /** Says hello to somebody outside the rounds: a ping whose answer is not waited for. */
  knock(id: NodeId): void {
    this.#host.send(id, { kind: 'ping', nonce: this.#random.next(), claims: this.#host.claimsFor(id) })
  }

  /** Somebody asks us to probe `subject`. */
  relay(asker: NodeId, nonce: number, subject: NodeId, now: Instant): void {
    this.#relays.begin(asker, nonce, subject, this.#random.next(), now)
  }

  /** Returns the member that thereby showed itself, if the ack belongs to a probe of ours. */
  ack(from: NodeId, nonce: number): NodeId | undefined {
    const probe = this.#probes.get(nonce)
    if (probe === undefined) {
      this.#relays.ack(from, nonce)
      return undefined
    }
    if (from !== probe.subject && !probe.helpers.has(from)) return undefined
    this.#probes.delete(nonce)
    this.#awareness.improve()
    return probe.subject
  }

  /** A helper is well, but the subject did not answer it in time. */
  nack(from: NodeId, nonce: number): void {
    const probe = this.#probes.get(nonce)
    if (probe !== undefined && probe.helpers.has(from)) probe.nacks++
  }

  /** Does what is due. */
  advance(now: Instant): void {
    this.#relays.advance(now)
    for (const [nonce, probe] of this.#probes) {
      if (probe.deadline > now) continue
      if (probe.stage === 'direct' && probe.endsAt > now) this.#askOthers(nonce, probe)
      else this.#fail(nonce, probe)
    }
    if (now >= this.#nextProbeAt) this.#probeNext(now)
  }

  /** Moves all waits by a time in which this node did not run. */
  postpone(byMs: number, now: Instant): void {
    for (const [nonce, probe] of this.#probes) {
      this.#probes.set(nonce, { ...probe, deadline: probe.deadline + byMs, endsAt: probe.endsAt + byMs })
    }
    this.#relays.postpone(byMs)
    this.#nextProbeAt = Math.max(this.#nextProbeAt, now)
  }

  nextDeadline(): Instant {
    let next = Math.min(this.#nextProbeAt, this.#relays.nextDeadline())
    for (const probe of this.#probes.values()) next = Math.min(next, probe.deadline)
    return next
  }

  /** New timers hold from the next probe on, which is not later than they say. */
  retime(now: Instant): void {
    this.#nextProbeAt = Math.min(this.#nextProbeAt, now + this.#intervalMs())
  }

  #intervalMs(): number {
    return this.#host.timers().probeIntervalMs * this.#awareness.multiplier
  }

  #probeNext(now: Instant): void {
    const intervalMs = this.#intervalMs()
    this.#nextProbeAt = now + intervalMs
    const subject = this.#choose()
    if (subject === undefined) return
    const timeoutMs = Math.min(this.#host.timers().probeTimeoutMs * this.#awareness.multiplier, intervalMs)
    const nonce = this.#random.next()
    this.#probes.set(nonce, {
      subject,
      helpers: new Set(),
      endsAt: now + intervalMs,
      stage: 'direct',
      deadline: now + timeoutMs,
      nacks: 0,
    })
    this.#host.send(subject, { kind: 'ping', nonce, claims: this.#host.claimsFor(subject) })
  }

  #choose(): NodeId | undefined {
    for (const urgent of this.#urgent.splice(0, 1)) if (this.#host.isLiving(urgent)) return urgent
    for (let attempt = 0; attempt < 2; attempt++) {
      while (this.#round.length > 0) {
        const id = this.#round.pop() as NodeId
        if (this.#host.isLiving(id)) return id
      }
      const candidates = this.#host.candidates()
      this.#round = this.#random.sample(candidates, candidates.length)
    }
    return undefined
  }

  #askOthers(nonce: number, probe: Probe): void {
    probe.stage = 'indirect'
    probe.deadline = probe.endsAt
    const { subject } = probe
    const helpers = this.#host.connected().filter((id) => id !== subject && this.#host.isLiving(id))
    for (const helper of this.#random.sample(helpers, helpersPerProbe)) {
      probe.helpers.add(helper)
      this.#host.send(helper, { kind: 'ping-request', nonce, subject })
    }
    // One lost message must not cost a suspicion.
    this.#host.send(subject, { kind: 'ping', nonce, claims: this.#host.claimsFor(subject) })
  }

  #fail(nonce: number, probe: Probe): void {
    this.#probes.delete(nonce)
    this.#awareness.worsen(probe.helpers.size === 0 ? 1 : Math.max(0, probe.helpers.size - probe.nacks))
    if (this.#host.isLiving(probe.subject)) this.#host.failed(probe.subject)
  }
}
