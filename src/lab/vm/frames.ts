import { MusterError } from '../../errors.ts'

// How QEMU's `-netdev stream` speaks: each Ethernet frame behind its length, 4 bytes, big-endian.

/** Bytes of the length before each frame. */
export const frameHeaderBytes = 4

/** Longest frame that is believed: QEMU's own limit for one packet (NET_BUFSIZE: 64 KiB of GSO payload and headers). */
export const frameBytesMax: number = 4_096 + 65_536

/** Shortest frame with two addresses and a type. */
export const frameBytesMin = 14

/**
 * Cuts a stream into frames, however it was split on its way. Frames come with their length in front, so that
 * they can be passed on as they are.
 */
export class FrameReader {
  #pending: Buffer = Buffer.alloc(0)

  /** The frames that are complete with this part. Throws ERR_VM_SWITCH for a length that no frame has. */
  push(part: Buffer): Buffer[] {
    let rest = this.#pending.length === 0 ? part : Buffer.concat([this.#pending, part])
    const frames: Buffer[] = []
    while (rest.length >= frameHeaderBytes) {
      const length = rest.readUInt32BE(0)
      if (length > frameBytesMax) {
        throw new MusterError('ERR_VM_SWITCH', { detail: `a frame of ${length} bytes is announced` })
      }
      const end = frameHeaderBytes + length
      if (rest.length < end) break
      frames.push(rest.subarray(0, end))
      rest = rest.subarray(end)
    }
    // A copy: what is kept of a part must not keep all of it.
    this.#pending = rest.length === 0 ? Buffer.alloc(0) : Buffer.from(rest)
    return frames
  }
}

/** A frame with its length in front. */
export function withLength(frame: Buffer): Buffer {
  const header = Buffer.alloc(frameHeaderBytes)
  header.writeUInt32BE(frame.length)
  return Buffer.concat([header, frame])
}
