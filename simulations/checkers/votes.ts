import { ballotKey } from '../../src/core/consensus/ballot.ts'
import type { Register } from '../../src/core/consensus/register.ts'
import type { Message } from '../../src/core/model/message.ts'
import type { Ballot, CertifiedHeader, CertifiedPlan } from '../../src/core/model/plan.ts'
import { planHash } from '../../src/core/model/plan-hash.ts'
import type { Machine } from '../world/machine.ts'
import type { Watcher, World } from '../world/world.ts'
import type { Violations } from './violations.ts'

/**
 * S1, S12: every vote of a certificate was cast in its very ballot, a promise is for a ballot of its own generation, and
 * a restarted voter has heard half of the others before it votes. Forks are rare even where these are broken: so the
 * cause is looked for, and not the fork.
 */
export function voteChecker(world: () => World, violations: Violations): Watcher {
  const cast = new Set<string>()
  const asked = new Set<string>()
  /** Identities that voted twice on purpose. */
  const liars = new Set<string>()
  /** By machine: who answered its vote check in this boot; only of those that had a register at their start. */
  const answers = new Map<number, Set<string>>()

  const voteOf = (voter: string, ballot: Ballot, hash: string): string =>
    `${voter} ${ballotKey(ballot)} ${hash}`

  const checkCertificate = (machine: Machine, { header, certificate }: CertifiedHeader): void => {
    const crypto = machine.identity?.crypto
    if (crypto === undefined) return
    const hash = planHash(header, crypto)
    for (const { voter } of certificate.votes) {
      const key = voteOf(voter, certificate.ballot, hash)
      if (voter === machine.identity?.id) cast.add(key)
      if (cast.has(key) || liars.has(voter)) continue
      const text = `generation ${header.generation} is certified by a vote that was never cast in its ballot`
      violations.add('S1', world().timeline.now, machine.index, text)
    }
  }

  const checkSend = (machine: Machine, message: Message): void => {
    const { now } = world().timeline
    if (message.kind === 'prepare') asked.add(`${message.generation} ${ballotKey(message.ballot)}`)
    // Of two votes in one turn only the second is ever on the disk: the first is as good as one before it.
    if (message.kind === 'accept') cast.add(voteOf(message.vote.voter, message.ballot, message.planHash))
    if (message.kind !== 'prepare' && message.kind !== 'promise' && message.kind !== 'accept') return
    if (message.kind === 'promise' && !asked.has(`${message.generation} ${ballotKey(message.ballot)}`)) {
      violations.add('S1', now, machine.index, 'promises a ballot of another generation')
    }
    const self = machine.identity?.id ?? ''
    // Whoever accepts and sees the certificate in one turn writes the result alone: the word itself is the vote.
    if (message.kind === 'accept') cast.add(voteOf(self, message.ballot, message.planHash))
    const heard = answers.get(machine.index)
    const { chain = [], values } = machine.disk.document ?? {}
    if (heard === undefined || chain.length === 0 || message.generation !== chain.length) return
    const { voters } = (values?.plan as CertifiedPlan).plan.header
    const have = voters.filter((voter) => voter !== self && heard.has(voter)).length
    if (voters.includes(self) && have < Math.floor(voters.length / 2)) {
      violations.add('S12', now, machine.index, 'votes after a restart before the others told what they know')
    }
  }

  return {
    booted: (machine) => {
      const restarted = machine.disk.document?.values.register !== undefined
      if (restarted) answers.set(machine.index, new Set())
      else answers.delete(machine.index)
    },
    fault: (fault) => {
      const id = 'node' in fault ? world().machines[fault.node]?.identity?.id : undefined
      if (fault.kind === 'lie' && fault.how === 'equivocate' && id !== undefined) liars.add(id)
    },
    delivered: (_serial, from, to, message) => {
      if (message.kind === 'vote-check-reply') answers.get(to.index)?.add(from.identity?.id ?? '')
    },
    effect: (machine, effect) => {
      if (effect.kind === 'send') checkSend(machine, effect.message)
    },
    persisting: (machine, writes) => {
      const { id, crypto } = machine.identity ?? {}
      for (const write of writes) {
        if (write.op === 'append') checkCertificate(machine, write.value as CertifiedHeader)
        else if (write.key === 'register') {
          const { accepted } = write.value as Register
          if (accepted === null || id === undefined || crypto === undefined) continue
          cast.add(voteOf(id, accepted.ballot, planHash(accepted.plan.header, crypto)))
        }
      }
    },
  }
}
