import type { Instant, NodeId } from '../model/ids.ts'
import { sortedIds } from '../model/ids.ts'

/** Suspicion multiplier of memberlist's LAN profile. */
const suspicionFactor = 4

/** An unconfirmed suspicion waits so many times longer than a confirmed one (memberlist, Lifeguard's β). */
const maximumFactor = 6

/** Independent confirmations after which the wait is as short as it gets (memberlist: factor - 2). */
const confirmationsWanted = suspicionFactor - 2

/** How long one suspicion may last. */
export interface SuspicionLimits {
  readonly minimumMs: number
  readonly maximumMs: number
  /** Confirmations by others after which the minimum holds. */
  readonly confirmations: number
}

/**
 * The limits of a suspicion among `members` living members: minimum 4·max(1, log10(n + 1)) probe intervals,
 * at most six times that. Where fewer than two others could confirm, nobody waits for them.
 */
export function suspicionLimits(members: number, probeIntervalMs: number): SuspicionLimits {
  const minimumMs = suspicionFactor * Math.max(1, Math.log10(members + 1)) * probeIntervalMs
  const confirmations = members - 2 < confirmationsWanted ? 0 : confirmationsWanted
  return { minimumMs, maximumMs: confirmations === 0 ? minimumMs : maximumFactor * minimumMs, confirmations }
}

/**
 * How long a suspicion lasts that was confirmed `confirmed` times:
 * max − (max − min)·log(confirmed + 1)/log(wanted + 1), never under the minimum.
 * Source: Lifeguard, section IV-B (LHA-Suspicion).
 */
export function suspicionTimeoutMs(limits: SuspicionLimits, confirmed: number): number {
  if (confirmed >= limits.confirmations) return limits.minimumMs
  const share = Math.log(confirmed + 1) / Math.log(limits.confirmations + 1)
  return limits.maximumMs - (limits.maximumMs - limits.minimumMs) * share
}

interface Suspicion {
  readonly limits: SuspicionLimits
  readonly accusers: Set<NodeId>
  started: Instant
  deadline: Instant
  /** Somebody's wait is over already: the word `dead` is going round. */
  condemned: boolean
}

/** All suspicions that this node holds, each with the time at which it turns into `dead`. */
export class Suspicions {
  readonly #open = new Map<NodeId, Suspicion>()

  /** Begins to suspect; a suspicion that is open already is left as it is. */
  start(subject: NodeId, accuser: NodeId, limits: SuspicionLimits, now: Instant): void {
    if (this.#open.has(subject)) return
    const deadline = now + suspicionTimeoutMs(limits, 0)
    this.#open.set(subject, {
      limits,
      accusers: new Set([accuser]),
      started: now,
      deadline,
      condemned: false,
    })
  }

  /** Counts one more accuser, which shortens the wait. False if that says nothing new. */
  confirm(subject: NodeId, accuser: NodeId, now: Instant): boolean {
    const suspicion = this.#open.get(subject)
    if (suspicion === undefined || suspicion.accusers.has(accuser)) return false
    if (suspicion.accusers.size > suspicion.limits.confirmations) return false
    suspicion.accusers.add(accuser)
    const timeoutMs = suspicionTimeoutMs(suspicion.limits, suspicion.accusers.size - 1)
    shorten(suspicion, timeoutMs, now)
    return true
  }

  /** Another's wait is over: ours becomes as short as it gets, so that the subject still may answer. */
  condemn(subject: NodeId, now: Instant): boolean {
    const suspicion = this.#open.get(subject)
    if (suspicion === undefined || suspicion.condemned) return false
    suspicion.condemned = true
    shorten(suspicion, suspicion.limits.minimumMs, now)
    return true
  }

  isCondemned(subject: NodeId): boolean {
    return this.#open.get(subject)?.condemned ?? false
  }

  clear(subject: NodeId): void {
    this.#open.delete(subject)
  }

  /** Subjects whose wait is over, sorted. They stay until `clear`. */
  due(now: Instant): NodeId[] {
    const over: NodeId[] = []
    for (const [subject, suspicion] of this.#open) if (suspicion.deadline <= now) over.push(subject)
    return sortedIds(over)
  }

  /** Moves all waits: time in which this node did not run is no evidence against others. */
  postpone(byMs: number): void {
    for (const suspicion of this.#open.values()) {
      suspicion.started += byMs
      suspicion.deadline += byMs
    }
  }

  nextDeadline(): Instant {
    let next = Infinity
    for (const suspicion of this.#open.values()) next = Math.min(next, suspicion.deadline)
    return next
  }
}

/** A deadline in the past would look as if this node had overslept it: it ends now at the earliest. */
function shorten(suspicion: Suspicion, timeoutMs: number, now: Instant): void {
  suspicion.deadline = Math.min(suspicion.deadline, Math.max(now, suspicion.started + timeoutMs))
}
