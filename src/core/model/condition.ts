import type { Instant } from './ids.ts'

/** As in Kubernetes: a named aspect of the node, whether it holds, and why. */
export interface Condition {
  /** CamelCase, for example `PeersFound`, `Chartered`, `OverlayReady`, `K3sReady`, `SpecAgreed`. */
  readonly type: string
  readonly status: 'true' | 'false' | 'unknown'
  /** CamelCase word for programs, for example `TooManyIdentities`. */
  readonly reason: string
  /** One sentence for people. */
  readonly message: string
  /** What to do about it; empty where nothing needs doing. */
  readonly hint: string
  /** When `status` last changed. */
  readonly since: Instant
}

/** What a node is waiting for: always a thing, how many of it, who is missing, and when it is tried next. */
export interface Waiting {
  /** For example `machines`, `votes`, `voters`, `initialiser`, `etcd members`, `k3s`. */
  readonly for: string
  readonly have: number
  readonly need: number
  /** Node ids or names. */
  readonly missing: readonly string[]
  readonly since: Instant
  /** When it is tried next; undefined when it depends on others alone. */
  readonly retryAt: Instant | undefined
  /** One sentence for people. */
  readonly message: string
}
