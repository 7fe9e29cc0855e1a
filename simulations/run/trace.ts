import type { Plan } from '../plan/plan.ts'

// What a recorded run hands to a picture. Times are milliseconds of virtual time, machines are numbers.

/** Something that happened, in the order in which it did. */
export type TraceEvent = { readonly at: number } & (
  | { readonly kind: 'boot'; readonly node: number; readonly id: string; readonly boots: number }
  | { readonly kind: 'crash'; readonly node: number; readonly why: string }
  | { readonly kind: 'pause'; readonly node: number; readonly until: number }
  /** A message leaves; `delivery` or `drop` names it by `message`. */
  | {
      readonly kind: 'send'
      readonly message: number
      readonly from: number
      readonly to: number
      readonly type: string
      /** Of consensus messages: ballot and generation in words; empty otherwise. */
      readonly text: string
    }
  | { readonly kind: 'delivery'; readonly message: number; readonly from: number; readonly to: number }
  | { readonly kind: 'drop'; readonly message: number; readonly why: string }
  /** Links that do not carry, for the band of a picture. Ends at `until`. */
  | {
      readonly kind: 'partition'
      readonly how: 'partition' | 'one-way' | 'clog'
      readonly groups: readonly (readonly number[])[]
      readonly until: number
    }
  | { readonly kind: 'persist'; readonly node: number; readonly keys: readonly string[] }
  /** A certified plan was written into this machine's chain. */
  | {
      readonly kind: 'adoption'
      readonly node: number
      readonly clusterId: string
      readonly generation: number
      readonly phase: string
      readonly hash: string
    }
  | { readonly kind: 'phase'; readonly node: number; readonly phase: string; readonly note: string }
  /** A line of the core's own log. */
  | {
      readonly kind: 'log'
      readonly node: number
      readonly level: string
      readonly reason: string
      readonly message: string
    }
  /** What k3s and etcd did: `start server-init`, `member added`, `promoted`, `member removed`, `cleared`, `api answers`. */
  | { readonly kind: 'k3s'; readonly node: number; readonly what: string; readonly detail: string }
  /** Any other event of the fault plan, as it begins. */
  | {
      readonly kind: 'fault'
      readonly what: string
      readonly nodes: readonly number[]
      readonly text: string
    }
  | { readonly kind: 'healed'; readonly core: readonly number[] }
  | { readonly kind: 'violation'; readonly node: number; readonly invariant: string; readonly text: string }
  /** State at a change, for a tooltip. */
  | { readonly kind: 'snapshot'; readonly node: number; readonly state: NodeSnapshot }
)

/** What one machine knows, in short. */
export interface NodeSnapshot {
  readonly phase: string
  readonly note: string
  readonly clusterId: string
  readonly generation: number
  readonly planPhase: string
  readonly leader: number | undefined
  readonly connected: readonly number[]
  readonly seen: number
  readonly etcd: number
}

/** A recorded run: the plan, the machines' names, and all that happened. */
export interface Trace {
  readonly plan: Plan
  readonly endMs: number
  readonly events: readonly TraceEvent[]
  /** More happened than is kept; the first ones are. */
  readonly truncated: boolean
}
