import type { Instant, NodeId } from '../../core/model/ids.ts'
import type { OverlayIntent, OverlayPeer, OverlayPeerState, OverlayState } from '../../core/overlay/intent.ts'
import type { LinkIntent, Links } from '../../core/overlay/links.ts'
import type { UdpEndpoint } from '../../core/overlay/path.ts'
import { choosePath } from '../../core/overlay/path.ts'
import type { DropReason } from '../../core/overlay/route-table.ts'
import { RouteTable } from '../../core/overlay/route-table.ts'
import type { OverlayDevice } from '../../core/ports.ts'
import { MusterError } from '../../errors.ts'
import { createSealer } from './sealer.ts'
import type { FrameFault } from './session-table.ts'
import { SessionTable } from './session-table.ts'
import { TunFile } from './tun-file.ts'
import { UdpSocket } from './udp-socket.ts'

/** UDP port of the data plane where none is configured. */
export const overlayPortDefault = 7_947
/** Name of the overlay's device on a machine. */
export const overlayDeviceDefault = 'muster0'

/** Between two looks at whether the link still has its addresses; a look is one system call. */
const watchIntervalMs = 2_000
/** Between two full checks (routes, MTU), which run `ip` three times. */
const fullCheckIntervalMs = 30_000

/** Something that an operator may want to know. */
export interface OverlayEvent {
  readonly level: 'info' | 'warn' | 'error'
  /** CamelCase, for example `OverlayRepaired`. */
  readonly reason: string
  readonly message: string
}

/** What the data plane needs of its surroundings. */
export interface OverlayDeviceComponents {
  readonly links: Links
  readonly clock: { now(): Instant }
}

/** What makes one node's data plane. */
export interface OverlayDeviceInit {
  /** Secret of the network, from the token's key schedule; the salt of all session keys. */
  readonly psk: Uint8Array
  readonly self: NodeId
  /** UDP port; 0 takes any free one. */
  readonly port?: number
  readonly device?: string
  /** Called for repairs and failures, never re-entrantly from `apply`'s caller's point of view. */
  readonly onEvent?: (event: OverlayEvent) => void
}

/** Why packets were dropped since the start, all peers together. */
export type DropCounts = Readonly<Record<DropReason | FrameFault | 'no-path' | 'link', number>>

/** The userspace data plane: the port, and its counters of drops for metrics. */
export interface UserspaceOverlay extends OverlayDevice {
  drops(): DropCounts
}

/** Joins a TUN device and a UDP socket by sealed frames; see core/overlay/frame.ts. */
export function createOverlayDevice(
  components: OverlayDeviceComponents,
  init: OverlayDeviceInit,
): UserspaceOverlay {
  return new TunOverlay(components, init)
}

interface Peer {
  readonly key: string
  readonly announced: UdpEndpoint | undefined
  heard: (UdpEndpoint & { readonly at: Instant }) | undefined
  sentPackets: number
  receivedPackets: number
  droppedPackets: number
}

interface DataPlane {
  readonly socket: UdpSocket
  readonly sessions: SessionTable
}

/**
 * ```
 *  stopped ──start──▶ bound ──apply──▶ up ──device lost, addresses lost──▶ broken
 *     ▲                 │               ▲ ▲                                  │
 *     └──────stop───────┴──── stop ─────┘ └────── repaired (2 s watch) ──────┘
 * ```
 * The device outlives all of it: addresses that k3s has bound to stay while the agent restarts.
 */
