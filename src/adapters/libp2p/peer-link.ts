import type { Connection, Stream } from '@libp2p/interface'
import { lpStream } from '@libp2p/utils'
import { CodecError } from '../../core/model/codec.ts'
import type { NodeId } from '../../core/model/ids.ts'
import { messageBytesMax } from '../../core/model/limits.ts'
import type { Message } from '../../core/model/message.ts'
import { decodeMessage } from '../../core/model/wire.ts'
import type { RefusalCode } from '../../core/ports.ts'
import type { FrameStream } from './admission.ts'
import type { SendQueue } from './send-queue.ts'
import type { NetworkLimits } from './settings.ts'
import { TokenBucket } from './token-bucket.ts'

/** Messages are gathered into writes of about this size; small writes cost a Noise frame each. */
const batchBytes = 64 * 1_024

/** How long a link that was replaced may take to say its last words. */
const retireTimeoutMs = 5_000

/** First byte of each frame. */
const frameKind = { message: 0, ping: 1, pong: 2, retire: 3 } as const

/** A stream of frames with a fixed 4-byte length: a varint decoder waits for ever on a row of 0xff. */
export type Frames = ReturnType<typeof lpStream>

/** Wraps a stream. Longer frames than a message are refused before they are read. */
export function framesOf(stream: Stream): Frames {
  return lpStream(stream, {
    maxDataLength: messageBytesMax + 1,
    maxLengthLength: 4,
    maxBufferSize: 2 * messageBytesMax + batchBytes,
    lengthEncoder: (length) => {
      const out = Buffer.alloc(4)
      out.writeUInt32BE(length)
      return out
    },
    lengthDecoder: (bytes) => {
      if (bytes.byteLength < 4) throw new RangeError('the length is not complete')
      const [a = 0, b = 0, c = 0, d = 0] = bytes.subarray(0, 4)
      return a * 0x100_0000 + b * 0x1_0000 + c * 0x100 + d
    },
  })
}

/** The admission's view of a stream: bounded frames, one time limit for all. */
export function admissionStream(frames: Frames, bytesMax: number, signal: AbortSignal): FrameStream {
  return {
    read: async () => {
      const frame = (await frames.read({ signal })).subarray()
      if (frame.byteLength > bytesMax) throw new CodecError('', 'a short frame of the admission')
      return frame
    },
    write: (frame) => frames.write(frame, { signal }),
  }
}

/** Why a link ended; `fault` is set when the peer is to blame. */
export interface LinkEnd {
  readonly reason: string
  readonly fault?: { readonly code: RefusalCode; readonly detail: string }
  /** The other link of the pair goes on. */
  readonly replaced: boolean
}

export interface LinkCallbacks {
  readonly message: (link: PeerLink, message: Message) => void
  /** The peer goes on with another link: what still waits goes there. */
  readonly retired: (link: PeerLink) => void
  readonly ended: (link: PeerLink, end: LinkEnd) => void
}

export interface LinkInit {
  readonly peer: NodeId
  readonly opener: NodeId
  readonly session: string
  readonly connection: Connection
  readonly stream: Stream
  readonly frames: Frames
  readonly queue: SendQueue
  readonly limits: NetworkLimits
  readonly callbacks: LinkCallbacks
  /** Factor on the times between pings, 1 or more: grows with the number of links. */
  readonly stretch: () => number
}

/**
 * One admitted stream to a peer: reads frames, writes what waits in the peer's queue.
 *
 *   open ──(we retire it)──▶ listening only ──(peer closes its end)──▶ ended
 *   open ──(peer retires it)──▶ last write done, end closed ──▶ ended
 *   any  ──(error, silence, fault, close)──▶ ended
 */
export class PeerLink {
  readonly peer: NodeId
  readonly opener: NodeId
  readonly session: string
  readonly endpoint: string
  /** The last measured round trip; undefined in the first seconds. */
  rttMs: number | undefined
  readonly #init: LinkInit
  readonly #control: Uint8Array[] = []
  readonly #messages: TokenBucket
  readonly #bytes: TokenBucket
  #phase: 'open' | 'retired-by-us' | 'retired-by-peer' | 'ended' = 'open'
  #pumping = false
  #heardAt = performance.now()
  /** A sign of life was asked for, and nothing was heard since. */
  #askedAt: number | undefined
  /** The newest ping, until its pong comes. */
  #pingedAt: number | undefined
  #measureAt = performance.now()
  #watch: NodeJS.Timeout | undefined

  constructor(init: LinkInit) {
    this.#init = init
    this.peer = init.peer
    this.opener = init.opener
    this.session = init.session
    this.endpoint = init.connection.remoteAddr.toString()
    const { limits } = init
    const now = performance.now()
    this.#messages = new TokenBucket(limits.messagesPerSecondMax, limits.messagesBurstMax, now)
    this.#bytes = new TokenBucket(limits.bytesPerSecondMax, limits.bytesBurstMax, now)
  }

  /** True while messages may be sent on it. */
  get sending(): boolean {
    return this.#phase === 'open'
  }

  start(): void {
    void this.#readAll()
    this.#watchSilence()
    this.flush()
  }

