import type { Rules, State } from './model.ts'
import { Model } from './model.ts'

/** What a search found. */
export interface Search {
  readonly states: number
  readonly transitions: number
  /** Set when the search ended at a violation. */
  readonly violation: { readonly what: string; readonly depth: number } | undefined
  /** Every reachable state was seen. */
  readonly exhaustive: boolean
}

/** Breadth first, so that a violation is found at its least depth. */
export function search(rules: Rules, statesMax = 3_000_000): Search {
  const model = new Model(rules)
  const first = model.start()
  const seen = new Set<string>([model.key(first)])
  let frontier: State[] = [first]
  let transitions = 0
  for (let depth = 1; frontier.length > 0; depth++) {
    const following: State[] = []
    for (const state of frontier) {
      for (const next of model.next(state)) {
        transitions += 1
        const key = model.key(next)
        if (seen.has(key)) continue
        seen.add(key)
        const what = model.violation(next)
        if (what !== undefined) {
          return { states: seen.size, transitions, violation: { what, depth }, exhaustive: false }
        }
        if (seen.size >= statesMax)
          return { states: seen.size, transitions, violation: undefined, exhaustive: false }
        following.push(next)
      }
    }
    frontier = following
  }
  return { states: seen.size, transitions, violation: undefined, exhaustive: true }
}
