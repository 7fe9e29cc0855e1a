import type { NodeId } from '../core/model/ids.ts'
import type { Message } from '../core/model/message.ts'
import { decodeMessage, encodeMessage } from '../core/model/wire.ts'
import type { Network, NetworkEvent, PeerAddress, PeerStatus, RefusalCode } from '../core/ports.ts'

/** How one node joins the medium. */
export interface MemoryNetworkInit {
  readonly id: NodeId
  /** Nodes of different tokens refuse each other. */
  readonly token: string
  /** False: it is found by nobody and finds nobody; only `keepPeers` makes links. Default true. */
  readonly discovery?: boolean
  /** Nodes of different versions refuse each other. */
  readonly protocolVersion?: number
}

/**
 * The air between networks of one process: who is there, and which pairs hear each other. Messages are
 * encoded and decoded as on a wire, so that a test fails on what a real peer would not understand.
 */
export class MemoryMedium {
  readonly #started = new Map<NodeId, MemoryNetwork>()
  readonly #cut = new Set<string>()

  /** A node that is not there before its `start`. */
  join(init: MemoryNetworkInit): Network {
    return new MemoryNetwork(this, init)
  }

  /** Cuts a pair apart, or joins it again; links end and come back by themselves. */
  setReachable(a: NodeId, b: NodeId, reachable: boolean): void {
    if (reachable) this.#cut.delete(pairKey(a, b))
    else this.#cut.add(pairKey(a, b))
    this.#started.get(a)?.meet()
    this.#started.get(b)?.meet()
  }

  /** @internal */
  enter(network: MemoryNetwork): void {
    this.#started.set(network.self, network)
    this.#everybodyMeets()
  }

  /** @internal */
  leave(network: MemoryNetwork): void {
    this.#started.delete(network.self)
    this.#everybodyMeets()
  }

  /** Started nodes that `self` can hear, by id. @internal */
  heardBy(self: NodeId): readonly MemoryNetwork[] {
    return [...this.#started.values()].filter(
      (other) => other.self !== self && !this.#cut.has(pairKey(self, other.self)),
    )
  }

  #everybodyMeets(): void {
    for (const network of this.#started.values()) network.meet()
  }
}

/** Port `Network` in one process, for tests of what stands above it. */
class MemoryNetwork implements Network {
  readonly self: NodeId
  readonly init: MemoryNetworkInit
  readonly #medium: MemoryMedium
  readonly #links = new Map<NodeId, MemoryNetwork>()
  readonly #known = new Map<NodeId, { lastError: string; sinceMs: number }>()
  readonly #barred = new Map<NodeId, { readonly code: RefusalCode; readonly detail: string }>()
  readonly #told = new Set<string>()
  #kept: ReadonlySet<NodeId> = new Set()
  #events: NetworkEvent[] = []
  #consumer: ((event: NetworkEvent) => void) | undefined

  constructor(medium: MemoryMedium, init: MemoryNetworkInit) {
    this.#medium = medium
    this.init = init
    this.self = init.id
  }

