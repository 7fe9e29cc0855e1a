import type { Invariant, Violation } from '../run/result.ts'

/** Collects broken promises: the first of each kind, which is enough to stop a run. */
export class Violations {
  readonly #found = new Map<Invariant, Violation>()
  readonly #onFound: ((violation: Violation) => void) | undefined

  constructor(onFound?: (violation: Violation) => void) {
    this.#onFound = onFound
  }

  get all(): readonly Violation[] {
    return [...this.#found.values()]
  }

  get any(): boolean {
    return this.#found.size > 0
  }

  add(invariant: Invariant, at: number, node: number, text: string): void {
    if (this.#found.has(invariant)) return
    const violation = { invariant, at, node, text }
    this.#found.set(invariant, violation)
    this.#onFound?.(violation)
  }
}
