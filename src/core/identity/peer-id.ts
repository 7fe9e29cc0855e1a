import type { NodeId } from '../model/ids.ts'

// A libp2p peer id of an Ed25519 key is base58btc of an identity multihash of the protobuf-encoded public
// key (libp2p specs, peer-ids): 00 24 | 08 01 12 20 | 32 bytes of key. Nothing is hashed: the id *is* the key.

const head = Uint8Array.of(0x00, 0x24, 0x08, 0x01, 0x12, 0x20)
const keyBytes = 32
const alphabet = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz'

/** The node id of a raw Ed25519 public key (32 bytes). */
export function nodeIdOf(publicKey: Uint8Array): NodeId {
  let value = 0n
  for (const byte of [...head, ...publicKey]) value = value * 256n + BigInt(byte)
  let text = ''
  for (; value > 0n; value /= 58n) text = alphabet[Number(value % 58n)]! + text
  // Each leading zero byte is a leading `1`; there is exactly one, the multihash's code.
  return `1${text}`
}

/** The raw Ed25519 public key of a node id, or undefined where the text is anything else than such an id. */
export function publicKeyOf(id: NodeId): Uint8Array<ArrayBuffer> | undefined {
  if (!id.startsWith('1') || id.length > 64) return undefined
  let value = 0n
  for (const character of id) {
    const digit = alphabet.indexOf(character)
    if (digit < 0) return undefined
    value = value * 58n + BigInt(digit)
  }
  const bytes = new Uint8Array(head.length + keyBytes)
  for (let index = bytes.length - 1; index >= 0; index -= 1, value >>= 8n) bytes[index] = Number(value & 255n)
  if (value !== 0n || head.some((byte, index) => bytes[index] !== byte)) return undefined
  const key = bytes.slice(head.length)
  // More than one leading `1` is another text for the same number: one key has one id.
  return nodeIdOf(key) === id ? key : undefined
}
