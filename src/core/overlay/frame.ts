/**
 * One UDP datagram of the overlay:
 *
 * ```
 *  0      1      2                 8                   16                   n−16       n
 *  ├──────┼──────┼─────────────────┼───────────────────┼─────────────────────┼──────────┤
 *  │ type │ zero │ key id (6 bytes)│ counter (8 bytes) │ sealed IP packet    │ AEAD tag │
 *  └──────┴──────┴─────────────────┴───────────────────┴─────────────────────┴──────────┘
 *  └──────── authenticated, not hidden ────────────────┘
 * ```
 * Integers are big-endian. The key id names the session (so the sender may come from any address), the
 * counter is the AEAD nonce and the replay window's subject.
 */

/** Header of a frame in bytes; all of it is authenticated as additional data. */
export const frameHeaderBytes = 16
/** Tag of AES-256-GCM and of ChaCha20-Poly1305. */
export const frameTagBytes = 16
/** What a frame adds to the packet in it. */
export const frameOverheadBytes: number = frameHeaderBytes + frameTagBytes
/** Bytes of a key id: 48 bits, which a number holds exactly; two of 4096 peers share one with p = 3e-8. */
export const keyIdBytes = 6
/** The only type of frame so far: one IP packet. Others are dropped, so that they can be added later. */
export const frameTypePacket = 1
/** A session ends here, long before a counter would be used twice: 2^53 - 1. */
export const frameCounterMax: number = Number.MAX_SAFE_INTEGER

/** The readable part of a frame. */
export interface FrameHeader {
  readonly keyId: number
  readonly counter: number
}

/** Writes the header into the first 16 bytes of `frame`. */
export function writeFrameHeader(frame: Uint8Array, header: FrameHeader): void {
  frame[0] = frameTypePacket
  frame[1] = 0
  writeInteger(frame, 2, keyIdBytes, header.keyId)
  writeInteger(frame, 8, 8, header.counter)
}

/** Reads the header, or undefined where these bytes cannot be a frame. Never throws. */
export function readFrameHeader(frame: Uint8Array): FrameHeader | undefined {
  if (frame.length < frameOverheadBytes || frame[0] !== frameTypePacket || frame[1] !== 0) return undefined
  const keyId = readInteger(frame, 2, keyIdBytes)
  const counter = readInteger(frame, 8, 8)
  return counter > frameCounterMax ? undefined : { keyId, counter }
}

/** A key id as the frame carries it: the first six bytes of `derived`, as a number. */
export function keyIdOf(derived: Uint8Array): number {
  return readInteger(derived, 0, keyIdBytes)
}

function readInteger(bytes: Uint8Array, offset: number, length: number): number {
  let value = 0
  for (let i = 0; i < length; i++) value = value * 256 + bytes[offset + i]!
  return value
}

function writeInteger(bytes: Uint8Array, offset: number, length: number, value: number): void {
  let rest = value
  for (let i = length - 1; i >= 0; i--) {
    bytes[offset + i] = rest % 256
    rest = Math.floor(rest / 256)
  }
}