class TunOverlay implements UserspaceOverlay {
  readonly #links: Links
  readonly #clock: { now(): Instant }
  readonly #init: OverlayDeviceInit
  readonly #drops: Record<DropReason | FrameFault | 'no-path' | 'link', number> = {
    malformed: 0,
    multicast: 0,
    'no-route': 0,
    'wrong-source': 0,
    'wrong-destination': 0,
    'not-a-frame': 0,
    'unknown-key': 0,
    replayed: 0,
    forged: 0,
    'no-path': 0,
    link: 0,
  }
  #plane: DataPlane | undefined
  #tun: TunFile | undefined
  #intent: OverlayIntent | undefined
  #routes: RouteTable
  #peers = new Map<NodeId, Peer>()
  #overlayHosts: ReadonlySet<string> = new Set()
  #up = false
  #detail = 'not started'
  #problems: readonly string[] = []
  #fullCheckAt: Instant = 0
  #watch: NodeJS.Timeout | undefined
  /** Changes of the link happen one after another, in the order in which they were asked for. */
  #work: Promise<void> = Promise.resolve()

  constructor(components: OverlayDeviceComponents, init: OverlayDeviceInit) {
    this.#links = components.links
    this.#clock = components.clock
    this.#init = init
    this.#routes = new RouteTable(init.self, [])
  }

  async start(): Promise<{ readonly port: number; readonly publicKey: string }> {
    if (this.#plane !== undefined) throw new Error('the overlay is started already')
    const sealer = createSealer(this.#init.psk)
    const port = this.#init.port ?? overlayPortDefault
    const socket = await UdpSocket.bind(port, (...datagram) => this.#onDatagram(...datagram))
    this.#plane = { socket, sessions: new SessionTable(this.#init.self, sealer) }
    this.#detail = 'waiting for an address'
    return { port: socket.port, publicKey: sealer.publicKey }
  }

  async apply(intent: OverlayIntent): Promise<void> {
    await this.#inOrder(async () => {
      if (this.#plane === undefined) throw new Error('the overlay is not started')
      const isSameLink = this.#intent !== undefined && linkText(this.#intent) === linkText(intent)
      this.#applyPeers(this.#plane, intent)
      this.#watch ??= setInterval(() => this.#look(), watchIntervalMs).unref()
      if (!isSameLink || !this.#up) await this.#reconcile()
    })
  }

  state(): OverlayState {
    const peers = [...this.#peers].map(([id, peer]): OverlayPeerState => {
      const { sentPackets, receivedPackets, droppedPackets } = peer
      return { id, sentPackets, receivedPackets, droppedPackets }
    })
    return {
      up: this.#up,
      device: this.#intent?.device ?? this.#init.device ?? overlayDeviceDefault,
      address4: this.#intent?.address4 ?? '',
      address6: this.#intent?.address6 ?? '',
      mtu: this.#intent?.mtu ?? 0,
      detail: this.#detail,
      peers,
    }
  }

  drops(): DropCounts {
    return { ...this.#drops }
  }

  async stop(): Promise<void> {
    clearInterval(this.#watch)
    this.#watch = undefined
    await this.#inOrder(async () => {
      const plane = this.#plane
      this.#plane = undefined
      this.#tun?.close()
      this.#tun = undefined
      this.#intent = undefined
      this.#up = false
      this.#detail = 'stopped'
      await plane?.socket.close()
    })
  }

  async #inOrder(change: () => Promise<void>): Promise<void> {
    const turn = this.#work.then(change)
    // A failed change is its caller's affair and does not stop those that wait behind it.
    this.#work = turn.catch(() => undefined)
    await turn
  }

  #applyPeers(plane: DataPlane, intent: OverlayIntent): void {
    const own = { id: this.#init.self, address4: intent.address4, address6: intent.address6 }
    plane.sessions.setPeers(intent.peers, this.#clock.now())
    this.#routes = new RouteTable(this.#init.self, [own, ...intent.peers])
    this.#overlayHosts = new Set([own, ...intent.peers].flatMap((node) => [node.address4, node.address6]))
    const former = this.#peers
    this.#peers = new Map(intent.peers.map((peer) => [peer.id, peerOf(peer, former.get(peer.id))]))
    this.#intent = intent
  }

  /** Makes device, addresses, MTU and routes what the intent says. Throws ERR_OVERLAY_DEVICE. */
  async #reconcile(): Promise<void> {
    const intent = this.#intent
    if (intent === undefined) return
    try {
      if (this.#tun?.device !== intent.device) {
        this.#tun?.close()
        this.#tun = undefined
      }
      this.#tun ??= new TunFile(intent.device, {
        onPacket: (packet) => this.#onPacket(packet),
        onLost: (detail) => this.#onLost(detail),
      })
      const { changes, problems } = await this.#links.configure(intent)
      this.#fullCheckAt = this.#clock.now() + fullCheckIntervalMs
      this.#problems = problems
      this.#up = true
      this.#detail = problems.join('; ')
      if (changes.length > 0)
        this.#say('info', 'OverlayConfigured', `${intent.device}: ${changes.join(', ')}`)
      if (problems.length > 0)
        this.#say('warn', 'OverlayDegraded', `${intent.device}: ${problems.join('; ')}`)
    } catch (error) {
      this.#fail(error instanceof Error ? error.message : String(error))
      throw error
    }
  }

  /** The watch: cheap looks often, a full check seldom or when a look finds a fault. */
  #look(): void {
    const intent = this.#intent
    if (intent === undefined) return
    const isDue = this.#clock.now() >= this.#fullCheckAt
    // Where IPv6 is switched off the quick look never passes; the full check is enough.
    const isWrong =
      this.#tun === undefined || (this.#problems.length === 0 && !this.#links.isConfigured(intent))
    if (this.#up && !isDue && !isWrong) return
    if (this.#up && isWrong) this.#fail(`${intent.device} lost its addresses or was switched off`)
    void this.#inOrder(async () => {
      const wasUp = this.#up
      // Stopped, or repaired by an `apply`, while this waited for its turn.
      if (this.#intent === undefined) return
      await this.#reconcile()
      if (!wasUp) this.#say('info', 'OverlayRepaired', `${intent.device} is up again`)
    }).catch(() => {
      // Said by #fail; the next look tries again.
    })
  }

  #onLost(detail: string): void {
    this.#tun = undefined
    const device = this.#intent?.device ?? overlayDeviceDefault
    this.#fail(new MusterError('ERR_OVERLAY_DEVICE', { device, detail: `it vanished (${detail})` }).message)
    this.#look()
  }

  #fail(message: string): void {
    // Once for each failure, not at each look.
    if (this.#up || this.#detail !== message) this.#say('error', 'OverlayFailed', message)
    this.#up = false
    this.#detail = message
  }

  #say(level: OverlayEvent['level'], reason: string, message: string): void {
    this.#init.onEvent?.({ level, reason, message })
  }

  /** A packet that this machine sends into the overlay. */
  #onPacket(packet: Uint8Array): void {
    const verdict = this.#routes.outgoing(packet)
    if (verdict.kind !== 'peer') {
      if (verdict.kind === 'drop') this.#drops[verdict.reason]++
      return
    }
    const peer = this.#peers.get(verdict.peer)
    const path = peer === undefined ? undefined : choosePath(peer.announced, peer.heard, this.#clock.now())
    const plane = this.#plane
    const frame = path === undefined ? undefined : plane?.sessions.seal(verdict.peer, packet)
    if (peer === undefined || path === undefined || frame === undefined) this.#drops['no-path']++
    else if (plane?.socket.send(frame, path) === true) peer.sentPackets++
    else this.#drops.link++
  }

  /** Whatever arrives at the UDP port, from anybody. */
  #onDatagram(datagram: Uint8Array, host: string, port: number): void {
    const now = this.#clock.now()
    const opened = this.#plane?.sessions.open(datagram, now)
    if (opened === undefined) return
    if (opened.kind === 'fault') {
      this.#drop(opened.fault, opened.peer)
      return
    }
    const peer = this.#peers.get(opened.peer)
    if (peer === undefined) {
      this.#drops['unknown-key']++
      return
    }
    // A path through the overlay itself would be a loop.
    if (opened.isNewest && !this.#overlayHosts.has(host)) peer.heard = { host, port, at: now }
    const verdict = this.#routes.incoming(opened.peer, opened.packet)
    if (verdict.kind === 'drop') this.#drop(verdict.reason, opened.peer)
    else if (this.#tun?.write(opened.packet) === true) peer.receivedPackets++
    else this.#drop('link', opened.peer)
  }

  #drop(reason: keyof DropCounts, id: NodeId | undefined): void {
    this.#drops[reason]++
    const peer = id === undefined ? undefined : this.#peers.get(id)
    if (peer !== undefined) peer.droppedPackets++
  }
}

/** Counters are for the life of this agent; where a peer was heard is void once it has restarted. */
function peerOf({ key, endpoint: announced }: OverlayPeer, former: Peer | undefined): Peer {
  if (former?.key === key) return { ...former, announced }
  const { sentPackets = 0, receivedPackets = 0, droppedPackets = 0 } = former ?? {}
  return { key, announced, heard: undefined, sentPackets, receivedPackets, droppedPackets }
}

function linkText(intent: LinkIntent): string {
  const { device, address4, prefix4, address6, prefix6, mtu } = intent
  return JSON.stringify([device, address4, prefix4, address6, prefix6, mtu])
}
