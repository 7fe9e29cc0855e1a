import type { Connection } from '@libp2p/interface'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { NodeId } from '../../core/model/ids.ts'
import { endpointsMax, localNetworksMax, messageBytesMax } from '../../core/model/limits.ts'
import type { Message } from '../../core/model/message.ts'
import { encodeMessage } from '../../core/model/wire.ts'
import type {
  DiscoveredVia,
  Network,
  NetworkEvent,
  PeerAddress,
  PeerStatus,
  RefusalCode,
} from '../../core/ports.ts'
import { drawSession, linkProtocol } from './admission.ts'
import { Discovery } from './discovery.ts'
import { EventQueue } from './event-queue.ts'
import { startHost } from './host.ts'
import type { Host } from './host.ts'
import { hostKey } from './host-key.ts'
import { isExcluded, localNetworks, ownEndpoints, sameLinks, scanLinks } from './interfaces.ts'
import type { LinkScan } from './interfaces.ts'
import { LinkSetup } from './link-setup.ts'
import { activeLink, PeerBook, peerStatus } from './peer-book.ts'
import type { PeerRecord } from './peer-book.ts'
import { closeQuietly, describe } from './peer-link.ts'
import type { LinkEnd, PeerLink } from './peer-link.ts'
import { backoffMs, Reconnector } from './reconnect.ts'
import { Refusals } from './refusals.ts'
import { isUrgent } from './send-queue.ts'
import { defaultLimits } from './settings.ts'
import type { NetworkComponents, NetworkInit, NetworkLimits, NetworkLogger } from './settings.ts'

/** A peer that nobody asks for any more is dialled this long after discovery last named it. */
const foundLastsMs = 600_000

/** A pair may for a moment have no link between the end of one and the admission of the other. */
const swapGraceMs = 2_000

/** A link that ends sooner was of no use. */
const steadyLinkMs = 10_000

/** With so many links a node waits twice as long for the other side's dial. */
const linksOfHaste = 8

/** Links of one pair at once; more come only from a peer that dials without need. */
const linksPerPeerMax = 3

/** Makes the `Network` port over libp2p. Nothing is opened before `start`. */
export async function createNetwork(components: NetworkComponents, init: NetworkInit): Promise<Network> {
  const key = hostKey(init.identitySeed)
  return new Libp2pNetwork(peerIdFromPrivateKey(key).toString(), components.logger, init)
}

/**
 * The port: who is known (PeerBook), whom to dial (Reconnector), who may speak (LinkSetup, Refusals) and the
 * links themselves. libp2p carries bytes; every decision about peers is made here.
 */
class Libp2pNetwork implements Network {
  readonly self: NodeId
  readonly #logger: NetworkLogger
  readonly #init: NetworkInit
  readonly #limits: NetworkLimits
  readonly #session = drawSession()
  readonly #book = new PeerBook()
  readonly #events: EventQueue
  readonly #refusals: Refusals
  readonly #reconnector: Reconnector
  readonly #setup: LinkSetup
  /** Static addresses that name no peer, and the peer that was found there. */
  readonly #anonymous = new Map<string, NodeId | undefined>()
  #scan: LinkScan
  #host: Host | undefined
  #discovery: Discovery | undefined
  #scanTimer: NodeJS.Timeout | undefined
  #stopping = false