  async start(onEvent: (event: NetworkEvent) => void): Promise<void> {
    this.#consumer = onEvent
    this.#tell({
      kind: 'machine-changed',
      endpoints: [this.#endpoint],
      localNetworks: [],
      linkUp: true,
    })
    this.#medium.enter(this)
  }

  async stop(): Promise<void> {
    this.#consumer = undefined
    this.#events = []
    for (const other of this.#links.values()) other.#unlink(this.self, 'the peer closed the connection')
    this.#links.clear()
    this.#medium.leave(this)
  }

  send(to: NodeId, message: Message): void {
    const encoded = encodeMessage(message)
    if (!this.#links.has(to)) return
    setImmediate(() => {
      const other = this.#links.get(to)
      if (other === undefined) return
      other.#tell({ kind: 'message', from: this.self, message: decodeMessage(encoded) })
    })
  }

  keepPeers(peers: readonly PeerAddress[]): void {
    this.#kept = new Set(peers.map((peer) => peer.id))
    this.meet()
  }

  cutOff(peer: NodeId, code: RefusalCode, detail: string): void {
    this.#barred.set(peer, { code, detail })
    const other = this.#links.get(peer)
    this.#unlink(peer, `cut off: ${code}: ${detail}`)
    if (other === undefined) return
    other.#unlink(this.self, 'the peer closed the connection')
    other.#refuse(this, code, `it refused us: ${detail}`)
  }

  setPace(): void {
    // There is nothing to be slower about.
  }

  peers(): readonly PeerStatus[] {
    return [...this.#known].map(([id, { lastError, sinceMs }]) => ({
      id,
      connected: this.#links.has(id),
      via: 'membership',
      endpoint: `/memory/${id}`,
      rttMs: this.#links.has(id) ? 0 : undefined,
      lastError,
      sinceMs: performance.now() - sinceMs,
      retryInMs: undefined,
    }))
  }

  nextCallInMs(): undefined {
    // Whoever is in reach is heard of at once.
  }

  /** Makes and ends links as who is there, who is wanted and who is barred ask for. @internal */
  meet(): void {
    const heard = new Map(this.#medium.heardBy(this.self).map((other) => [other.self, other]))
    for (const [id, other] of this.#links) {
      if (heard.get(id) === other) continue
      this.#unlink(id, 'connection lost: out of reach')
      other.#unlink(this.self, 'connection lost: out of reach')
    }
    for (const other of heard.values()) if (this.#wants(other) || other.#wants(this)) this.#link(other)
  }

  #wants(other: MemoryNetwork): boolean {
    const finds =
      this.init.discovery !== false && other.init.discovery !== false && this.init.token === other.init.token
    return finds || this.#kept.has(other.self)
  }

  #link(other: MemoryNetwork): void {
    if (this.#links.has(other.self)) return
    const refusal = this.#judge(other) ?? other.#judge(this)
    if (refusal !== undefined) {
      this.#refuse(other, refusal.code, refusal.detail)
      other.#refuse(this, refusal.code, refusal.detail)
      return
    }
    this.#admit(other)
    other.#admit(this)
  }

  #judge(other: MemoryNetwork): { readonly code: RefusalCode; readonly detail: string } | undefined {
    if (other.init.token !== this.init.token) {
      return { code: 'ForeignNetwork', detail: 'it has another network token' }
    }
    const [ours, theirs] = [this.init.protocolVersion ?? 1, other.init.protocolVersion ?? 1]
    if (ours !== theirs) return { code: 'ProtocolVersion', detail: `protocol versions ${ours} and ${theirs}` }
    return this.#barred.get(other.self)
  }

  #refuse(other: MemoryNetwork, code: RefusalCode, detail: string): void {
    const key = `${code} ${other.self}`
    if (this.#told.has(key)) return
    this.#told.add(key)
    // A stranger's handshake ends before it could name itself.
    const peer = code === 'ForeignNetwork' ? undefined : other.self
    this.#tell({ kind: 'peer-refused', peer, address: other.#endpoint, code, detail })
  }

  #admit(other: MemoryNetwork): void {
    this.#links.set(other.self, other)
    if (!this.#known.has(other.self)) this.#tell({ kind: 'peer-found', peer: other.self, via: 'membership' })
    this.#known.set(other.self, { lastError: '', sinceMs: performance.now() })
    this.#tell({ kind: 'peer-up', peer: other.self, endpoint: other.#endpoint, via: 'membership' })
  }

  #unlink(peer: NodeId, reason: string): void {
    if (!this.#links.delete(peer)) return
    this.#known.set(peer, { lastError: reason, sinceMs: performance.now() })
    this.#tell({ kind: 'peer-down', peer, reason })
  }

  get #endpoint(): string {
    return `/memory/${this.self}`
  }

  #tell(event: NetworkEvent): void {
    if (this.#consumer === undefined) return
    this.#events.push(event)
    if (this.#events.length === 1) queueMicrotask(() => this.#deliver())
  }

  #deliver(): void {
    for (let next = 0; next < this.#events.length; next++) {
      try {
        this.#consumer?.(this.#events[next] as NetworkEvent)
      } catch {
        // A consumer's fault is its own: the next event is delivered all the same.
      }
    }
    this.#events = []
  }
}

function pairKey(a: NodeId, b: NodeId): string {
  return a < b ? `${a} ${b}` : `${b} ${a}`
}
