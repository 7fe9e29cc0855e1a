import type { NetworkEvent } from './ports.ts'
import type { OverlayState } from './overlay/intent.ts'
import type { K3sObservation, K3sStepResult } from './k3s/types.ts'
import type { NodeId } from './model/ids.ts'
import type { SignedStatement } from './model/statement.ts'

/** An order or a question that came over the agent's own API. */
export type LocalRequest =
  /** A request signed with the operator key. */
  | { readonly kind: 'order'; readonly signed: SignedStatement }
  /** Root on this machine says that it is the node of its key; heard only where there is no operator key. */
  | { readonly kind: 'keep-identity' }
  /** Root orders that an `auto` birth goes on without these; heard only where there is no operator key. */
  | { readonly kind: 'go-on-without'; readonly without: readonly NodeId[] }
  /** Leave the cluster for good, or take that back. */
  | { readonly kind: 'leave'; readonly cancel: boolean }

/** Everything that comes into the core. */
export type Input =
  | NetworkEvent
  /** `nextDeadline` has passed. */
  | { readonly kind: 'deadline' }
  | { readonly kind: 'overlay-observed'; readonly state: OverlayState }
  | {
      readonly kind: 'k3s-observed'
      readonly observation: K3sObservation
      /** `ClusterNode.generation` when the look began. */
      readonly generation: number
    }
  | { readonly kind: 'k3s-result'; readonly result: K3sStepResult }
  | { readonly kind: 'request'; readonly requestId: number; readonly request: LocalRequest }
  /** The machine of now is on disk as the one that the identity was born on. */
  | { readonly kind: 'identity-kept' }
  /** The agent is going down in an orderly way. */
  | { readonly kind: 'leaving' }
