import type { Instant, NodeId } from '../../core/model/ids.ts'
import { frameCounterMax, readFrameHeader } from '../../core/overlay/frame.ts'
import type { OverlayPeer } from '../../core/overlay/intent.ts'
import { ReplayWindow } from '../../core/overlay/replay-window.ts'
import type { SessionEnd } from '../../core/overlay/session-key.ts'
import type { Sealer, SessionKeys } from './sealer.ts'

/** Frames of a peer's former key are still on their way for so long after its restart. */
const formerKeyMs = 5_000
/** Sessions of peers that are not in the intent any more, kept for the sake of their counters. */
const parkedMax = 1_024

/** Why a frame is not opened. */
export type FrameFault = 'not-a-frame' | 'unknown-key' | 'replayed' | 'forged'

/** What came of a datagram. */
export type Opened =
  | {
      readonly kind: 'packet'
      readonly peer: NodeId
      readonly packet: Uint8Array
      /** No newer frame of this session was seen: the sender is where this one came from. */
      readonly isNewest: boolean
    }
  | { readonly kind: 'fault'; readonly fault: FrameFault; readonly peer: NodeId | undefined }

/** One pair's keys with their counters: for the time between two restarts of either end. */
interface Session {
  readonly peer: SessionEnd
  readonly keys: SessionKeys
  readonly window: ReplayWindow
  sendCounter: number
  /** When frames sealed with it are refused; undefined while it is the peer's present one. */
  refusedFrom: Instant | undefined
}

/**
 * The sessions of this start, by peer and by key id.
 *
 * ```
 *            peer restarts (other key)          5 s pass
 *  present ────────────────────────────▶ former ────────▶ parked
 *     ▲  └───── peer leaves the intent ───────────────────▶ │
 *     └──────── the same key comes back ────────────────────┘
 * ```
 * A parked session is not opened with, but it is the same keys: when it comes back it goes on with its
 * counters and its window, so that no nonce is used twice and no old frame is accepted again.
 */
export class SessionTable {
  readonly #self: NodeId
  readonly #sealer: Sealer
  readonly #present = new Map<NodeId, Session>()
  /** Those that frames are opened with: present and former. */
  readonly #byKeyId = new Map<number, Session>()
  /** All of them, by peer and key; parked ones in the order in which they were parked. */
  readonly #known = new Map<string, Session>()
  /** Above every counter of a parked session that was forgotten. */
  #counterFloor = 0

  constructor(self: NodeId, sealer: Sealer) {
    this.#self = self
    this.#sealer = sealer
  }

  /** Replaces the peers. Sessions of those whose key did not change go on. */
  setPeers(peers: readonly OverlayPeer[], now: Instant): void {
    const wanted = new Set(peers.map((peer) => peer.id))
    for (const [id, session] of this.#present) {
      if (wanted.has(id)) continue
      this.#present.delete(id)
      this.#park(session)
    }
    for (const session of this.#byKeyId.values()) {
      if (isRefused(session, now)) this.#park(session)
    }
    for (const peer of peers) {
      const held = this.#present.get(peer.id)
      if (held?.peer.key === peer.key) continue
      if (held !== undefined) held.refusedFrom = now + formerKeyMs
      this.#present.delete(peer.id)
      const session = this.#known.get(sessionName(peer)) ?? this.#agree(peer)
      if (session === undefined) continue
      session.refusedFrom = undefined
      this.#present.set(peer.id, session)
      this.#byKeyId.set(session.keys.receive.id, session)
    }
  }

  /** The frame for a packet to a peer, or undefined where there is no session with it. */
  seal(peer: NodeId, packet: Uint8Array): Uint8Array | undefined {
    const session = this.#present.get(peer)
    if (session === undefined || session.sendCounter >= frameCounterMax) return undefined
    return this.#sealer.seal(session.keys.send, session.sendCounter++, packet)
  }

  /** Opens a datagram from the network, whatever it is. Never throws. */
  open(datagram: Uint8Array, now: Instant): Opened {
    const header = readFrameHeader(datagram)
    if (header === undefined) return { kind: 'fault', fault: 'not-a-frame', peer: undefined }
    const session = this.#byKeyId.get(header.keyId)
    if (session === undefined) return { kind: 'fault', fault: 'unknown-key', peer: undefined }
    const peer = session.peer.id
    if (isRefused(session, now)) {
      this.#park(session)
      return { kind: 'fault', fault: 'unknown-key', peer: undefined }
    }
    if (!session.window.isFresh(header.counter)) return { kind: 'fault', fault: 'replayed', peer }
    const packet = this.#sealer.open(session.keys.receive, datagram)
    if (packet === undefined) return { kind: 'fault', fault: 'forged', peer }
    const isNewest = session.refusedFrom === undefined && header.counter > session.window.newest
    session.window.accept(header.counter)
    return { kind: 'packet', peer, packet, isNewest }
  }

  #agree(peer: OverlayPeer): Session | undefined {
    const end: SessionEnd = { id: peer.id, key: peer.key }
    const keys = this.#sealer.agree(this.#self, end)
    if (keys === undefined) return undefined
    const window = new ReplayWindow()
    const session: Session = {
      peer: end,
      keys,
      window,
      sendCounter: this.#counterFloor,
      refusedFrom: undefined,
    }
    this.#known.set(sessionName(end), session)
    return session
  }

  #park(session: Session): void {
    this.#byKeyId.delete(session.keys.receive.id)
    const name = sessionName(session.peer)
    this.#known.delete(name)
    this.#known.set(name, session)
    for (const [oldestName, oldest] of this.#known) {
      if (this.#known.size - this.#byKeyId.size <= parkedMax) break
      if (this.#byKeyId.has(oldest.keys.receive.id)) continue
      this.#known.delete(oldestName)
      this.#counterFloor = Math.max(this.#counterFloor, oldest.sendCounter)
    }
  }
}

function sessionName(end: SessionEnd): string {
  return `${end.id} ${end.key}`
}

function isRefused(session: Session, now: Instant): boolean {
  return session.refusedFrom !== undefined && now >= session.refusedFrom
}