  /** Sends what waits. */
  flush(): void {
    if (!this.#pumping && this.#phase !== 'ended') void this.#pump()
  }

  /** Another link of this pair goes on: the peer shall say what it has under way here, and close. */
  retire(): void {
    if (this.#phase !== 'open') return
    this.#phase = 'retired-by-us'
    this.#control.push(Uint8Array.of(frameKind.retire))
    this.flush()
    this.#endSoon()
  }

  /** Ends it now. The peer sees a reset. */
  end(end: LinkEnd): void {
    if (this.#phase === 'ended') return
    this.#phase = 'ended'
    clearTimeout(this.#watch)
    const { connection, stream } = this.#init
    if (end.fault === undefined) void closeQuietly(connection)
    else connection.abort(new Error(end.reason))
    stream.abort(new Error(end.reason))
    this.#init.callbacks.ended(this, end)
  }

  async #readAll(): Promise<void> {
    try {
      for (;;) {
        const frame = (await this.#init.frames.read()).subarray()
        if (this.#phase === 'ended') return
        this.#heardAt = performance.now()
        this.#askedAt = undefined
        if (!this.#messages.take(1, this.#heardAt) || !this.#bytes.take(frame.byteLength, this.#heardAt)) {
          this.#blame('Flood', 'more messages or bytes than any member sends')
          return
        }
        this.#receive(frame)
      }
    } catch (error) {
      if (isGarbage(error)) this.#blame('Garbage', describe(error))
      else this.end({ reason: readEnd(error), replaced: this.#phase.startsWith('retired') })
    }
  }

  #receive(frame: Uint8Array): void {
    switch (frame[0]) {
      case frameKind.message:
        this.#init.callbacks.message(this, decodeMessage(frame.subarray(1)))
        return
      case frameKind.ping:
        // One answer waits at a time, whatever the peer asks.
        if (this.#control.length < 4)
          this.#control.push(Uint8Array.of(frameKind.pong, ...frame.subarray(1, 9)))
        this.flush()
        return
      case frameKind.pong:
        this.#takePong(frame)
        return
      case frameKind.retire:
        if (this.#phase === 'open') this.#phase = 'retired-by-peer'
        this.flush()
        this.#init.callbacks.retired(this)
        this.#endSoon()
        return
      default:
        throw new CodecError('', 'a known kind of frame')
    }
  }

  async #pump(): Promise<void> {
    this.#pumping = true
    try {
      for (let batch = this.#nextBatch(); batch.length > 0; batch = this.#nextBatch()) {
        // Waits for the 'drain' event when the peer is slower than we are; meanwhile the queue bounds itself.
        await this.#init.frames.writeV(batch)
      }
      if (this.#phase === 'retired-by-peer') await this.#init.stream.close()
    } catch (error) {
      this.end({ reason: `writing failed: ${describe(error)}`, replaced: this.#phase.startsWith('retired') })
    } finally {
      this.#pumping = false
    }
  }

  #nextBatch(): Uint8Array[] {
    const batch = this.#control.splice(0)
    if (this.#phase !== 'open') return this.#phase === 'ended' ? [] : batch
    let bytes = 0
    while (bytes < batchBytes) {
      const encoded = this.#init.queue.shift()
      if (encoded === undefined) break
      const frame = new Uint8Array(encoded.byteLength + 1)
      frame.set(encoded, 1)
      batch.push(frame)
      bytes += frame.byteLength
    }
    return batch
  }

  #watchSilence(): void {
    const { limits } = this.#init
    const stretch = this.#init.stretch()
    const idleMs = limits.linkIdleMs * stretch
    this.#watch = setTimeout(
      () => {
        const now = performance.now()
        if (this.#askedAt !== undefined && now - this.#askedAt >= limits.linkAnswerMs) {
          this.end({
            reason: `no sign of life for ${Math.round((now - this.#heardAt) / 1_000)} s`,
            replaced: false,
          })
          return
        }
        const isSilent = this.#askedAt === undefined && now - this.#heardAt >= idleMs
        if (isSilent) this.#askedAt = now
        // Talk between members goes through their event loops: it says how a node is, not how far it is.
        if (isSilent || now >= this.#measureAt) {
          this.#measureAt = now + limits.roundTripMs * stretch
          this.#ping(now)
        }
        this.#watchSilence()
      },
      Math.min(idleMs, limits.linkAnswerMs) / 2,
    )
  }

  #ping(now: number): void {
    this.#pingedAt = now
    const frame = new Uint8Array(9)
    frame[0] = frameKind.ping
    new DataView(frame.buffer).setFloat64(1, now)
    this.#control.push(frame)
    this.flush()
  }

  /** Only the answer to our newest ping counts: a peer must not choose what we print. */
  #takePong(frame: Uint8Array): void {
    if (frame.byteLength !== 9 || this.#pingedAt === undefined) return
    if (new DataView(frame.buffer, frame.byteOffset).getFloat64(1) !== this.#pingedAt) return
    this.rttMs = performance.now() - this.#pingedAt
    this.#pingedAt = undefined
  }

  #endSoon(): void {
    const timer = setTimeout(
      () => this.end({ reason: 'replaced by another link', replaced: true }),
      retireTimeoutMs,
    )
    timer.unref()
  }

  #blame(code: RefusalCode, detail: string): void {
    this.end({ reason: `${code}: ${detail}`, fault: { code, detail }, replaced: false })
  }
}

/** True for what only a peer's malice or a broken program can cause. */
export function isGarbage(error: unknown): boolean {
  if (error instanceof CodecError) return true
  return error instanceof Error && /^Invalid(Message|Data)Length/.test(error.name)
}

function readEnd(error: unknown): string {
  const name = error instanceof Error ? error.name : ''
  return name === 'UnexpectedEOFError'
    ? 'the peer closed the connection'
    : `connection lost: ${describe(error)}`
}

/** Closes a connection in order if it lets itself be closed. Never rejects. */
export async function closeQuietly(connection: Connection): Promise<void> {
  try {
    await connection.close({ signal: AbortSignal.timeout(1_000) })
  } catch (error) {
    connection.abort(error instanceof Error ? error : new Error(String(error)))
  }
}

/** The message of an error, without a stack. */
export function describe(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
