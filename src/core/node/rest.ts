import type { Instant } from '../model/ids.ts'
import type { MembershipView } from '../model/member.ts'

/**
 * Whether a node is at rest: every part has seen the present view, and time alone changes nothing yet. Most inputs only
 * move membership (a probe is answered, a record is known), and after such a one nobody need be asked what follows.
 */
export class Rest {
  #view: MembershipView | undefined
  #until: Instant = Number.NEGATIVE_INFINITY

  /** All parts have settled. `view` is the one that they saw; `until` the next moment at which one of them is due. */
  begin(view: MembershipView, until: Instant): void {
    this.#view = view
    this.#until = until
  }

  /** Something waits to be settled by then at the latest. */
  endBy(until: Instant): void {
    this.#until = Math.min(this.#until, until)
  }

  /** Whether nothing follows from what is known now. */
  holds(view: MembershipView, now: Instant): boolean {
    return view === this.#view && now < this.#until
  }
}
