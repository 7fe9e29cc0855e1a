import type { TraceEvent } from '../run/trace.ts'
import type { Adoption, Decision } from './picture.ts'

type Growing = { -readonly [Key in keyof Decision]: Decision[Key] }

/** Every certified plan that a machine took, in the order of first sight, and who took it when. */
export function decisionsOf(events: readonly TraceEvent[]): {
  readonly decisions: readonly Decision[]
  /** Adoptions of each machine, by its number. */
  readonly adoptions: ReadonlyMap<number, readonly Adoption[]>
} {
  const lineages: string[] = []
  const decisions: Growing[] = []
  const indices = new Map<string, number>()
  const takers = new Map<number, Set<number>>()
  const adoptions = new Map<number, Adoption[]>()
  for (const event of events) {
    if (event.kind !== 'adoption') continue
    const { at, node, clusterId, generation, phase, hash } = event
    if (!lineages.includes(clusterId)) lineages.push(clusterId)
    const key = `${clusterId}/${generation}/${hash}`
    let index = indices.get(key)
    if (index === undefined) {
      const lineage = lineages.indexOf(clusterId)
      const rivals = decisions.filter((one) => one.lineage === lineage && one.generation === generation)
      index = decisions.push({
        lineage,
        clusterId,
        generation,
        phase,
        hash,
        label: `${lineageName(lineage)}${generation}${"'".repeat(rivals.length)}`,
        firstAt: at,
        firstNode: node,
        lastAt: at,
        nodes: 0,
        conflict: lineage > 0 || rivals.length > 0,
      })
      index -= 1
      indices.set(key, index)
    }
    const decision = decisions[index]
    const nodes = takers.get(index) ?? new Set()
    takers.set(index, nodes.add(node))
    if (decision !== undefined) Object.assign(decision, { lastAt: at, nodes: nodes.size })
    adoptions.set(node, [...(adoptions.get(node) ?? []), { at, decision: index }])
  }
  return { decisions, adoptions }
}

/** `A`, `B`, …, `Z`, `A1`, …: clusters in the order of appearance. */
function lineageName(lineage: number): string {
  const letter = String.fromCodePoint(65 + (lineage % 26))
  return lineage < 26 ? letter : `${letter}${Math.floor(lineage / 26)}.`
}

/** The label of a plan. Without a hash, the first plan of this cluster and generation; `?3` where nobody took one. */
export function labelOf(
  decisions: readonly Decision[],
  clusterId: string,
  generation: number,
  hash?: string,
): string {
  if (clusterId === '' || generation < 0) return ''
  const found = decisions.find(
    (one) =>
      one.clusterId === clusterId &&
      one.generation === generation &&
      (hash === undefined || one.hash === hash),
  )
  return found?.label ?? `?${generation}`
}
