import type { Crypto } from '../../src/core/model/crypto.ts'
import type { NodeId } from '../../src/core/model/ids.ts'

// Digests are serial numbers of the texts that they stand for, signatures are the names of what was signed and by whom:
// equal values have equal digests, different ones never collide, and a signature that nobody made does not verify.

const serials = new Map<string, string>()
const known = new WeakMap<object, Map<string, string>>()

function digest(label: string, value: object): string {
  const before = known.get(value)?.get(label)
  if (before !== undefined) return before
  const text = `${label} ${JSON.stringify(value)}`
  const serial = serials.get(text) ?? (serials.size + 1).toString(16).padStart(64, '0')
  serials.set(text, serial)
  const labels = known.get(value) ?? new Map<string, string>()
  known.set(value, labels.set(label, serial))
  return serial
}

function signature(signer: string, label: string, value: object): Uint8Array {
  return new TextEncoder().encode(`${signer} ${digest(label, value)}`)
}

function verify(signer: string, label: string, value: object, signed: Uint8Array): boolean {
  return new TextDecoder().decode(signed) === `${signer} ${digest(label, value)}`
}

/** The crypto of one node of the model. */
export function taggedCrypto(self: NodeId): Crypto {
  return { digest, sign: (label, value) => signature(self, label, value), verify, verifyOperator: verify }
}
