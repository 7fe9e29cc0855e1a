import type { Instant, NodeId } from '../model/ids.ts'
import type { MembershipView } from '../model/member.ts'
import type { PeerAddress } from '../model/peer.ts'
import type { ClusterPlan } from '../model/plan.ts'
import { buildOverlayIntent } from '../overlay/build-intent.ts'
import type { OverlayState } from '../overlay/intent.ts'
import type { NodeContext } from './outbox.ts'

/** Remembered peers are written at most so often. */
const rememberIntervalMs = 30_000

/** Peers that are remembered over a restart. */
const rememberedMax = 64

/**
 * How far this node reaches: its connections, the peers to keep, and the overlay over them. What is wanted of
 * the network and the overlay is said when it changes, and only then.
 */
export class Reach {
  readonly #context: NodeContext
  readonly #connections = new Map<NodeId, string>()
  #linkUp = true
  #overlay: OverlayState | undefined
  #intent = ''
  #pace: 'forming' | 'settled' | undefined
  #contacts = ''
  #remembered = ''
  #rememberedAt: Instant = Number.NEGATIVE_INFINITY

  constructor(context: NodeContext) {
    this.#context = context
  }

  /** Connected peers, sorted. */
  get connected(): readonly NodeId[] {
    return [...this.#connections.keys()].toSorted()
  }

  get linkUp(): boolean {
    return this.#linkUp
  }

  /** The overlay as it was last seen. */
  get overlay(): OverlayState | undefined {
    return this.#overlay
  }

  isConnected(peer: NodeId): boolean {
    return this.#connections.has(peer)
  }

  peerUp(peer: NodeId, endpoint: string): void {
    this.#connections.set(peer, endpoint)
  }

  peerDown(peer: NodeId): void {
    this.#connections.delete(peer)
  }

  linkChanged(up: boolean): void {
    this.#linkUp = up
  }

  overlayObserved(state: OverlayState): void {
    this.#overlay = state
  }

  /** Says what is wanted of network and overlay now. */
  settle(plan: ClusterPlan | undefined, view: MembershipView, contacts: readonly PeerAddress[]): void {
    if (plan !== undefined) this.#applyOverlay(plan, view)
    this.#setPace(plan === undefined ? 'forming' : 'settled')
    this.#keepPeers(contacts)
  }

  #applyOverlay({ body }: ClusterPlan, view: MembershipView): void {
    const { self, overlay } = this.#context.init
    const { device, mtu } = overlay
    const intent = buildOverlayIntent({ self, body, view, connections: this.#connections, device, mtu })
    const text = intent === undefined ? this.#intent : JSON.stringify(intent)
    if (intent === undefined || text === this.#intent) return
    this.#intent = text
    this.#context.outbox.push({ kind: 'overlay', intent })
  }

  #setPace(pace: 'forming' | 'settled'): void {
    if (pace === this.#pace) return
    this.#pace = pace
    this.#context.outbox.push({ kind: 'pace', pace })
  }

  #keepPeers(peers: readonly PeerAddress[]): void {
    const { moment, outbox } = this.#context
    const text = JSON.stringify(peers)
    if (text !== this.#contacts) {
      this.#contacts = text
      outbox.push({ kind: 'keep-peers', peers })
    }
    const due = moment.now >= this.#rememberedAt + rememberIntervalMs
    if (!due || peers.length === 0 || text === this.#remembered) return
    this.#remembered = text
    this.#rememberedAt = moment.now
    outbox.persist({ op: 'put', key: 'peers', value: { peers: peers.slice(0, rememberedMax) } })
  }
}
