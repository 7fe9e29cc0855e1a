import type { VirtualCluster } from '../../support/virtual-cluster.ts'

/** Broken promises of a whole virtual site, over everything that any host ever wrote down; none if empty. */
export function safetyViolations(cluster: VirtualCluster): readonly string[] {
  return [...lineages(cluster), ...authorities(cluster), ...addresses(cluster)]
}

/** Clusters that any host ever belonged to. */
export function clustersOf(cluster: VirtualCluster): readonly string[] {
  return [...new Set(cluster.adoptions.map((adoption) => adoption.clusterId))]
}

/** S1, S11: for each generation one plan, and each host adopts generation after generation. */
function lineages(cluster: VirtualCluster): string[] {
  const broken: string[] = []
  const hashes = new Map<number, string>()
  const heights = new Map<number, number>()
  for (const { host, generation, hash } of cluster.adoptions) {
    const held = hashes.get(generation)
    if (held !== undefined && held !== hash) broken.push(`generation ${generation} was certified twice`)
    hashes.set(generation, hash)
    if (generation !== (heights.get(host) ?? -1) + 1) broken.push(`host ${host} leapt to ${generation}`)
    heights.set(host, generation)
  }
  return broken
}

/** S5: whatever runs in an active cluster runs under the CA of the plan. */
function authorities(cluster: VirtualCluster): string[] {
  return cluster.hosts.flatMap((host) => {
    const plan = host.node?.view().chain.newest?.plan
    const authority = cluster.k3s.authorityOf(host.index)
    if (plan?.header.phase !== 'active' || authority === '') return []
    return cluster.k3s.observe(host.index, cluster.now).unit === 'running' && authority !== plan.body.caHash
      ? [`host ${host.index} runs under another CA`]
      : []
  })
}

/** S8: no two nodes of one plan hold one address. */
function addresses(cluster: VirtualCluster): string[] {
  return cluster.hosts.flatMap((host) => {
    const assignments = host.node?.view().chain.newest?.plan.body.assignments ?? []
    const held = assignments.flatMap(({ address4, address6 }) => [address4, address6])
    return new Set(held).size === held.length ? [] : [`host ${host.index}: one address is held twice`]
  })
}
