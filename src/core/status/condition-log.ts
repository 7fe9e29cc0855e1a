import type { Condition, Waiting } from '../model/condition.ts'
import type { Instant } from '../model/ids.ts'

/** A condition before it is known since when it holds. */
export type ConditionDraft = Omit<Condition, 'since'>
/** A wait before it is known since when it lasts. */
export type WaitingDraft = Omit<Waiting, 'since'>

/** Remembers since when each condition has its status and each wait lasts, however often a status is built. */
export class ConditionLog {
  readonly #conditions = new Map<string, { readonly status: Condition['status']; readonly since: Instant }>()
  readonly #waits = new Map<string, Instant>()

  /** The conditions with the instant at which their status last changed. */
  stamp(drafts: readonly ConditionDraft[], now: Instant): readonly Condition[] {
    return drafts.map((draft) => {
      const known = this.#conditions.get(draft.type)
      const since = known?.status === draft.status ? known.since : now
      this.#conditions.set(draft.type, { status: draft.status, since })
      return { ...draft, since }
    })
  }

  /** The waits with the instant at which they began; one that ended is forgotten. */
  stampWaits(drafts: readonly WaitingDraft[], now: Instant): readonly Waiting[] {
    const current = new Set(drafts.map((draft) => draft.for))
    for (const known of this.#waits.keys()) if (!current.has(known)) this.#waits.delete(known)
    return drafts.map((draft) => {
      const since = this.#waits.get(draft.for) ?? now
      this.#waits.set(draft.for, since)
      return { ...draft, since }
    })
  }
}
