/** Something that can happen, and the state that it leads to. */
export interface Step<State> {
  readonly label: string
  readonly state: State
}

/** What is explored: a start, what can happen next, and what must never be. All functions are pure. */
export interface Machine<State> {
  readonly start: State
  next(state: State): Iterable<Step<State>>
  /** Two states with one key have the same future, up to renaming. */
  key(state: State): string
  /** The invariant that this state breaks and how, as `S1: …`; undefined: none. */
  violation(state: State): string | undefined
}

/** A broken invariant and the shortest story that leads to it. */
export interface Violation {
  readonly what: string
  readonly depth: number
  readonly trace: readonly string[]
}

/** What a search found. */
export interface Search {
  readonly states: number
  readonly transitions: number
  /** Length of the longest shortest way from the start to any state seen. */
  readonly depth: number
  /** Set when the search ended at a violation. */
  readonly violation: Violation | undefined
  /** Every reachable state was seen. False when a violation or the limit ended the search. */
  readonly exhaustive: boolean
}

/** States kept at most; a scenario that needs more fails. About 200 bytes each. */
const statesMax = 3_000_000

/**
 * Breadth first, so that a violation is found by one of its shortest stories. Whole keys are kept, not digests of
 * them: nothing is lost by a collision.
 * @param seen called once for each state, for tests that compare what two searches reach
 */
export function search<State>(
  machine: Machine<State>,
  limit = statesMax,
  seen?: (state: State) => void,
): Search {
  const parents = new Map<string, string>()
  const first = machine.key(machine.start)
  let frontier: State[] = [machine.start]
  let transitions = 0
  let depth = 0
  const found = (violation: Violation | undefined, exhaustive: boolean): Search => ({
    states: parents.size,
    transitions,
    depth,
    violation,
    exhaustive,
  })
  parents.set(first, '')
  seen?.(machine.start)
  const wrong = machine.violation(machine.start)
  if (wrong !== undefined) return found({ what: wrong, depth: 0, trace: [] }, false)
  while (frontier.length > 0) {
    const following: State[] = []
    for (const state of frontier) {
      const from = machine.key(state)
      for (const { state: next } of machine.next(state)) {
        transitions += 1
        const key = machine.key(next)
        if (parents.has(key)) continue
        parents.set(key, from)
        seen?.(next)
        const what = machine.violation(next)
        if (what !== undefined) {
          const trace = retell(machine, parents, first, key)
          return found({ what, depth: depth + 1, trace }, false)
        }
        if (parents.size >= limit) return found(undefined, false)
        following.push(next)
      }
    }
    frontier = following
    if (frontier.length > 0) depth += 1
  }
  return found(undefined, true)
}

/** The labels of the steps to a state, found again by walking from the start along the keys that led to it. */
function retell<State>(
  machine: Machine<State>,
  parents: ReadonlyMap<string, string>,
  first: string,
  last: string,
): string[] {
  const keys: string[] = []
  for (let key = last; key !== first; key = parents.get(key) as string) keys.push(key)
  const trace: string[] = []
  let state = machine.start
  for (const key of keys.toReversed()) {
    for (const step of machine.next(state)) {
      if (machine.key(step.state) !== key) continue
      trace.push(step.label)
      state = step.state
      break
    }
  }
  return trace
}
