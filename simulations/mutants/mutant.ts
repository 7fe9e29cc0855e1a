import type { Plan } from '../plan/plan.ts'
import type { Preset } from '../plan/generate.ts'
import type { Invariant } from '../run/result.ts'

/** One change of a source file. The text `find` must stand in it exactly once. */
export interface Edit {
  /** Path from the top of the repository. */
  readonly file: string
  readonly find: string
  readonly replace: string
}

/** The site on which a bug is looked for, as data. A seed draws the rest: what the preset says, delays, keys. */
export interface Exposure {
  /** Preset of `generatePlan`. */
  readonly faults: Preset
  readonly nodes: number
  /** What the story needs, in place of what the seed drew. */
  readonly fixed?: Partial<Plan>
}

/** A bug that is put into the production core on purpose: a checker must find it within `seedsMax` seeds. */
export interface Mutant {
  readonly name: string
  /** What is wrong, in one sentence. */
  readonly bug: string
  /** The bug, and where a second line of defence would hide it, the hole in that line too. */
  readonly edits: readonly Edit[]
  /** The promises that it breaks; to be caught by another one is to be caught by accident. */
  readonly breaks: readonly Invariant[]
  readonly exposure: Exposure
  readonly seedsMax: number
}
