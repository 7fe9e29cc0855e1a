import { createHash } from 'node:crypto'
import type { ChainMark } from './document.ts'

// The append-only log of certified headers. Each record is
//
//   0 payload length u32   4 check (16 bytes)   20 payload (canonical CBOR)
//
// where check = SHA-256(check of the record before | length | payload), cut to 16 bytes: the last one holds
// all before it, so a log of another state, or a spliced one, does not fit the document's mark.

const headBytes = 20
const checkBytes = 16

/** The mark of a chain without records. */
export const emptyChain: ChainMark = { records: 0, bytes: 0, tip: new Uint8Array(checkBytes) }

/** The bytes to append for these payloads, and where the log stands after them. */
export function encodeRecords(
  mark: ChainMark,
  payloads: readonly Uint8Array[],
): { readonly bytes: Uint8Array; readonly mark: ChainMark } {
  const parts: Uint8Array[] = []
  let tip = mark.tip
  for (const payload of payloads) {
    const length = lengthOf(payload)
    tip = checkOf(tip, length, payload)
    parts.push(length, tip, payload)
  }
  const bytes = Buffer.concat(parts)
  return {
    bytes,
    mark: { records: mark.records + payloads.length, bytes: mark.bytes + bytes.length, tip },
  }
}

/**
 * The payloads that a mark promises. What stands after them was appended for a document that never came to
 * be (a crash in between) and is not read; the next append cuts it off. A string says what is missing.
 */
export function readRecords(log: Uint8Array, mark: ChainMark): readonly Uint8Array[] | string {
  const buffer = Buffer.from(log.buffer, log.byteOffset, log.byteLength)
  const payloads: Uint8Array[] = []
  let at = 0
  let tip = emptyChain.tip
  while (payloads.length < mark.records) {
    const found = `${payloads.length} of ${mark.records} records`
    if (at + headBytes > buffer.length) return `it ends after ${found}`
    const payload = buffer.subarray(at + headBytes, at + headBytes + buffer.readUInt32BE(at))
    const check = checkOf(tip, lengthOf(payload), payload)
    if (!check.equals(buffer.subarray(at + 4, at + headBytes))) return `it is damaged after ${found}`
    payloads.push(payload)
    tip = check
    at += headBytes + payload.length
  }
  return at === mark.bytes && Buffer.from(mark.tip).equals(tip) ? payloads : 'it belongs to another state'
}

function lengthOf(payload: Uint8Array): Buffer {
  const length = Buffer.alloc(4)
  length.writeUInt32BE(payload.length)
  return length
}

function checkOf(previous: Uint8Array, length: Uint8Array, payload: Uint8Array): Buffer {
  return createHash('sha256').update(previous).update(length).update(payload).digest().subarray(0, checkBytes)
}
