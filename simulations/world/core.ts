import type { Effect } from '../../src/core/effect.ts'
import type { Input } from '../../src/core/input.ts'
import type { NodeGlance, NodeInit, NodeView } from '../../src/core/node.ts'

/** What runs on a machine of the world: the production `ClusterNode`, or a rival's rule in the same shape. */
export interface Core {
  handle(input: Input, now: number): void
  drain(): readonly Effect[]
  nextDeadline(): number
  /** Of the newest certified plan; -1: none, or a rival that knows no plans. */
  readonly generation: number
  /** The production view; a rival has none, and is judged by what it does to k3s alone. */
  view?(): NodeView
  /** Of the view what costs nothing. */
  glance?(): NodeGlance
}

/** Makes the core of a machine at its start. `index` is the machine's number in the plan. */
export type CoreFactory = (init: NodeInit, index: number) => Core
