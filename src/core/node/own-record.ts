import type { Chain } from '../consensus/chain.ts'
import { incarnationAtBoot } from '../membership/own-record.ts'
import type { Codec } from '../model/codec.ts'
import { boolean, decodeTree, struct } from '../model/codec.ts'
import type { Crypto } from '../model/crypto.ts'
import type { Hash } from '../model/ids.ts'
import type { MemberRecord } from '../model/member.ts'
import type { ClusterSpec } from '../model/spec.ts'
import type { NodeInit } from './node-view.ts'

/** What lies under the state key `leaving`: a goodbye outlives a restart. */
const leavingCodec: Codec<{ readonly leaving: boolean }> = struct({ leaving: boolean })

const keyDigests = new WeakMap<
  ClusterSpec,
  { readonly by: Crypto['digest']; readonly digests: Readonly<Record<string, string>> }
>()

/** Digest of each key of a spec, so that nodes can say which keys differ without sending the whole spec. */
export function specKeyDigests(spec: ClusterSpec, crypto: Crypto): Readonly<Record<string, string>> {
  const before = keyDigests.get(spec)
  if (before?.by === crypto.digest) return before.digests
  const digests = digestKeys(spec, crypto)
  keyDigests.set(spec, { by: crypto.digest, digests })
  return digests
}

function digestKeys(spec: ClusterSpec, crypto: Crypto): Readonly<Record<string, string>> {
  const digest = (value: unknown): string => crypto.digest('muster/spec-key/1', { value }).slice(0, 16)
  const digests: Record<string, string> = {
    controlPlane: digest(spec.controlPlane),
    'addresses.ipv4': digest(spec.addresses.ipv4),
  }
  for (const [key, value] of Object.entries(spec.k3s)) digests[`k3s.${key}`] = digest(value)
  for (const [key, value] of Object.entries(spec.timers)) digests[`timers.${key}`] = digest(value)
  return digests
}

/** Digest of the whole spec: machines that wish for different clusters do not found one together. */
export function specDigest(spec: ClusterSpec, crypto: Crypto): Hash {
  return crypto.digest('muster/spec/1', spec)
}

/** What a node says of itself at its start, before it has seen the machine or a peer. */
export function firstRecord(init: NodeInit, chain: Chain): MemberRecord {
  const { self, networkId, boot, birth, facts, bootstrap, spec, crypto, overlay, stored } = init
  const header = chain.newest?.plan.header
  return {
    nodeId: self,
    networkId,
    incarnation: incarnationAtBoot(boot.counter),
    sequence: 0,
    bootNonce: boot.nonce,
    birth,
    facts,
    phase: header === undefined ? 'waiting' : 'chartered',
    note: '',
    left:
      stored.values.leaving === undefined ? false : decodeTree(leavingCodec, stored.values.leaving).leaving,
    endpoints: [],
    overlayPort: overlay.port,
    overlayKey: overlay.publicKey,
    bootstrap,
    specHash: specDigest(spec, crypto),
    specKeys: specKeyDigests(spec, crypto),
    plan: {
      clusterId: header?.clusterId ?? '',
      generation: header?.generation ?? -1,
      hash: chain.hash,
    },
    etcd: [],
  }
}
