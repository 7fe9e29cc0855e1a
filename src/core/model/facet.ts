import type { MembershipView, MemberView } from './member.ts'
import { sameData } from './same-data.ts'

/**
 * What one part reads of the view, as an object that stays the same as long as nothing of that changes: most records
 * change for what they say to people, and nothing follows from it. The type `V` leaves out all that is not compared, so
 * that the compiler finds whoever reads it.
 */
export class Facet<V> {
  readonly #same: (a: MemberView, b: MemberView) => boolean
  /** The view that was last looked at. Everything in it that counts is as in `#shown`. */
  #seen: MembershipView | undefined
  #shown: V | undefined

  /** @param same whether two states of one member are equal in all that `V` shows */
  constructor(same: (a: MemberView, b: MemberView) => boolean) {
    this.#same = same
  }

  /** This facet of a view. */
  of(view: MembershipView & V): V {
    if (view === this.#seen) return this.#shown as V
    if (this.#seen === undefined || !this.#isSame(this.#seen, view)) this.#shown = view
    this.#seen = view
    return this.#shown as V
  }

  #isSame(before: MembershipView, after: MembershipView): boolean {
    if (before.members.length !== after.members.length || before.self !== after.self) return false
    for (let index = 0; index < after.members.length; index++) {
      const [a, b] = [before.members[index] as MemberView, after.members[index] as MemberView]
      if (a !== b && (a.record.nodeId !== b.record.nodeId || !this.#same(a, b))) return false
    }
    return true
  }
}

/** Whether two members have equal values under all these keys of their records. */
export function sameUnder(
  a: MemberView['record'],
  b: MemberView['record'],
  keys: readonly (keyof MemberView['record'])[],
): boolean {
  for (const key of keys) if (a[key] !== b[key] && !sameData(a[key], b[key])) return false
  return true
}
