import { generateSeed } from '../adapters/crypto/identity.ts'
import { operatorKeyFromSeed } from '../adapters/crypto/operator-key.ts'
import type { OperatorKey } from '../adapters/crypto/operator-key.ts'

// The composition for those who only need keys and no node: it loads no network, so that it starts at once.

export { tokenPrimitives } from '../adapters/crypto.ts'
export { readOperatorKey, signOrder, writeOperatorKey } from '../adapters/crypto/operator-key.ts'
export type { OperatorKey } from '../adapters/crypto/operator-key.ts'

/** 32 random bytes: a network's secret. */
export const newSecret: () => Uint8Array = generateSeed

/** A fresh operator key pair. */
export function newOperatorKey(): OperatorKey {
  return operatorKeyFromSeed(generateSeed())
}
