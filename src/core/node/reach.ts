import type { Instant, NodeId } from '../model/ids.ts'
import { withId } from '../model/ids.ts'
import type { MembershipView } from '../model/member.ts'
import type { PeerAddress } from '../model/peer.ts'
import type { ClusterPlan } from '../model/plan.ts'
import { buildOverlayIntent } from '../overlay/build-intent.ts'
import type { OverlayIntent, OverlayState } from '../overlay/intent.ts'
import { sameData } from '../model/same-data.ts'
import { Conclusion } from '../model/conclusion.ts'
import { paceMs } from '../membership/pace.ts'
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
  /** Another object after each change of the connections. */
  #links: object = {}
  /** The plan and the connections that the overlay was drawn from. */
  #drawn: { readonly plan: ClusterPlan; readonly links: object } | undefined
  #connected: readonly NodeId[] = []
  #dueAt: Instant = 0
  #linkUp = true
  #overlay: OverlayState | undefined
  #intent: OverlayIntent | undefined
  readonly #intended = new Conclusion<void>()
  #pace: 'forming' | 'settled' | undefined
  #contacts: readonly PeerAddress[] | undefined
  #remembered: readonly PeerAddress[] | undefined
  #rememberedAt: Instant = Number.NEGATIVE_INFINITY

  constructor(context: NodeContext) {
    this.#context = context
  }

  /** Connected peers, sorted. The same list as long as nothing changed. */
  get connected(): readonly NodeId[] {
    return this.#connected
  }

  get linkUp(): boolean {
    return this.#linkUp
  }

  /** The overlay as it was last seen. */
  get overlay(): OverlayState | undefined {
    return this.#overlay
  }

  peerUp(peer: NodeId, endpoint: string): void {
    if (this.#connections.get(peer) === endpoint) return
    this.#connections.set(peer, endpoint)
    this.#links = {}
    this.#connected = withId(this.#connected, peer)
  }

  peerDown(peer: NodeId): void {
    if (!this.#connections.delete(peer)) return
    this.#links = {}
    this.#connected = this.#connected.filter((id) => id !== peer)
  }

  linkChanged(up: boolean): void {
    this.#linkUp = up
  }

  overlayObserved(state: OverlayState): void {
    this.#overlay = state
  }

  /**
   * Says what is wanted of network and overlay now.
   * @param ways stands for what the overlay reads of the view (`Membership.ways`)
   */
  settle(
    plan: ClusterPlan | undefined,
    view: MembershipView,
    ways: object,
    contacts: readonly PeerAddress[],
  ): void {
    if (plan !== undefined) {
      const from = [plan, ways, this.#linksToShow(plan, view)]
      this.#intended.of(this.#context.moment.now, from, () => this.#applyOverlay(plan, view))
    }
    this.#setPace(plan === undefined ? 'forming' : 'settled')
    this.#keepPeers(contacts)
  }

  /** The next moment at which time alone lets `settle` say more: peers that wait to be remembered. */
  get settledUntil(): Instant {
    const peers = this.#contacts
    const isKnown = peers === undefined || peers.length === 0 || peers === this.#remembered
    return isKnown ? Number.POSITIVE_INFINITY : this.#rememberedAt + rememberIntervalMs
  }

  /** When new connections are due in the overlay of a large network. */
  nextDeadline(): Instant | undefined {
    return this.#drawn === undefined || this.#drawn.links === this.#links ? undefined : this.#dueAt
  }

  /** A connection more is no reason to look at every member of a large network again. */
  #linksToShow(plan: ClusterPlan, view: MembershipView): object {
    const { now } = this.#context.moment
    const due = this.#drawn === undefined || this.#drawn.plan !== plan || now >= this.#dueAt
    if (due && this.#drawn?.links !== this.#links) {
      this.#drawn = { plan, links: this.#links }
      this.#dueAt = now + paceMs(view.members.length)
    }
    return this.#drawn?.links ?? this.#links
  }

  #applyOverlay({ body }: ClusterPlan, view: MembershipView): void {
    const { self, overlay } = this.#context.init
    const { device, mtu } = overlay
    const source = { self, body, view, connections: this.#connections, device, mtu }
    const intent = buildOverlayIntent(source)
    if (intent === undefined || sameData(intent, this.#intent)) return
    this.#intent = intent
    this.#context.outbox.push({ kind: 'overlay', intent })
  }

  #setPace(pace: 'forming' | 'settled'): void {
    if (pace === this.#pace) return
    this.#pace = pace
    this.#context.outbox.push({ kind: 'pace', pace })
  }

  #keepPeers(peers: readonly PeerAddress[]): void {
    const { moment, outbox } = this.#context
    if (peers !== this.#contacts) {
      const same = sameData(peers, this.#contacts)
      this.#contacts = peers
      if (!same) outbox.push({ kind: 'keep-peers', peers })
    }
    if (moment.now < this.#rememberedAt + rememberIntervalMs) return
    if (peers.length === 0 || peers === this.#remembered) return
    const known = sameData(peers, this.#remembered)
    this.#remembered = peers
    if (known) return
    this.#rememberedAt = moment.now
    outbox.persist({ op: 'put', key: 'peers', value: { peers: peers.slice(0, rememberedMax) } })
  }
}