  constructor(self: NodeId, logger: NetworkLogger, init: NetworkInit) {
    this.self = self
    this.#logger = logger
    this.#init = init
    this.#limits = { ...defaultLimits, ...init.limits }
    this.#scan = this.#look()
    this.#events = new EventQueue((error) =>
      logger.warn({ error: describe(error) }, 'an event was not handled'),
    )
    const { refusalMinMs, refusalMaxMs, refusalReportMs } = this.#limits
    this.#refusals = new Refusals(refusalMinMs, refusalMaxMs, refusalReportMs)
    this.#reconnector = new Reconnector({
      limits: this.#limits,
      attempt: (key) => this.#dial(key),
      wanted: (key) => this.#isWanted(key),
    })
    this.#setup = new LinkSetup({
      self,
      session: this.#session,
      key: init.keys.admissionKey,
      version: init.protocolVersion,
      limits: this.#limits,
      barred: (peer) => this.#refusals.barred(peer, performance.now()),
      queueOf: (peer, opener) => this.#noted(peer, [], this.#unannounced(opener)).queue,
      linkCount: () => this.#book.connectedCount,
      refused: (peer, address, code, detail) => this.#onRefused(peer, address, code, detail),
      failed: (peer, detail) => {
        const record = this.#book.get(peer)
        if (record !== undefined) record.lastError = detail
      },
      admitted: (link) => this.#onAdmitted(link),
      callbacks: {
        message: (link, message) => this.#events.push({ kind: 'message', from: link.peer, message }),
        retired: (link) => this.#flush(link.peer),
        ended: (link, end) => this.#onEnded(link, end),
      },
    })
  }

  async start(onEvent: (event: NetworkEvent) => void): Promise<void> {
    const { libp2p, port } = (this.#host = await startHost(
      this.#init,
      this.#init.listenPort,
      this.#limits,
      {
        onHandshakeFailure: (address, direction, error) =>
          this.#onRefused(
            undefined,
            address,
            'ForeignNetwork',
            `the ${direction} handshake failed: it has another network token (${describe(error)})`,
          ),
        announced: (address) => this.#isOwn(address),
        usable: (address) => this.#isUsable(address),
      },
      this.#logger,
    ))
    this.#events.open(onEvent)
    await libp2p.handle(linkProtocol, (stream, connection) => this.#setup.answer(connection, stream), {
      maxInboundStreams: 2,
    })
    libp2p.addEventListener('connection:open', (event) => this.#onConnection(event.detail))
    this.#discovery = new Discovery({
      init: this.#init,
      libp2p,
      port,
      session: this.#session,
      logger: this.#logger,
      onFound: (peer, endpoints, via) => this.#onFound(peer, endpoints, via),
    })
    this.#tellMachine()
    await this.#discovery.start(this.#scan)
    for (const { id, endpoints } of this.#init.remembered) this.#onFound(id, endpoints, 'remembered')
    for (const address of this.#init.staticPeers) this.#addStatic(address)
    this.#scanTimer = setInterval(() => this.#rescan(), this.#limits.linkScanMs)
  }

  async stop(): Promise<void> {
    this.#stopping = true
    this.#events.close()
    clearInterval(this.#scanTimer)
    this.#reconnector.stop()
    await this.#discovery?.stop()
    for (const { links } of this.#book.all()) {
      for (const link of [...links]) link.end({ reason: 'stopping', replaced: false })
    }
    await this.#host?.libp2p.stop()
  }

  send(to: NodeId, message: Message): void {
    const record = this.#book.get(to)
    if (record === undefined || to === this.self || this.#stopping) {
      this.#logger.debug({ to, kind: message.kind }, 'no way to this peer is known')
      return
    }
    const encoded = encodeMessage(message)
    if (encoded.byteLength > messageBytesMax) {
      // The peer would call it garbage and cut us off; to lose it is the lesser evil.
      this.#logger.warn(
        { to, kind: message.kind, bytes: encoded.byteLength },
        'a message is too long to send',
      )
      return
    }
    record.queue.push(encoded, isUrgent(message))
    this.#flush(to)
    if (record.links.length === 0) this.#reconnector.want(to)
  }

  keepPeers(peers: readonly PeerAddress[]): void {
    const wanted = new Set(peers.map((peer) => peer.id))
    for (const record of this.#book.all()) record.kept = wanted.has(record.id)
    for (const { id, endpoints } of peers) {
      if (id === this.self) continue
      const record = this.#book.note(id, endpoints, 'membership', performance.now())
      record.kept = true
      if (record.links.length === 0) this.#reconnector.want(id, this.#politeness(id))
    }
  }

  cutOff(peer: NodeId, code: RefusalCode, detail: string): void {
    const record = this.#book.get(peer)
    this.#refusals.bar(peer, code, detail, performance.now())
    for (const link of record?.links.slice() ?? []) {
      link.end({ reason: `cut off: ${code}: ${detail}`, replaced: false })
    }
    void this.#closeConnections(peer)
  }

  setPace(pace: 'forming' | 'settled'): void {
    this.#discovery?.setPace(pace, this.#book.connectedCount)
  }

  peers(): readonly PeerStatus[] {
    const now = performance.now()
    return this.#book.all().map((record) => peerStatus(record, now, this.#reconnector.retryInMs(record.id)))
  }

  nextCallInMs(): number | undefined {
    return this.#discovery?.nextCallInMs(this.#book.connectedCount)
  }

  // -- finding and dialling

  #onFound(peer: NodeId, endpoints: readonly string[], via: DiscoveredVia): void {
    if (peer === this.self || this.#stopping) return
    const record = this.#noted(peer, endpoints.map(withoutPeer), via)
    if (record.links.length > 0) return
    if (record.kept || via === 'static' || this.#book.connectedCount < this.#limits.discoveredLinksMax) {
      this.#reconnector.want(peer, this.#politeness(peer))
    }
  }

  #noted(peer: NodeId, endpoints: readonly string[], via: DiscoveredVia): PeerRecord {
    const record = this.#book.note(peer, endpoints, via, performance.now())
    // Anybody on the link can announce by mDNS whom he likes, and a birth counts the identities that it heard
    // of. All other means are sealed by the token; this one waits for the connection, which proves both.
    if (via !== 'mdns') this.#tellFound(record, via)
    return record
  }

  #tellFound(record: PeerRecord, via: DiscoveredVia): void {
    if (record.told) return
    record.told = true
    this.#events.push({ kind: 'peer-found', peer: record.id, via })
  }

  /** How a peer was found that nobody named before its connection: what we did not dial ourselves, the DHT did. */
  #unannounced(opener: NodeId): DiscoveredVia {
    return opener === this.self ? 'dht' : 'inbound'
  }

  #addStatic(address: string): void {
    const peer = peerOf(multiaddr(address))
    if (peer !== undefined) {
      this.#onFound(peer, [address], 'static')
      return
    }
    this.#anonymous.set(address, undefined)
    this.#reconnector.want(address)
  }

  /** Both ends of a pair find each other at once: one of them waits, so that they make one connection. */
  #politeness(peer: NodeId): number {
    const patienceMs = this.#patience(peer)
    if (this.self < peer) return patienceMs
    return patienceMs + this.#limits.politenessMs * (1 + this.#book.connectedCount / linksOfHaste)
  }

  /**
   * The wait after links that did not last. Two machines with one identity (a cloned disk) drive each other out
   * with every connection, and must not do so as fast as the network carries it.
   */
  #patience(peer: NodeId): number {
    const shortLives = this.#book.get(peer)?.shortLives ?? 0
    return shortLives < 2 ? 0 : backoffMs(shortLives - 2, this.#limits, Math.random())
  }

  #isWanted(key: string): boolean {
    if (this.#anonymous.has(key)) return true
    const record = this.#book.get(key)
    if (record === undefined || record.links.length > 0) return false
    const isStatic = record.via === 'static' || [...this.#anonymous.values()].includes(record.id)
    return record.kept || isStatic || performance.now() - record.foundAtMs < foundLastsMs
  }

  /** One try to reach a peer or an anonymous address. Never rejects: the Reconnector goes on by itself. */
  async #dial(key: string): Promise<void> {
    const libp2p = this.#host?.libp2p
    if (libp2p === undefined || this.#refusals.barred(key, performance.now()) !== undefined) return
    const record = this.#book.get(key)
    const signal = AbortSignal.timeout(this.#limits.dialTimeoutMs)
    try {
      if (record === undefined) await this.#dialAnonymous(key, signal)
      else if (record.endpoints.length > 0) {
        record.lastEndpoint = record.endpoints[0] ?? ''
        await libp2p.dial(
          record.endpoints.toSorted(zonesLast).map((endpoint) => multiaddr(`${endpoint}/p2p/${key}`)),
          { signal },
        )
      }
    } catch (error) {
      if (record !== undefined) {
        record.lastError = describe(error)
        // What waits is older than a dial's time-out by now, and the core repeats it.
        record.queue.clear()
      } else if (describe(error).includes('dial self')) {
        this.#anonymous.delete(key)
      }
      this.#logger.debug({ to: key, error: describe(error) }, 'a dial failed')
    }
  }

  async #dialAnonymous(address: string, signal: AbortSignal): Promise<void> {
    const known = this.#anonymous.get(address)
    if (known !== undefined && (this.#book.get(known)?.links.length ?? 0) > 0) return
    const connection = await this.#host?.libp2p.dial(multiaddr(address), { signal })
    if (connection === undefined) return
    const peer = connection.remotePeer.toString()
    this.#anonymous.set(address, peer)
    this.#noted(peer, [address], 'static')
  }

  #onConnection(connection: Connection): void {
    const peer = connection.remotePeer.toString()
    if (this.#stopping) return
    const record = this.#book.get(peer)
    if (record !== undefined) this.#tellFound(record, record.via)
    if (connection.direction === 'outbound') void this.#setup.open(connection)
    else this.#setup.expect(connection)
    this.#logger.debug({ peer, direction: connection.direction }, 'a connection was opened')
  }

  // -- links

  #onAdmitted(link: PeerLink): void {
    const endpoints = link.opener === this.self ? [withoutPeer(link.endpoint)] : []
    const record = this.#noted(link.peer, endpoints, this.#unannounced(link.opener))
    for (const old of record.links.filter((other) => other.session !== link.session)) {
      old.end({ reason: 'the peer restarted', replaced: false })
    }
    const first = record.links.length === 0
    record.links.push(link)
    record.lastError = ''
    this.#reconnector.satisfied(link.peer)
    if (first) {
      record.sinceMs = performance.now()
      this.#events.push({ kind: 'peer-up', peer: link.peer, endpoint: link.endpoint, via: record.via })
    }
    // Two links of one pair: the smaller id alone decides, so that both ends keep the same one. The newest
    // stays, because a peer dials only when it has no link that works.
    if (this.self < link.peer) for (const old of record.links.slice(0, -1)) old.retire()
    if (record.links.length > linksPerPeerMax)
      record.links[0]?.end({ reason: 'too many links', replaced: true })
    link.start()
  }

  #onEnded(link: PeerLink, end: LinkEnd): void {
    const record = this.#book.get(link.peer)
    if (record === undefined || this.#stopping) return
    record.links = record.links.filter((other) => other !== link)
    if (end.fault !== undefined) {
      const { code, detail } = end.fault
      this.#onRefused(link.peer, link.endpoint, code, detail)
      this.cutOff(link.peer, code, detail)
    }
    if (record.links.length > 0) this.#flush(link.peer)
    else if (end.replaced) setTimeout(() => this.#tellDown(record, end.reason), swapGraceMs).unref()
    else this.#tellDown(record, end.reason)
  }

  #tellDown(record: PeerRecord, reason: string): void {
    if (record.links.length > 0 || this.#stopping) return
    const now = performance.now()
    record.lastError = reason
    record.shortLives = now - record.sinceMs < steadyLinkMs ? record.shortLives + 1 : 0
    record.sinceMs = now
    record.foundAtMs = now
    this.#events.push({ kind: 'peer-down', peer: record.id, reason })
    this.#reconnector.want(record.id, this.#politeness(record.id))
    for (const [address, peer] of this.#anonymous) {
      if (peer !== record.id) continue
      // After short lives the tries before count: the address goes on with its own back-off.
      const patienceMs = this.#patience(record.id)
      if (patienceMs === 0) this.#reconnector.wantAfresh(address)
      else this.#reconnector.want(address, patienceMs)
    }
  }

  #flush(peer: NodeId): void {
    const record = this.#book.get(peer)
    if (record !== undefined) activeLink(record)?.flush()
  }

  #onRefused(peer: NodeId | undefined, address: string, code: RefusalCode, detail: string): void {
    if (this.#stopping) return
    const record = peer === undefined ? undefined : this.#book.get(peer)
    if (record !== undefined) record.lastError = `${code}: ${detail}`
    if (!this.#refusals.worthTelling(peer ?? hostOf(address), code, performance.now())) return
    this.#events.push({ kind: 'peer-refused', peer, address, code, detail })
  }

  async #closeConnections(peer: NodeId): Promise<void> {
    const open = this.#host?.libp2p.getConnections().filter((one) => one.remotePeer.toString() === peer)
    await Promise.all(open?.map((connection) => closeQuietly(connection)) ?? [])
  }

  // -- the machine's own links

  #look(): LinkScan {
    return scanLinks(this.#init.excludeDevices ?? [])
  }

  #rescan(): void {
    const before = this.#scan
    this.#scan = this.#look()
    const changed = !sameLinks(before, this.#scan)
    this.#discovery?.update(this.#scan, changed, this.#book.connectedCount)
    if (!changed) return
    this.#tellMachine()
    this.#reconnector.retryAll(this.#limits.politenessMs)
  }

  #tellMachine(): void {
    this.#events.push({
      kind: 'machine-changed',
      endpoints: ownEndpoints(this.#scan, this.#host?.port ?? 0, endpointsMax),
      localNetworks: localNetworks(this.#scan, localNetworksMax),
      linkUp: this.#scan.linkUp,
    })
  }

  #isOwn(address: Multiaddr): boolean {
    const ip = ipOf(address)
    return this.#scan.addresses.some((own) => own.address === ip && !own.linkLocal)
  }

  #isUsable(address: Multiaddr): boolean {
    const ip = ipOf(address)
    return ip === undefined || !isExcluded(this.#scan, ip)
  }
}

function ipOf(address: Multiaddr): string | undefined {
  return address.getComponents().find(({ name }) => name === 'ip4' || name === 'ip6')?.value
}

function peerOf(address: Multiaddr): NodeId | undefined {
  return address.getComponents().findLast(({ name }) => name === 'p2p')?.value
}

/** The address a stranger is known by: its port is another one each time. */
function hostOf(address: string): string {
  return address.split('/').slice(0, 3).join('/')
}

/** Link-local addresses come last: the others still work when the machine moves to another link. */
function zonesLast(a: string, b: string): number {
  return Number(a.startsWith('/ip6zone')) - Number(b.startsWith('/ip6zone'))
}

function withoutPeer(endpoint: string): string {
  return endpoint.replace(/\/p2p\/[^/]+$/, '')
}
