import { compareBallots } from '../../src/core/consensus/ballot.ts'
import type { Register } from '../../src/core/consensus/register.ts'
import type { Effect } from '../../src/core/effect.ts'
import type { K3sRecord } from '../../src/core/k3s/record.ts'
import type { Message } from '../../src/core/model/message.ts'
import type { Ballot } from '../../src/core/model/plan.ts'
import { planHash } from '../../src/core/model/plan-hash.ts'
import type { Machine } from '../world/machine.ts'
import type { World } from '../world/world.ts'
import type { Watcher } from '../world/watcher.ts'
import type { Violations } from './violations.ts'

/**
 * S12: who votes, proposes or states has it on disk before the word leaves, and no ballot carries two values. Looks at
 * every word as it leaves, and at the disk at that moment.
 */
export function durabilityChecker(world: () => World, violations: Violations): Watcher {
  const acted = new Set<number>()
  const values = new Map<string, string>()
  /** Statements that were on the disk when they were first said: they may be said again when the role is gone. */
  const saidBefore = new Set<string>()
  const broken = (machine: Machine, text: string): void =>
    violations.add('S12', world().timeline.now, machine.index, text)

  const checkSend = (machine: Machine, message: Message): void => {
    const { document } = machine.disk
    const register = document?.values.register as Register | undefined
    const passed = (generation: number): boolean => (register?.generation ?? -1) > generation
    const covers = (held: Ballot | null | undefined, ballot: Ballot): boolean =>
      held !== null && held !== undefined && compareBallots(held, ballot) >= 0
    switch (message.kind) {
      case 'prepare':
        if (passed(message.generation)) return
        if ((register?.proposedNumber ?? -1) < message.ballot.number)
          broken(machine, 'asks with a ballot that is not on its disk')
        return
      case 'promise':
        if (passed(message.generation)) return
        if (!covers(register?.promised, message.ballot)) broken(machine, 'promises what is not on its disk')
        return
      case 'accept':
        if (passed(message.generation)) return
        if (!covers(register?.accepted?.ballot, message.ballot))
          broken(machine, 'accepts what is not on its disk')
        return
      case 'propose': {
        const { plan, ballot } = message
        if (ballot.proposer !== machine.identity?.id) return
        const { generation, parentHash } = plan.header
        const key = `${generation} ${parentHash} ${ballot.number} ${ballot.proposer}`
        const hash = planHash(plan.header, machine.identity.crypto)
        const before = values.get(key)
        values.set(key, hash)
        // A disk that was put back has forgotten its ballots: that is what w counts.
        if (before !== undefined && before !== hash && world().amnesias === 0) {
          broken(machine, `ballot ${ballot.number} of generation ${generation} carries two plans`)
        }
        return
      }
      case 'statement': {
        const { statement, signer } = message.signed
        if (signer !== machine.identity?.id) return
        const record = document?.values.k3s as K3sRecord | undefined
        if (statement.kind !== 'initialised' && statement.kind !== 'ready') return
        const said = `${statement.kind} ${signer} ${statement.clusterId} ${statement.grant} ${statement.caHash}`
        if (saidBefore.has(said)) return
        saidBefore.add(said)
        const same = record !== undefined && record.grant === statement.grant
        if (statement.kind === 'initialised' && !(same && record.stated))
          broken(machine, 'states a CA that is not on its disk')
        if (statement.kind === 'ready' && !(same && record.ready))
          broken(machine, 'says ready and has not written it down')
        return
      }
      default:
    }
  }

  return {
    effect: (machine: Machine, effect: Effect) => {
      acted.add(machine.index)
      if (effect.kind === 'send') checkSend(machine, effect.message)
    },
    persisting: (machine) => {
      if (acted.has(machine.index)) broken(machine, 'acts before it persists')
    },
    settled: (machine) => acted.delete(machine.index),
    stopping: (machine) => acted.delete(machine.index),
  }
}
