import { ballotKey, compareBallots } from '../../src/core/consensus/ballot.ts'
import type { Register } from '../../src/core/consensus/register.ts'
import type { Message, ProposeMessage } from '../../src/core/model/message.ts'
import type { Ballot, CertifiedHeader, CertifiedPlan } from '../../src/core/model/plan.ts'
import { planHash } from '../../src/core/model/plan-hash.ts'
import { premiseOf } from '../run/premise.ts'
import { doubleVotes } from '../world/liar.ts'
import type { Machine } from '../world/machine.ts'
import type { World } from '../world/world.ts'
import type { Watcher } from '../world/watcher.ts'
import type { Violations } from './violations.ts'

/**
 * S1, S12: every vote of a certificate was cast in its very ballot, a promise is for a ballot of its own generation, no
 * higher ballot proposes another plan than the one that was chosen, and a restarted voter has heard half of the others
 * before it votes. Forks are rare even where these are broken: so the cause is looked for, and not the fork.
 */
export function voteChecker(world: () => World, violations: Violations): Watcher {
  const cast = new Set<string>()
  const asked = new Set<string>()
  /** Identities that voted twice on purpose. */
  const liars = new Set<string>()
  /** By machine: who answered its vote check in this boot; only of those that had a register at their start. */
  const answers = new Map<number, Set<string>>()

  /** By plan and ballot: who accepted. By generation and parent: what was chosen, and in which ballot. */
  const accepts = new Map<string, Set<string>>()
  const quorums = new Map<string, number>()
  const chosen = new Map<string, { readonly hash: string; readonly ballot: Ballot }>()

  const decided = (generation: number, parentHash: string): string => `${generation} ${parentHash}`

  const count = (
    voter: string,
    generation: number,
    parentHash: string,
    ballot: Ballot,
    hash: string,
  ): void => {
    cast.add(voteOf(voter, ballot, hash))
    const key = `${decided(generation, parentHash)} ${ballotKey(ballot)}`
    const voters = accepts.get(`${key} ${hash}`) ?? new Set<string>()
    accepts.set(`${key} ${hash}`, voters.add(voter))
    const place = decided(generation, parentHash)
    const before = chosen.get(place)
    if (voters.size < (quorums.get(key) ?? Number.POSITIVE_INFINITY)) return
    if (before === undefined || compareBallots(ballot, before.ballot) < 0) chosen.set(place, { hash, ballot })
  }

  /** Who has one vote too many is in w: a majority of the voters does not allow for that, a charter's q may. */
  const isBound = (generation: number): boolean =>
    generation === 0 ? premiseOf(world()) : world().amnesias === 0

  const checkProposal = (machine: Machine, { ballot, plan, terms }: ProposeMessage): void => {
    const crypto = machine.identity?.crypto
    if (crypto === undefined) return
    const { generation, parentHash } = plan.header
    const held = machine.disk.document?.values.plan as CertifiedPlan | undefined
    const electors = held?.plan.header.generation === generation - 1 ? held.plan.header.voters : undefined
    const quorum = terms?.quorum ?? (electors && Math.floor(electors.length / 2) + 1)
    if (quorum !== undefined) quorums.set(`${decided(generation, parentHash)} ${ballotKey(ballot)}`, quorum)
    const settled = chosen.get(decided(generation, parentHash))
    if (settled === undefined || compareBallots(ballot, settled.ballot) <= 0) return
    if (settled.hash === planHash(plan.header, crypto) || !isBound(generation)) return
    const text = `ballot ${ballot.number} of generation ${generation} is for another plan than the chosen one`
    violations.add('S1', world().timeline.now, machine.index, text)
  }

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
    if (message.kind === 'propose') checkProposal(machine, message)
    if (message.kind !== 'prepare' && message.kind !== 'promise' && message.kind !== 'accept') return
    if (message.kind === 'promise' && !asked.has(`${message.generation} ${ballotKey(message.ballot)}`)) {
      violations.add('S1', now, machine.index, 'promises a ballot of another generation')
    }
    const self = machine.identity?.id ?? ''
    // Whoever accepts and sees the certificate in one turn writes the result alone: the word itself is the vote.
    if (message.kind === 'accept')
      count(self, message.generation, message.parentHash, message.ballot, message.planHash)
    const heard = answers.get(machine.index)
    const { chain = [], values = {} } = machine.disk.document ?? {}
    if (heard === undefined || chain.length === 0 || message.generation !== chain.length) return
    const { voters } = (values.plan as CertifiedPlan).plan.header
    const have = voters.filter((voter) => voter !== self && heard.has(voter)).length
    if (voters.includes(self) && have < Math.floor(voters.length / 2)) {
      violations.add('S12', now, machine.index, 'votes after a restart before the others told what they know')
    }
  }

  return {
    booting: (machine) => {
      const restarted = machine.disk.document?.values.register !== undefined
      if (restarted) answers.set(machine.index, new Set())
      else answers.delete(machine.index)
    },
    fault: (fault) => {
      const id = 'node' in fault ? world().machines[fault.node]?.identity?.id : undefined
      if (fault.kind === 'lie' && doubleVotes.has(fault.how) && id !== undefined) liars.add(id)
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
          const { ballot, plan } = accepted
          const { generation, parentHash } = plan.header
          count(id, generation, parentHash, ballot, planHash(plan.header, crypto))
        }
      }
    },
  }
}
