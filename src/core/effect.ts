import type { NodeId } from './model/ids.ts'
import type { Message } from './model/message.ts'
import type { OverlayIntent } from './overlay/intent.ts'
import type { PeerAddress, RefusalCode, Write } from './ports.ts'
import type { K3sStep } from './k3s/types.ts'

/** The answer to a local request. */
export interface LocalAnswer {
  readonly accepted: boolean
  /** CamelCase word for programs. */
  readonly reason: string
  readonly message: string
}

/**
 * Everything that the core asks for. The order in a batch is a promise: whatever stands before must be
 * done before what stands after is begun: persist, then send, then apply.
 */
export type Effect =
  | { readonly kind: 'persist'; readonly writes: readonly Write[] }
  | { readonly kind: 'send'; readonly to: NodeId; readonly message: Message }
  | { readonly kind: 'keep-peers'; readonly peers: readonly PeerAddress[] }
  | { readonly kind: 'cut-off'; readonly peer: NodeId; readonly code: RefusalCode; readonly detail: string }
  | { readonly kind: 'pace'; readonly pace: 'forming' | 'settled' }
  | { readonly kind: 'overlay'; readonly intent: OverlayIntent }
  | { readonly kind: 'k3s'; readonly step: K3sStep }
  /** The end of a quarantine: write the new birth record (then `identity-kept`), or put key and state aside. */
  | { readonly kind: 'identity'; readonly verdict: 'keep' | 're-key'; readonly reason: string }
  | { readonly kind: 'answer'; readonly requestId: number; readonly answer: LocalAnswer }
  /** One state transition, for the log. */
  | {
      readonly kind: 'event'
      readonly level: 'debug' | 'info' | 'warn' | 'error'
      /** CamelCase, for example `PlanCertified`. */
      readonly reason: string
      readonly message: string
    }
