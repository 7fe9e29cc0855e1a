import { compareIds } from '../../core/model/ids.ts'
import type { NodeId } from '../../core/model/ids.ts'
import { endpointsMax, membersMax } from '../../core/model/limits.ts'
import type { DiscoveredVia, PeerStatus } from '../../core/ports.ts'
import type { PeerLink } from './peer-link.ts'
import { SendQueue } from './send-queue.ts'

/** Everything known of one peer. */
export interface PeerRecord {
  readonly id: NodeId
  /** How it was heard of first. */
  readonly via: DiscoveredVia
  /** Where it may be dialled, the newest first. */
  endpoints: readonly string[]
  /** The core wants a connection. */
  kept: boolean
  /** When discovery last named it, on the monotonic clock. */
  foundAtMs: number
  /** Admitted links, oldest first. More than one only while a pair settles on one. */
  links: PeerLink[]
  readonly queue: SendQueue
  /** The core was told of it. */
  told: boolean
  /** Links in a row that did not last. */
  shortLives: number
  lastEndpoint: string
  lastError: string
  /** Since when it is connected, or not. */
  sinceMs: number
}

/** All peers that were ever heard of in this run; bounded, the least useful go first. */
export class PeerBook {
  readonly #records = new Map<NodeId, PeerRecord>()

  get(id: NodeId): PeerRecord | undefined {
    return this.#records.get(id)
  }

  all(): readonly PeerRecord[] {
    return [...this.#records.values()].toSorted((a, b) => compareIds(a.id, b.id))
  }

  /** Peers with an admitted link. */
  get connectedCount(): number {
    let count = 0
    for (const record of this.#records.values()) if (record.links.length > 0) count++
    return count
  }

  /** Notes a peer and where it is. */
  note(id: NodeId, endpoints: readonly string[], via: DiscoveredVia, nowMs: number): PeerRecord {
    const record = this.#records.get(id) ?? this.#add(id, via, nowMs)
    record.endpoints = [...new Set([...endpoints, ...record.endpoints])].slice(0, endpointsMax)
    record.foundAtMs = nowMs
    return record
  }

  #add(id: NodeId, via: DiscoveredVia, nowMs: number): PeerRecord {
    if (this.#records.size >= membersMax) this.#forgetOne()
    const record: PeerRecord = {
      id,
      via,
      endpoints: [],
      kept: false,
      foundAtMs: nowMs,
      links: [],
      queue: new SendQueue(),
      told: false,
      shortLives: 0,
      lastEndpoint: '',
      lastError: '',
      sinceMs: nowMs,
    }
    this.#records.set(id, record)
    return record
  }

  #forgetOne(): void {
    for (const [id, record] of this.#records) {
      if (record.kept || record.links.length > 0) continue
      this.#records.delete(id)
      return
    }
  }
}

/** The link on which messages go out: the newest that still takes some. */
export function activeLink(record: PeerRecord): PeerLink | undefined {
  return record.links.findLast((link) => link.sending)
}

/** One line of `get peers`. */
export function peerStatus(record: PeerRecord, nowMs: number, retryInMs: number | undefined): PeerStatus {
  const link = record.links.at(-1)
  return {
    id: record.id,
    connected: link !== undefined,
    via: record.via,
    endpoint: link?.endpoint ?? (record.lastEndpoint || (record.endpoints[0] ?? '')),
    rttMs: link?.rttMs,
    lastError: record.lastError,
    sinceMs: nowMs - record.sinceMs,
    retryInMs: link === undefined ? retryInMs : undefined,
  }
}
