import type { Libp2p } from '@libp2p/interface'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { createHash } from 'node:crypto'
import type { NodeId } from '../../core/model/ids.ts'
import { hostKey } from './host-key.ts'
import { describe } from './peer-link.ts'
import type { NetworkLogger } from './settings.ts'

/** A lookup that takes longer asks peers that do not answer. */
const lookupTimeoutMs = 10_000

/** So soon after the first connection a meeting is worth while, and so often it is looked whether there is one. */
const firstWaitMs = 1_000

/** After the first meeting; it doubles after each. */
const secondWaitMs = 5_000

export interface RendezvousInit {
  readonly libp2p: Libp2p
  /** A text from the token. */
  readonly place: string
  readonly onFound: (peer: NodeId, endpoints: readonly string[]) => void
  readonly logger: NetworkLogger
}

/**
 * Meets members in the network's own DHT: says "I am here" under a key from the token and asks who else did.
 * It need not find everybody (a lookup stops at 20): membership gossip does the rest. So the meetings, some
 * sixty streams each, become rare quickly: fifty machines that meet every few seconds do nothing else.
 */
export class Rendezvous {
  readonly #init: RendezvousInit
  readonly #stopping = new AbortController()
  #waitMs = secondWaitMs
  #longestWaitMs = secondWaitMs
  #timer: NodeJS.Timeout | undefined
  #round: Promise<void> | undefined

  constructor(init: RendezvousInit) {
    this.#init = init
  }

  /** Meets as soon as anybody is connected. */
  start(): void {
    this.#wait(firstWaitMs)
  }

  /** Waits between meetings do not grow beyond this. */
  setLongestWait(longestWaitMs: number): void {
    this.#longestWaitMs = longestWaitMs
  }

  async stop(): Promise<void> {
    this.#stopping.abort()
    clearTimeout(this.#timer)
    await this.#round
  }

  #wait(ms: number): void {
    if (this.#stopping.signal.aborted) return
    // Spread, so that machines that got power together do not meet in step for ever.
    this.#timer = setTimeout(() => this.#next(), ms * (0.85 + Math.random() * 0.3))
  }

  #next(): void {
    if (this.#init.libp2p.getConnections().length === 0) {
      this.#waitMs = secondWaitMs
      this.#wait(firstWaitMs)
      return
    }
    this.#round = this.#meet().finally(() => {
      this.#wait(Math.min(this.#waitMs, this.#longestWaitMs))
      this.#waitMs = Math.min(2 * this.#waitMs, this.#longestWaitMs)
    })
  }

  async #meet(): Promise<void> {
    const { libp2p, place, onFound, logger } = this.#init
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
