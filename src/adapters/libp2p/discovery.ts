import type { Libp2p } from '@libp2p/interface'
import type { NodeId } from '../../core/model/ids.ts'
import type { DiscoveredVia } from '../../core/ports.ts'
import { Beacon } from './beacon.ts'
import { wantsDht } from './host.ts'
import type { LinkScan } from './interfaces.ts'
import type { Mdns } from './mdns.ts'
import { describe } from './peer-link.ts'
import type { Rendezvous } from './rendezvous.ts'
import type { NetworkInit, NetworkLogger } from './settings.ts'

/** How often each means speaks (the DHT: at the least). Each mDNS query makes every member answer, so its pace falls with their number. */
export function discoveryPace(
  pace: 'forming' | 'settled',
  members: number,
): { readonly mdnsMs: number; readonly beaconMs: number; readonly dhtMs: number } {
  return pace === 'forming'
    ? { mdnsMs: 1_500 + 100 * inSteps(members), beaconMs: 1_000, dhtMs: 60_000 }
    : { mdnsMs: 30_000 + 2_000 * inSteps(members), beaconMs: 20_000, dhtMs: 600_000 }
}

/** In steps, because a change of mDNS's interval opens its socket anew. */
function inSteps(members: number): number {
  return members - (members % 16)
}

export interface DiscoveryInit {
  readonly init: NetworkInit
  readonly libp2p: Libp2p
  readonly port: number
  readonly session: string
  readonly logger: NetworkLogger
  readonly onFound: (peer: NodeId, endpoints: readonly string[], via: DiscoveredVia) => void
}

/** All means of finding members, behind one pace. mDNS and DHT are loaded only where they are used. */
export class Discovery {
  readonly #init: DiscoveryInit
  readonly #beacon: Beacon | undefined
  #mdns: Mdns | undefined
  #rendezvous: Rendezvous | undefined
  #pace: 'forming' | 'settled' = 'forming'
  /** When the present pace began. */
  #pacedAt = performance.now()

  constructor(init: DiscoveryInit) {
    this.#init = init
    const { onFound, logger } = init
    if (!init.init.discovery.beacon) return
    this.#beacon = new Beacon({
      self: init.libp2p.peerId.toString(),
      session: init.session,
      port: init.port,
      admissionKey: init.init.keys.admissionKey,
      onFound: (peer, endpoint) => onFound(peer, [endpoint], 'beacon'),
      onTrouble: (device, error) =>
        logger.debug({ device, error: describe(error) }, 'the beacon cannot use this link yet'),
    })
  }

  async start(scan: LinkScan): Promise<void> {
    const { init, libp2p, logger, onFound } = this.#init
    if (init.discovery.mdns) {
      const { Mdns } = await import('./mdns.ts')
      this.#mdns = new Mdns({
        tag: init.keys.discoveryTag,
        addresses: () => libp2p.getMultiaddrs(),
        onFound: (peer, endpoints) => onFound(peer, endpoints, 'mdns'),
        logger,
      })
    }
    if (wantsDht(init)) {
      const { Rendezvous } = await import('./rendezvous.ts')
      this.#rendezvous = new Rendezvous({
        libp2p,
        place: init.keys.rendezvous,
        onFound: (peer, endpoints) => onFound(peer, endpoints, 'dht'),
        logger,
      })
    }
    this.#beacon?.update(scan)
    this.#beacon?.start()
    this.#rendezvous?.setLongestWait(discoveryPace(this.#pace, 0).dhtMs)
    this.#rendezvous?.start()
    await this.#mdns?.setInterval(discoveryPace(this.#pace, 0).mdnsMs)
  }

  /** Follows the machine: joins what is new, tries again what failed. `changed`: something is not as it was. */
  update(scan: LinkScan, changed: boolean, members: number): void {
    this.#beacon?.update(scan)
    const { mdnsMs } = discoveryPace(this.#pace, members)
    if (changed) this.#mdns?.restart().catch((error: unknown) => this.#trouble(error))
    this.#mdns?.setInterval(mdnsMs).catch((error: unknown) => this.#trouble(error))
  }

  setPace(pace: 'forming' | 'settled', members: number): void {
    if (pace === this.#pace) return
    this.#pace = pace
    this.#pacedAt = performance.now()
    const { beaconMs, dhtMs, mdnsMs } = discoveryPace(pace, members)
    this.#beacon?.setInterval(beaconMs)
    this.#rendezvous?.setLongestWait(dhtMs)
    this.#mdns?.setInterval(mdnsMs).catch((error: unknown) => this.#trouble(error))
  }

  /** Milliseconds until somebody unknown is called for again, jitter apart; undefined where no means is in use. */
  nextCallInMs(members: number): number | undefined {
    const { beaconMs, dhtMs, mdnsMs } = discoveryPace(this.#pace, members)
    const intervals = [
      ...(this.#beacon === undefined ? [] : [beaconMs]),
      ...(this.#mdns === undefined ? [] : [mdnsMs]),
      ...(this.#rendezvous === undefined ? [] : [dhtMs]),
    ]
    if (intervals.length === 0) return undefined
    const elapsedMs = performance.now() - this.#pacedAt
    return Math.min(...intervals.map((interval) => interval - (elapsedMs % interval)))
  }

  async stop(): Promise<void> {
    this.#beacon?.stop()
    await this.#rendezvous?.stop()
    await this.#mdns?.stop()
  }

  #trouble(error: unknown): void {
    this.#init.logger.warn({ error: describe(error) }, 'mDNS cannot be used')
  }
}
