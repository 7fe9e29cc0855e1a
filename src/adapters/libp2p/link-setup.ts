import { TimeoutError } from '@libp2p/interface'
import type { Connection, Stream } from '@libp2p/interface'
import type { NodeId } from '../../core/model/ids.ts'
import type { RefusalCode } from '../../core/ports.ts'
import { admissionFrameBytesMax, admit, linkProtocol } from './admission.ts'
import type { AdmissionTerms } from './admission.ts'
import { admissionStream, closeQuietly, describe, framesOf, isGarbage, PeerLink } from './peer-link.ts'
import type { LinkCallbacks } from './peer-link.ts'
import type { SendQueue } from './send-queue.ts'
import type { NetworkLimits } from './settings.ts'

/** Up to this many links the pace of pings is the configured one; with more each is slower: the sum stays small. */
const linksWithoutStretch = 20

export interface LinkSetupInit {
  readonly self: NodeId
  readonly session: string
  readonly key: Uint8Array
  readonly version: number
  readonly limits: NetworkLimits
  readonly barred: (peer: NodeId) => AdmissionTerms['barred']
  readonly queueOf: (peer: NodeId, opener: NodeId) => SendQueue
  readonly linkCount: () => number
  readonly refused: (peer: NodeId, address: string, code: RefusalCode, detail: string) => void
  /** The connection broke before anybody was refused or admitted. */
  readonly failed: (peer: NodeId, detail: string) => void
  readonly admitted: (link: PeerLink) => void
  readonly callbacks: LinkCallbacks
}

/** Makes links of connections: the opener of the connection opens the stream, both prove membership. */
export class LinkSetup {
  readonly #init: LinkSetupInit
  /** Inbound connections whose peer has not opened its stream yet. */
  readonly #awaited = new Map<Connection, NodeJS.Timeout>()

  constructor(init: LinkSetupInit) {
    this.#init = init
  }

  /** Our own dial came through. Never rejects. */
  async open(connection: Connection): Promise<void> {
    const signal = AbortSignal.timeout(this.#init.limits.admissionTimeoutMs)
    try {
      await this.#admit(connection, await connection.newStream(linkProtocol, { signal }), 'opener', signal)
    } catch (error) {
      this.#failed(connection, error)
    }
  }

  /** A peer opened its stream. Never rejects. */
  async answer(connection: Connection, stream: Stream): Promise<void> {
    clearTimeout(this.#awaited.get(connection))
    this.#awaited.delete(connection)
    const signal = AbortSignal.timeout(this.#init.limits.admissionTimeoutMs)
    try {
      await this.#admit(connection, stream, 'answerer', signal)
    } catch (error) {
      this.#failed(connection, error)
    }
  }

  /** Gives an inbound connection some time to open its stream: one that only holds a place is closed. */
  expect(connection: Connection): void {
    const timer = setTimeout(
      () => this.#failed(connection, new TimeoutError('it opened no stream')),
      this.#init.limits.admissionTimeoutMs,
    )
    timer.unref()
    this.#awaited.set(connection, timer)
    connection.addEventListener('close', () => {
      clearTimeout(timer)
      this.#awaited.delete(connection)
    })
  }

  async #admit(
    connection: Connection,
    stream: Stream,
    role: 'opener' | 'answerer',
    signal: AbortSignal,
  ): Promise<void> {
    const { self, session, key, version, limits } = this.#init
    const peer = connection.remotePeer.toString()
    const frames = framesOf(stream)
    const admission = await admit(admissionStream(frames, admissionFrameBytesMax, signal), {
      self,
      peer,
      role,
      key,
      version,
      session,
      barred: this.#init.barred(peer),
    })
    if (admission.kind === 'refused') {
      const detail = admission.by === 'us' ? admission.detail : `it refused us: ${admission.detail}`
      this.#init.refused(peer, connection.remoteAddr.toString(), admission.code, detail)
      await closeQuietly(connection)
      return
    }
    const opener = role === 'opener' ? self : peer
    this.#init.admitted(
      new PeerLink({
        peer,
        opener,
        session: admission.session,
        connection,
        stream,
        frames,
        queue: this.#init.queueOf(peer, opener),
        limits,
        callbacks: this.#init.callbacks,
        stretch: () => Math.max(1, this.#init.linkCount() / linksWithoutStretch),
      }),
    )
  }

  /** A broken connection is bad luck; what no member does is a refusal. */
  #failed(connection: Connection, error: unknown): void {
    const peer = connection.remotePeer.toString()
    const code = refusalOf(error)
    if (code === undefined) this.#init.failed(peer, describe(error))
    else this.#init.refused(peer, connection.remoteAddr.toString(), code, describe(error))
    void closeQuietly(connection)
  }
}

function refusalOf(error: unknown): RefusalCode | undefined {
  if (isGarbage(error)) return 'Garbage'
  const name = error instanceof Error ? error.name : ''
  return notProved.has(name) ? 'NotAdmitted' : undefined
}

/** It spoke another protocol, or did not speak in time. */
const notProved: ReadonlySet<string> = new Set(['UnsupportedProtocolError', 'AbortError', 'TimeoutError'])
