import { createHash } from 'node:crypto'
import { birthCodec } from '../../core/identity/birth.ts'
import type { BirthRecord } from '../../core/identity/birth.ts'
import type { Codec } from '../../core/model/codec.ts'
import {
  bytes,
  CodecError,
  decodeStrict,
  dictionary,
  encodeCanonical,
  integer,
  struct,
} from '../../core/model/codec.ts'
import { messageBytesMax } from '../../core/model/limits.ts'

// One copy of the state document on the disk. The head and the place of the checksum stay for ever, so that
// any version can tell a newer format from damage.
//
//   0 magic "MUSTERST"   8 version u32   12 sequence u64   20 payload length u32
//   24 SHA-256 over bytes 0..23 and the payload            56 payload (canonical CBOR)

const magic = Buffer.from('MUSTERST')
const checksumAt = 24
const payloadAt = 56

/** Format that this version writes, and the highest that it reads. */
export const formatVersion = 1

/** One value of the state: the newest plan is the largest, and travels in one message. */
const valueBytesMax = 4 * messageBytesMax

/** Where the chain's log must stand for this document to be whole. */
export interface ChainMark {
  readonly records: number
  readonly bytes: number
  /** Check of the last record, which holds those of all before it. */
  readonly tip: Uint8Array
}

/** Everything durable of a node but the chain itself: identity and votes in one piece. */
export interface StateDocument {
  readonly seed: Uint8Array
  readonly birth: BirthRecord
  readonly chain: ChainMark
  /** Canonical CBOR by state key. */
  readonly values: Readonly<Record<string, Uint8Array>>
}

const codec: Codec<StateDocument> = struct({
  seed: bytes(32),
  birth: birthCodec,
  chain: struct({ records: integer(), bytes: integer(), tip: bytes(32) }),
  values: dictionary(bytes(valueBytesMax), 16),
})

/** What one copy on the disk turned out to be. */
export type CopyState =
  | { readonly kind: 'missing' }
  | { readonly kind: 'damaged'; readonly detail: string }
  /** Whole, but written by a newer version. */
  | { readonly kind: 'newer'; readonly version: number; readonly sequence: number }
  | { readonly kind: 'valid'; readonly sequence: number; readonly document: StateDocument }

/** Bytes of one copy. */
export function encodeCopy(document: StateDocument, sequence: number): Uint8Array {
  const payload = encodeCanonical(document)
  const copy = Buffer.alloc(payloadAt + payload.length)
  magic.copy(copy)
  copy.writeUInt32BE(formatVersion, 8)
  copy.writeBigUInt64BE(BigInt(sequence), 12)
  copy.writeUInt32BE(payload.length, 20)
  copy.set(payload, payloadAt)
  copy.set(checksumOf(copy), checksumAt)
  return copy
}

/** Reads one copy. Never throws: what is wrong with it is part of the answer. */
export function decodeCopy(file: Uint8Array | undefined): CopyState {
  if (file === undefined) return { kind: 'missing' }
  const copy = Buffer.from(file.buffer, file.byteOffset, file.byteLength)
  if (copy.length < payloadAt) return { kind: 'damaged', detail: `it has only ${copy.length} bytes` }
  if (!copy.subarray(0, magic.length).equals(magic)) return { kind: 'damaged', detail: 'it is no state file' }
  if (copy.length !== payloadAt + copy.readUInt32BE(20))
    return { kind: 'damaged', detail: 'its length is wrong' }
  if (!checksumOf(copy).equals(copy.subarray(checksumAt, payloadAt))) {
    return { kind: 'damaged', detail: 'its checksum does not match' }
  }
  const version = copy.readUInt32BE(8)
  const sequence = Number(copy.readBigUInt64BE(12))
  if (version !== formatVersion) return { kind: 'newer', version, sequence }
  try {
    return { kind: 'valid', sequence, document: decodeStrict(codec, copy.subarray(payloadAt)) }
  } catch (error) {
    if (!(error instanceof CodecError)) throw error
    return { kind: 'damaged', detail: error.message }
  }
}

function checksumOf(copy: Buffer): Buffer {
  return createHash('sha256').update(copy.subarray(0, checksumAt)).update(copy.subarray(payloadAt)).digest()
}
