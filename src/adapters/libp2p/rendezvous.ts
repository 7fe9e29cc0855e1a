import type { Libp2p } from '@libp2p/interface'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { createHash } from 'node:crypto'
import type { NodeId } from '../../core/model/ids.ts'
import { hostKey } from './host-key.ts'
import { describe } from './peer-link.ts'
import type { NetworkLogger } from './settings.ts'

/** A lookup that takes longer asks peers that do not answer. */
const lookupTimeoutMs = 10_000

export interface RendezvousInit {
  readonly libp2p: Libp2p
  /** A text from the token. */
  readonly place: string
  readonly onFound: (peer: NodeId, endpoints: readonly string[]) => void
  readonly logger: NetworkLogger
}

/**
 * Meets members in the network's own DHT: says "I am here" under a key from the token and asks who else did.
 * It need not find everybody (a lookup stops at 20): membership gossip does the rest.
 */
export class Rendezvous {
  readonly #init: RendezvousInit
  readonly #stopping = new AbortController()
  #intervalMs = 0
  #timer: NodeJS.Timeout | undefined
  #round: Promise<void> | undefined

  constructor(init: RendezvousInit) {
    this.#init = init
  }

  /** Starts, or changes the pace. The first round comes soon: a new connection makes a DHT useful. */
  setInterval(intervalMs: number, firstMs: number = intervalMs): void {
    this.#intervalMs = intervalMs
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.#next(), firstMs)
  }

  async stop(): Promise<void> {
    this.#stopping.abort()
    clearTimeout(this.#timer)
    await this.#round
  }

  #next(): void {
    this.#round = this.#meet().finally(() => {
      if (!this.#stopping.signal.aborted) this.setInterval(this.#intervalMs)
    })
  }

  async #meet(): Promise<void> {
    const { libp2p, place, onFound, logger } = this.#init
    if (libp2p.getConnections().length === 0) return
    const signal = AbortSignal.any([this.#stopping.signal, AbortSignal.timeout(lookupTimeoutMs)])
    const key = rendezvousKey(place)
    try {
      await libp2p.contentRouting.provide(key, { signal })
      for await (const provider of libp2p.contentRouting.findProviders(key, { signal })) {
        onFound(
          provider.id.toString(),
          provider.multiaddrs.map((address) => address.toString()),
        )
      }
    } catch (error) {
      logger.debug({ error: describe(error) }, 'a meeting in the DHT was cut short')
    }
  }
}

/**
 * The content id of the meeting place. It has the form of a peer's id, because libp2p makes content ids of
 * those without another library; nobody uses the key behind it.
 */
function rendezvousKey(place: string): Parameters<Libp2p['contentRouting']['provide']>[0] {
  const seed = createHash('sha256').update(place).digest()
  return peerIdFromPrivateKey(hostKey(seed)).toCID()
}
