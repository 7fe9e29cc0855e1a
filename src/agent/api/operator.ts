import {
  newOperatorKey,
  newSecret,
  type OperatorKey,
  readOperatorKey,
  signOrder,
  tokenPrimitives,
} from '../../components/keys.ts'
import { encodeCanonical } from '../../core/model/codec.ts'
import type { BootstrapSetting, ClusterSpec } from '../../core/model/spec.ts'
import { defaultSpec } from '../../core/model/spec.ts'
import type { NodeId } from '../../core/model/ids.ts'
import type {
  KeepStatement,
  SignedStatement,
  SpecStatement,
  Statement,
  WithoutStatement,
} from '../../core/model/statement.ts'
import { formatToken, parseToken } from '../../core/token/text.ts'
import type { NetworkToken, TokenSummary } from '../../core/token/token.ts'
import { summarize } from '../../core/token/token.ts'
import { MusterError } from '../../errors.ts'
import type { IdentityResource, OrderRequest, SpecResource } from './resources.ts'

export { writeOperatorKey } from '../../components/keys.ts'

// The operator's side of the contract: making a network, and signing orders for one. Needs no running agent.

/** What a new token should say beside its secret. */
export interface NetworkWishes {
  readonly name: string
  readonly addresses4?: string
  /** Multiaddrs to ask first. */
  readonly peers?: readonly string[]
  readonly bootstrap?: BootstrapSetting
  readonly controlPlane?: number
}

/** A new network: its token's text, what may be shown of it, and the operator's key pair. */
export interface NewNetwork {
  readonly token: string
  readonly summary: TokenSummary
  /** Its private half never belongs on a node. */
  readonly operatorKey: OperatorKey
}

/** Makes a network token with a fresh secret and a fresh operator key pair. Throws `CodecError` for wishes that no token holds. */
export function newNetwork(wishes: NetworkWishes): NewNetwork {
  const operatorKey = newOperatorKey()
  const document: NetworkToken = {
    version: 1,
    name: wishes.name,
    secret: newSecret(),
    operatorKey: operatorKey.publicKey,
    addresses4: wishes.addresses4 ?? defaultSpec.addresses.ipv4,
    bootstrapPeers: wishes.peers ?? [],
    ...(wishes.bootstrap === undefined ? {} : { bootstrap: wishes.bootstrap }),
    ...(wishes.controlPlane === undefined ? {} : { controlPlane: wishes.controlPlane }),
  }
  const token = formatToken(document, tokenPrimitives)
  return { token, summary: summarize(document, tokenPrimitives), operatorKey }
}

/** What may be shown of a token, and in which format it is written. Throws ERR_TOKEN_*. */
export function inspectToken(text: string): TokenSummary & { readonly format: 'muster1' | 'edgevpn' } {
  const parsed = parseToken(text, tokenPrimitives)
  if (!parsed.ok) throw new MusterError(parsed.code, { detail: parsed.detail })
  return { ...summarize(parsed.token, tokenPrimitives), format: parsed.format }
}

/** An order for a new spec, signed with the key in a file. Throws ERR_OPERATOR_KEY, also for another cluster's key. */
export async function specOrder(
  keyPath: string,
  present: SpecResource,
  spec: ClusterSpec,
): Promise<OrderRequest> {
  const { networkId, epoch, clusterId } = present
  const statement: SpecStatement = {
    kind: 'spec',
    networkId,
    epoch,
    clusterId,
    serial: present.operatorSerial + 1,
    spec,
  }
  return signedOrder(keyPath, present.operatorKey, statement)
}

/** An order that this start of a machine keeps its key. Throws ERR_OPERATOR_KEY. */
export function keepOrder(keyPath: string, present: IdentityResource): Promise<OrderRequest> {
  const { networkId, epoch, clusterId, nodeId, boot } = present
  const statement: KeepStatement = { kind: 'keep', networkId, epoch, clusterId, subject: nodeId, boot }
  return signedOrder(keyPath, present.operatorKey, statement)
}

/** An order that the birth goes on without these nodes. Throws ERR_OPERATOR_KEY. */
export function withoutOrder(
  keyPath: string,
  present: SpecResource,
  without: readonly NodeId[],
): Promise<OrderRequest> {
  // A later order replaces an earlier one: the clock of the operator's machine orders them.
  const serial = Math.floor(Date.now() / 1_000)
  const statement: WithoutStatement = { kind: 'without', networkId: present.networkId, serial, without }
  return signedOrder(keyPath, present.operatorKey, statement)
}

async function signedOrder(
  keyPath: string,
  operatorKey: string,
  statement: Statement,
): Promise<OrderRequest> {
  const key = await readOperatorKey(keyPath)
  if (key.publicKey !== operatorKey) {
    throw new MusterError('ERR_OPERATOR_KEY', {
      detail: `${keyPath} is not the key of this cluster's operator`,
    })
  }
  const signed: SignedStatement = { statement, ...signOrder(key.privateKeyText, statement) }
  return { signed: Buffer.from(encodeCanonical(signed)).toString('hex') }
}
