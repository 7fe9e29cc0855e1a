import { mdns as libp2pMdns } from '@libp2p/mdns'
import type { PeerDiscovery, PeerInfo, Startable } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { NodeId } from '../../core/model/ids.ts'
import { libp2pLogger } from './settings.ts'
import type { NetworkLogger } from './settings.ts'

export interface MdnsInit {
  /** A DNS label from the token. */
  readonly tag: string
  /** Addresses with `/p2p`, at each query anew. */
  readonly addresses: () => Multiaddr[]
  readonly onFound: (peer: NodeId, endpoints: readonly string[]) => void
  readonly logger: NetworkLogger
}

/**
 * Multicast DNS. It is made anew when the links or the pace change: `multicast-dns` joins a link once, so it
 * is deaf on one that went away and came back, and its interval cannot be changed.
 */
export class Mdns {
  readonly #init: MdnsInit
  #running: (PeerDiscovery & Partial<Startable>) | undefined
  #intervalMs = 0
  #change: Promise<void> = Promise.resolve()

  constructor(init: MdnsInit) {
    this.#init = init
  }

  /** Queries from now on with this interval; without an effect where it is the same already. */
  setInterval(intervalMs: number): Promise<void> {
    if (this.#intervalMs === intervalMs) return this.#change
    this.#intervalMs = intervalMs
    return this.restart()
  }

  restart(): Promise<void> {
    this.#change = this.#change.then(() => this.#replace(), undefined)
    return this.#change
  }

  stop(): Promise<void> {
    this.#intervalMs = 0
    return this.restart()
  }

  async #replace(): Promise<void> {
    await this.#running?.stop?.()
    this.#running = undefined
    if (this.#intervalMs === 0) return
    const { tag, addresses, logger } = this.#init
    const discovery: PeerDiscovery & Partial<Startable> = libp2pMdns({
      serviceTag: `_${tag}._udp.local`,
      interval: this.#intervalMs,
    })({ logger: libp2pLogger(logger), addressManager: addressesOnly(addresses) })
    discovery.addEventListener('peer', (event) => this.#found(event.detail))
    this.#running = discovery
    await discovery.start?.()
  }

  #found(peer: PeerInfo): void {
    this.#init.onFound(
      peer.id.toString(),
      peer.multiaddrs.map((address) => address.toString()),
    )
  }
}

type AddressManager = Parameters<ReturnType<typeof libp2pMdns>>[0]['addressManager']

/** mDNS asks an address manager for one thing only. */
function addressesOnly(addresses: () => Multiaddr[]): AddressManager {
  return { getAddresses: addresses } as AddressManager
}
