import type { NodeId } from '../../src/core/model/ids.ts'
import { doubleVotes } from '../world/liar.ts'
import type { Machine } from '../world/machine.ts'
import type { World } from '../world/world.ts'
import type { Watcher } from '../world/watcher.ts'
import type { Violations } from './violations.ts'

/** A machine that is in the middle of a turn takes in what came meanwhile in its next one. */
const turnsToName = 2

/**
 * S9, S12 in what is said of others. A peer that sent garbage or speaks another version is named by whoever turned it
 * away. Nobody is accused of two votes who has one disk, put nothing back and tells no lies, as long as one member alone
 * votes twice: a false accusation ends an honest voter's part in every decision.
 */
export function namingChecker(world: () => World, violations: Violations): Watcher {
  const pending = new Map<number, { readonly peer: NodeId; readonly code: string; turns: number }[]>()
  const suspects = new Set<NodeId>()
  let liars = 0

  const checkNamed = (machine: Machine): void => {
    const waiting = pending.get(machine.index)
    if (waiting === undefined) return
    const refusals = machine.core?.view?.().refusals
    if (refusals === undefined) return
    const left = waiting.filter(
      ({ peer, code }) => !refusals.some((one) => one.peer === peer && one.code === code),
    )
    for (const one of left) {
      one.turns += 1
      if (one.turns <= turnsToName) continue
      const text = `does not name the peer that it turned away (${one.code})`
      violations.add('S9', world().timeline.now, machine.index, text)
    }
    if (left.length === 0) pending.delete(machine.index)
    else pending.set(machine.index, left)
  }

  return {
    refused: (machine, peer, code) => {
      pending.set(machine.index, [...(pending.get(machine.index) ?? []), { peer, code, turns: 0 }])
    },
    stopping: (machine) => pending.delete(machine.index),
    settled: (machine) => {
      if (pending.size > 0) checkNamed(machine)
    },
    fault: (fault) => {
      if (fault.kind !== 'lie' && fault.kind !== 'rollback' && fault.kind !== 'clone') return
      if (fault.kind === 'lie' && doubleVotes.has(fault.how)) liars += 1
      const id = world().machines[fault.node]?.identity?.id
      if (id !== undefined) suspects.add(id)
    },
    effect: (machine, effect) => {
      if (effect.kind !== 'event' || effect.reason !== 'Equivocation' || liars > 1) return
      const accused = (machine.core?.view?.().refusals ?? []).flatMap(({ code, peer }) =>
        code === 'Equivocation' && peer !== undefined ? peer : [],
      )
      if (accused.every((id) => suspects.has(id))) return
      violations.add('S12', world().timeline.now, machine.index, 'accuses an honest member of two votes')
    },
  }
}
