import type { Hash, NodeId, Signature } from './ids.ts'

/** What may be signed or digested: plain data that has one canonical encoding. */
export type Encodable =
  | null
  | boolean
  | number
  | string
  | Uint8Array
  | readonly Encodable[]
  | { readonly [key: string]: Encodable }

/** Separates the uses of one key: a signature for one purpose is void for another. */
export type SigningLabel =
  | 'muster/record/1'
  | 'muster/vote/1'
  | 'muster/statement/1'
  | 'muster/order/1'
  | 'muster/admission/1'

/**
 * Port: signatures and digests over *values*, so that the real thing encodes canonically (CBOR) and a
 * simulator can use unforgeable tagged objects. Synchronous: the core has no promises.
 */
export interface Crypto {
  /** Digest of a value, separated by label from all other uses. */
  digest(label: string, value: object): Hash
  /** Signs with this node's identity key. */
  sign(label: SigningLabel, value: object): Signature
  /** Whether `signer`'s key made this signature. The key is part of the node id. */
  verify(signer: NodeId, label: SigningLabel, value: object, signature: Signature): boolean
  /** Whether the operator's key (hex) made this signature. */
  verifyOperator(operatorKey: string, label: SigningLabel, value: object, signature: Signature): boolean
}
