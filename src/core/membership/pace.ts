import type { Instant } from '../model/ids.ts'
import type { MembershipView, SignedRecord } from '../model/member.ts'
import type { RecordTable } from './record-table.ts'

/** Up to so many members everything is told and looked at at once. */
const promptMax = 24

/** Beyond it each member more makes everybody wait so much longer. */
const patienceMsEach = 2

/** Whether so many are too many to be told everything at once. */
export function isLarge(members: number): boolean {
  return members > promptMax
}

/**
 * How long a node of a large network gathers changes before it acts on them. The whole network then changes at most 500
 * records in a second, however large it is, and what a node does with all its members is done twice in as many
 * milliseconds as there are members, instead of after every message.
 */
export function paceMs(members: number): number {
  return Math.max(0, members - promptMax) * patienceMsEach
}

/** The view that the rest of the node is shown: of now in a small network, of a moment ago in a large one. */
export class PacedView {
  readonly #table: RecordTable
  #shown: MembershipView | undefined
  #ways: object | undefined
  #drawnAt: Instant = -Infinity

  constructor(table: RecordTable) {
    this.#table = table
  }

  /** The same object as long as it is not drawn anew. */
  of(now: Instant): MembershipView {
    if (this.#shown === undefined || (!this.#table.isShownBy(this.#shown) && now >= this.#dueAt)) {
      this.#shown = this.#table.view()
      this.#ways = this.#table.ways
      this.#drawnAt = now
    }
    return this.#shown
  }

  /** `RecordTable.ways`, as it was when the view was drawn. */
  ways(now: Instant): object {
    this.of(now)
    return this.#ways as object
  }

  /** When a change that is not shown yet will be. */
  nextDeadline(): Instant {
    return this.#shown === undefined || this.#table.isShownBy(this.#shown) ? Infinity : this.#dueAt
  }

  get #dueAt(): Instant {
    return this.#drawnAt + paceMs(this.#table.ids.length)
  }
}

/** When a node's own record leaves: at once in a small network; in a large one several changes leave as one. */
export class PacedNews {
  #waiting: SignedRecord | undefined
  #sentAt: Instant = -Infinity

  /** Takes a new record of this node. */
  put(signed: SignedRecord): void {
    this.#waiting = signed
  }

  /** The record to pass on now, once. */
  take(now: Instant, members: number): SignedRecord | undefined {
    if (this.#waiting === undefined || now < this.#dueAt(members)) return undefined
    const signed = this.#waiting
    this.#waiting = undefined
    this.#sentAt = now
    return signed
  }

  nextDeadline(members: number): Instant {
    return this.#waiting === undefined ? Infinity : this.#dueAt(members)
  }

  #dueAt(members: number): Instant {
    return this.#sentAt + paceMs(members)
  }
}
