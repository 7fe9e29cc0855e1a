import { ballotKey } from '../../src/core/consensus/ballot.ts'
import type { Message } from '../../src/core/model/message.ts'
import type { CertifiedHeader } from '../../src/core/model/plan.ts'
import type { Machine } from '../world/machine.ts'
import type { World } from '../world/world.ts'
import type { Watcher } from '../world/watcher.ts'
import type { Violations } from './violations.ts'

/**
 * S2 at its source: what a machine owes the others before it founds a cluster or follows one. A second charter is rare
 * where one of these is broken, and no violation where the premise is: so the duty is looked at, and not the fork.
 *  * `expect`, `tolerate`: no vote from a machine that knows as many as could found two clusters;
 *  * `auto`: no vote for a list that lacks a machine which the voter knows;
 *  * no stranger follows a plan without fresh answers from a majority of its newest voters.
 */
export function birthChecker(world: () => World, violations: Violations): Watcher {
  /** By machine: identities that it had written down before this turn. */
  const known = new Map<number, readonly string[]>()
  const lists = new Map<string, ReadonlySet<string>>()
  /** By machine: who told it in this boot of which cluster. */
  const told = new Map<number, Set<string>>()
  /** Machines that heard votes for a charter in this boot: they may have counted them themselves. */
  const counting = new Set<number>()

  const broken = (machine: Machine, text: string): void =>
    violations.add('S2', world().timeline.now, machine.index, text)
  const remember = (machine: Machine): void => {
    const seen = machine.disk.document?.values.seen as { readonly ids: readonly string[] } | undefined
    known.set(machine.index, seen?.ids ?? [])
  }

  const checkSend = (machine: Machine, message: Message): void => {
    if (message.kind === 'prepare' || message.kind === 'propose') {
      if (message.terms !== null) lists.set(ballotKey(message.ballot), new Set(message.terms.list))
      return
    }
    if ((message.kind !== 'promise' && message.kind !== 'accept') || message.generation !== 0) return
    const ids = known.get(machine.index) ?? []
    const { bootstrap } = world().plan
    if (bootstrap.mode === 'auto') {
      const list = lists.get(ballotKey(message.ballot))
      if (list !== undefined && ids.some((id) => !list.has(id)))
        broken(machine, 'votes for a list that lacks a machine which it knows')
    } else if (bootstrap.mode !== 'voters') {
      const quorum = bootstrap.expect - (bootstrap.mode === 'tolerate' ? bootstrap.tolerate : 0)
      if (ids.length >= 2 * quorum) broken(machine, `votes although it knows ${ids.length} machines`)
    }
  }

  const checkFollowed = (machine: Machine, links: readonly CertifiedHeader[]): void => {
    const headers = links.map((link) => link.header)
    const [first, newest] = [headers[0], headers.at(-1)]
    const self = machine.identity?.id ?? ''
    if (first === undefined || newest === undefined || first.generation !== 0) return
    if (first.voters.includes(self) || (headers.length === 1 && counting.has(machine.index))) return
    // Whose own vote founded the cluster is no stranger to it.
    if (links[0]?.certificate.votes.some(({ voter }) => voter === self) === true) return
    const answered = newest.voters.filter((id) => told.get(machine.index)?.has(`${id} ${first.clusterId}`))
    if (2 * answered.length <= newest.voters.length)
      broken(machine, `follows a plan on the word of ${answered.length} of ${newest.voters.length} voters`)
  }

  return {
    booted: (machine) => {
      remember(machine)
      told.set(machine.index, new Set())
      counting.delete(machine.index)
    },
    settled: remember,
    delivered: (_serial, from, to, message) => {
      if (message.kind === 'accept') counting.add(to.index)
      const clusterId =
        message.kind === 'plan-announce'
          ? message.clusterId
          : message.kind === 'plan-chain'
            ? message.newest?.plan.header.clusterId
            : undefined
      if (clusterId !== undefined) told.get(to.index)?.add(`${from.identity?.id} ${clusterId}`)
    },
    effect: (machine, effect) => {
      if (effect.kind === 'send') checkSend(machine, effect.message)
    },
    persisting: (machine, writes) => {
      if ((machine.disk.document?.chain.length ?? 0) > 0) return
      checkFollowed(
        machine,
        writes.flatMap((write) => (write.op === 'append' ? [write.value as CertifiedHeader] : [])),
      )
    },
  }
}
