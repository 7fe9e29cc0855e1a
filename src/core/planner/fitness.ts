import type { Crypto } from '../model/crypto.ts'
import type { NodeId } from '../model/ids.ts'
import { compareIds } from '../model/ids.ts'
import type { NodeFacts } from '../model/member.ts'

/** k3s is built for these; names as Node.js gives them. An empty one is unknown and not held against a node. */
const serverArchitectures: readonly string[] = ['x64', 'arm64', 'arm', '']

/** A node that may be chosen, with all that the choice depends on. */
export interface Candidate {
  readonly id: NodeId
  /** Failure domain; nodes without one share the empty one. */
  readonly zone: string
  /** Coarse on purpose, so that a little memory more or less moves no role. Higher is better. */
  readonly tier: number
  /** Last tie-break: a hash, so that no hostname or key is favoured in every cluster. */
  readonly rank: string
}

/** Why this machine can be no k3s server, or undefined if it can. */
export function serverObstacle(facts: NodeFacts): string | undefined {
  if (!facts.durable) return 'it has no installed disk'
  if (!facts.roles.includes('control-plane')) return 'its configuration forbids the control plane'
  if (!serverArchitectures.includes(facts.arch)) return `k3s has no server for ${facts.arch}`
  return undefined
}

/**
 * How well a machine carries a k3s server: 2 with the size that k3s asks for (2 cores, 2 GiB), 1 with half
 * of it, else 0; 3 more when its k3s binary is the wanted one (any, where the spec names none).
 */
export function fitnessTier(facts: NodeFacts, wantedVersion: string): number {
  const size =
    facts.cpus >= 2 && facts.memoryMiB >= 1_900 ? 2 : facts.cpus >= 1 && facts.memoryMiB >= 900 ? 1 : 0
  const binary = wantedVersion === '' ? facts.k3sVersion !== '' : facts.k3sVersion === wantedVersion
  return size + (binary ? 3 : 0)
}

/** Ranks of the nodes in the cluster that was last asked about; a node knows one. */
const ranks = new WeakMap<
  Crypto['digest'],
  { readonly clusterId: string; readonly byId: Map<NodeId, string> }
>()

function rankOf(id: NodeId, clusterId: string, { digest }: Crypto): string {
  let known = ranks.get(digest)
  if (known?.clusterId !== clusterId) ranks.set(digest, (known = { clusterId, byId: new Map() }))
  let rank = known.byId.get(id)
  if (rank === undefined) known.byId.set(id, (rank = digest('muster/rank/1', { clusterId, id })))
  return rank
}

/** The candidate that a node is in this cluster. */
export function candidate(
  id: NodeId,
  facts: NodeFacts | undefined,
  wantedVersion: string,
  clusterId: string,
  crypto: Crypto,
): Candidate {
  return {
    id,
    zone: facts?.zone ?? '',
    tier: facts === undefined ? -1 : fitnessTier(facts, wantedVersion),
    rank: rankOf(id, clusterId, crypto),
  }
}

/** Best first: tier, then hash, then id. */
export function compareCandidates(a: Candidate, b: Candidate): number {
  return b.tier - a.tier || compareIds(a.rank, b.rank) || compareIds(a.id, b.id)
}

/**
 * Picks up to `count` candidates, each time from the zone that holds fewest so far, the best one first.
 * @param heldZones zones of the nodes already chosen, one entry a node
 */
export function pickSpread(
  pool: readonly Candidate[],
  count: number,
  heldZones: readonly string[] = [],
): readonly Candidate[] {
  const held = new Map<string, number>()
  for (const zone of heldZones) held.set(zone, (held.get(zone) ?? 0) + 1)
  const rest = pool.toSorted(compareCandidates)
  const picked: Candidate[] = []
  while (picked.length < count && rest.length > 0) {
    const fewest = Math.min(...rest.map((one) => held.get(one.zone) ?? 0))
    const index = rest.findIndex((one) => (held.get(one.zone) ?? 0) === fewest)
    const chosen = rest.splice(index, 1)[0] as Candidate
    held.set(chosen.zone, (held.get(chosen.zone) ?? 0) + 1)
    picked.push(chosen)
  }
  return picked
}

/** The largest odd number that is not above `count`; 0 for 0. */
export function largestOdd(count: number): number {
  return count <= 0 ? 0 : count % 2 === 1 ? count : count - 1
}
