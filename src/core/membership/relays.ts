import type { Instant, NodeId } from '../model/ids.ts'
import type { DetectorHost } from './failure-detector.ts'

/** Probes for others under way at one time; beyond it new ones are not begun (the asker has other helpers). */
const relaysMax = 256

/** A nack leaves before the asker's own wait is over. Source: Lifeguard, LHA-Probe: 80 % of the timeout. */
const nackShare = 0.8

interface Relay {
  readonly asker: NodeId
  readonly askerNonce: number
  readonly subject: NodeId
  nacked: boolean
  deadline: Instant
}

/** Probes that this node makes for others: the subject's ack is handed on, a missing one is told by a nack. */
export class Relays {
  readonly #host: DetectorHost
  readonly #open = new Map<number, Relay>()

  constructor(host: DetectorHost) {
    this.#host = host
  }

  begin(asker: NodeId, askerNonce: number, subject: NodeId, nonce: number, now: Instant): void {
    if (this.#open.size >= relaysMax) return
    const deadline = now + this.#host.timers().probeTimeoutMs * nackShare
    this.#open.set(nonce, { asker, askerNonce, subject, nacked: false, deadline })
    this.#host.send(subject, { kind: 'ping', nonce, claims: this.#host.claimsFor(subject) })
  }

  ack(from: NodeId, nonce: number): void {
    const relay = this.#open.get(nonce)
    if (relay === undefined || relay.subject !== from) return
    this.#open.delete(nonce)
    const claims = this.#host.claimsFor(relay.asker)
    this.#host.send(relay.asker, { kind: 'ack', nonce: relay.askerNonce, claims })
  }

  /** Sends the nacks that are due. A late ack is still handed on for one interval. */
  advance(now: Instant): void {
    for (const [nonce, relay] of this.#open) {
      if (relay.deadline > now) continue
      if (relay.nacked) {
        this.#open.delete(nonce)
        continue
      }
      relay.nacked = true
      relay.deadline = now + this.#host.timers().probeIntervalMs
      this.#host.send(relay.asker, { kind: 'nack', nonce: relay.askerNonce })
    }
  }

  postpone(byMs: number): void {
    for (const relay of this.#open.values()) relay.deadline += byMs
  }

  nextDeadline(): Instant {
    let next = Infinity
    for (const relay of this.#open.values()) next = Math.min(next, relay.deadline)
    return next
  }
}
