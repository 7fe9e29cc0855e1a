import type { NodeId } from '../model/ids.ts'
import { compareIds, sortedIds } from '../model/ids.ts'
import type { RecordTable } from './record-table.ts'

/** Up to so many members everybody keeps a connection to everybody. */
export const fullMeshMax = 100

/** Beyond that: connections to so many members, drawn at random by each node for itself; as many choose it. */
const randomContacts = 12

/** And to so many living neighbours on each side in the order of ids, so that nobody is left without a watcher. */
const ringNeighbours = 2

/** And to so many of the dead: after a partition somebody must knock at the other side. */
const deadContacts = 4

/**
 * The peers that a node keeps connected, sorted: everybody in a small network; in a large one a bounded, stable choice.
 * Work is proportional to the choice and the dead passed over, not to the members.
 * @param before the former choice: who was chosen stays chosen, so that a growing network does not dial for ever
 */
export function chooseContacts(self: NodeId, table: RecordTable, before: readonly NodeId[] = []): NodeId[] {
  const eligible = (id: NodeId): boolean =>
    id !== self && table.liveness(id) !== 'left' && !table.isRevoked(id)
  if (table.ids.length <= fullMeshMax) return table.ids.filter(eligible)
  const chosen = new Set<NodeId>()
  for (const step of [1, -1]) addNeighbours(self, table, step, eligible, chosen)
  const kept = before
    .filter((id) => eligible(id) && table.liveness(id) !== 'dead' && !chosen.has(id))
    .slice(0, randomContacts)
  for (const id of kept) chosen.add(id)
  let living = kept.length
  let dead = 0
  for (const id of table.byRank()) {
    if (living >= randomContacts) break
    if (!eligible(id) || chosen.has(id)) continue
    if (table.liveness(id) === 'dead') {
      if (dead++ < deadContacts) chosen.add(id)
    } else {
      living++
      chosen.add(id)
    }
  }
  return [...chosen].toSorted(compareIds)
}

/** Whether a member that appears is watched from here: in a large network by those that are connected to it. */
export function isWatched(id: NodeId, table: RecordTable, connected: readonly NodeId[]): boolean {
  return table.ids.length <= fullMeshMax || connected.includes(id)
}

/** Living members worth probing from here, sorted: everybody in a small network, else those within reach. */
export function probeCandidates(
  self: NodeId,
  table: RecordTable,
  contacts: readonly NodeId[],
  connected: readonly NodeId[],
): readonly NodeId[] {
  const near = table.ids.length <= fullMeshMax ? table.ids : sortedIds([...contacts, ...connected])
  return near.filter((id) => id !== self && table.isLiving(id))
}

function addNeighbours(
  self: NodeId,
  table: RecordTable,
  step: number,
  eligible: (id: NodeId) => boolean,
  chosen: Set<NodeId>,
): void {
  const { ids } = table
  const start = ids.indexOf(self)
  let found = 0
  for (let distance = 1; distance < ids.length && found < ringNeighbours; distance++) {
    const id = ids[(start + step * distance + ids.length) % ids.length] as NodeId
    if (!eligible(id) || table.liveness(id) === 'dead') continue
    chosen.add(id)
    found++
  }
}
