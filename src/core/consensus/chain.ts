import type { Crypto } from '../model/crypto.ts'
import type { Hash } from '../model/ids.ts'
import type { CertifiedHeader, CertifiedPlan } from '../model/plan.ts'
import { bodyHash, planHash } from '../model/plan-hash.ts'
import { certificateFlaw } from './certificate.ts'
import type { Electorate } from './electorate.ts'

/** Every certified header since the charter, and the newest plan whole. */
export interface Chain {
  readonly headers: readonly CertifiedHeader[]
  readonly newest: CertifiedPlan | undefined
  /** Hash of the newest plan; empty before the charter. */
  readonly hash: Hash | ''
}

export const emptyChain: Chain = { headers: [], newest: undefined, hash: '' }

/** Generation of the newest certified plan; -1 before the charter. */
export function generationOf(chain: Chain): number {
  return chain.headers.length - 1
}

/** Who decides the next generation of this chain. */
export function nextElectorate(chain: Chain, networkId: Hash): Electorate {
  return {
    networkId,
    epoch: chain.newest?.plan.header.epoch ?? 0,
    generation: chain.headers.length,
    parentHash: chain.hash,
    voters: chain.newest?.plan.header.voters ?? [],
  }
}

/** What offered headers are to a chain. */
export type Extension =
  /** They descend from the newest plan: here is the longer chain and what was added. */
  | { readonly kind: 'extended'; readonly chain: Chain; readonly added: readonly CertifiedHeader[] }
  /** Nothing new. */
  | { readonly kind: 'known' }
  /** Good as far as they go: keep them and ask for the rest. */
  | { readonly kind: 'partial'; readonly added: readonly CertifiedHeader[]; readonly from: number }
  /** Headers in between are missing: ask from this generation on. */
  | { readonly kind: 'gap'; readonly from: number }
  /** Certified, but not a descendant: two histories of one network exist. Nothing is done because of it. */
  | { readonly kind: 'fork'; readonly clusterId: string; readonly generation: number; readonly hash: Hash }
  | { readonly kind: 'invalid'; readonly flaw: string }

/**
 * Tries to extend a chain by certified headers in order, the last of which comes with its body. A chain only
 * ever moves to a descendant of its newest plan, header by header (protocol 2.3, descent).
 */
export function extendChain(
  chain: Chain,
  networkId: Hash,
  offered: readonly CertifiedHeader[],
  newest: CertifiedPlan | null,
  crypto: Crypto,
): Extension {
  const added: CertifiedHeader[] = []
  let electorate = nextElectorate(chain, networkId)
  let clusterId = chain.newest?.plan.header.clusterId
  for (const link of offered) {
    const generation = link.header.generation
    if (generation < chain.headers.length) {
      const held = chain.headers[generation] as CertifiedHeader
      const offeredHash = planHash(link.header, crypto)
      if (planHash(held.header, crypto) === offeredHash) continue
      return forkOrInvalid(chain, networkId, link, offeredHash, crypto)
    }
    if (generation > electorate.generation) return { kind: 'gap', from: electorate.generation }
    if (link.header.parentHash !== electorate.parentHash) {
      // It may hang below a fork that we have not seen: ask for the whole of it.
      return { kind: 'gap', from: 0 }
    }
    const flaw = certificateFlaw(electorate, link.header, link.certificate, crypto)
    if (flaw !== undefined) return { kind: 'invalid', flaw }
    if (clusterId !== undefined && clusterId !== link.header.clusterId) {
      return { kind: 'invalid', flaw: 'another cluster id' }
    }
    added.push(link)
    clusterId = link.header.clusterId
    electorate = {
      networkId,
      epoch: link.header.epoch,
      generation: generation + 1,
      parentHash: planHash(link.header, crypto),
      voters: link.header.voters,
    }
  }
  if (added.length === 0) return { kind: 'known' }
  const last = added.at(-1) as CertifiedHeader
  if (newest === null || planHash(newest.plan.header, crypto) !== electorate.parentHash) {
    return { kind: 'partial', added, from: electorate.generation }
  }
  if (bodyHash(newest.plan.body, crypto) !== last.header.bodyHash)
    return { kind: 'invalid', flaw: 'wrong body' }
  return {
    kind: 'extended',
    added,
    chain: {
      headers: [...chain.headers, ...added],
      newest: { plan: newest.plan, certificate: last.certificate },
      hash: electorate.parentHash,
    },
  }
}

function forkOrInvalid(
  chain: Chain,
  networkId: Hash,
  link: CertifiedHeader,
  hash: Hash,
  crypto: Crypto,
): Extension {
  const { generation } = link.header
  const parent = chain.headers[generation - 1]
  const electorate: Electorate = {
    networkId,
    epoch: link.header.epoch,
    generation,
    parentHash: parent === undefined ? '' : planHash(parent.header, crypto),
    voters: parent?.header.voters ?? [],
  }
  const flaw = certificateFlaw(electorate, link.header, link.certificate, crypto)
  if (flaw !== undefined) return { kind: 'invalid', flaw }
  return { kind: 'fork', clusterId: link.header.clusterId, generation, hash }
}
