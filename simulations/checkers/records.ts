import { compareRecords } from '../../src/core/model/member.ts'
import type { MemberRecord } from '../../src/core/model/member.ts'
import { forgedNote } from '../world/liar.ts'
import type { World } from '../world/world.ts'
import type { Watcher } from '../world/watcher.ts'
import type { Violations } from './violations.ts'

/**
 * Views are compared after every so many turns of a machine, on a large site after as many as there are machines: each
 * comparison then costs as much as a turn.
 */
const everyTurns = 16

/** S9, S11: no machine believes a record that its owner did not sign, and no record view goes back within a boot. */
export function recordChecker(world: () => World, violations: Violations): Watcher {
  const views = new Map<number, { boots: number; records: Map<string, MemberRecord> }>()
  const turns = new Map<number, number>()
  let every = 0
  return {
    settled: (machine) => {
      const turn = (turns.get(machine.index) ?? 0) + 1
      turns.set(machine.index, turn)
      every ||= Math.max(everyTurns, world().machines.length)
      if (turn % every !== 0) return
      const { now } = world().timeline
      const held = views.get(machine.index)
      const before = held?.boots === machine.boots ? held.records : new Map<string, MemberRecord>()
      for (const { record } of machine.core?.glance?.().membership.members ?? []) {
        if (record.note === forgedNote)
          violations.add('S9', now, machine.index, 'believes a record that was forged')
        const known = before.get(record.nodeId)
        if (known === record) continue
        if (known !== undefined && compareRecords(record, known) < 0) {
          violations.add('S11', now, machine.index, `the record of ${record.facts.hostname} went back`)
        }
        before.set(record.nodeId, record)
      }
      views.set(machine.index, { boots: machine.boots, records: before })
    },
  }
}
