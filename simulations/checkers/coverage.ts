import type { CertifiedHeader } from '../../src/core/model/plan.ts'
import type { Register } from '../../src/core/consensus/register.ts'
import type { K3sRecord } from '../../src/core/k3s/record.ts'
import type { Watcher } from '../world/watcher.ts'

/** Everything that is counted. Which of them a bulk run must have met is in `required.ts`. */
export const coverageNames = [
  'charter certified',
  'grant certified',
  'active certified',
  'grant revoked',
  'revocation beat a ready team',
  'accepted value adopted by a higher ballot',
  'promise refused for a higher one',
  'crash between promise and accept',
  'wiped between promise and certificate',
  'restarted voter asked the others',
  'rolled-back disk found out',
  'rolled-back disk voted',
  'clone found out',
  'crash while a persist was under way',
  'persist on a full disk',
  'message lost',
  'message to a machine that restarted',
  'partition while nothing was certified',
  'partition of a running cluster',
  'forged message refused',
  'peer cut off',
  'garbage named',
  'corrupt frame that reads as a message',
  'other version named',
  'two votes in one ballot found out',
  'bad plan refused',
  'too many identities refused a birth',
  'followed a plan as a stranger',
  'plan heard of before it was held',
  'etcd cluster made',
  'etcd member joined',
  'etcd learner promoted',
  'etcd join refused',
  'etcd member removed',
  'etcd removal refused',
  'k3s data put aside',
  'initialiser died before its statement',
  'initialiser died after its statement',
  'leaver retired',
  'k3s data lost by hand',
  'control plane replaced',
  'voters changed',
  'operator order carried out',
  'orderly stop',
  'healed and formed',
  'plans stopped changing',
  'leader died and another took over',
  'dead server replaced',
  'site lost its power and came back',
  'real keys and bytes',
  'fork by surplus machines',
  'fork by a put-back disk',
  'fork by a copied disk',
  'fork by a two-faced voter',
] as const
export type CoverageName = (typeof coverageNames)[number]

/** Counts what happened. */
export class Coverage {
  readonly counts: Record<string, number> = {}

  count(name: CoverageName): void {
    this.counts[name] = (this.counts[name] ?? 0) + 1
  }
}

/** Counts by watching the world. */
export function coverageWatcher(coverage: Coverage): Watcher {
  const promisedAt = new Map<number, boolean>()
  const writing = new Set<number>()
  let charters = 0
  const seen = new Set<string>()
  const held = new Map<string, CertifiedHeader['header']>()
  /** Grants of which a member of the team has written down that it is ready. */
  const ready = new Set<string>()
  /** Machines that run on a disk that was put back. */
  const putBack = new Set<number>()
  return {
    booted: (machine) => {
      if (machine.disk.wasPutBack) putBack.add(machine.index)
      else putBack.delete(machine.index)
    },
    persisting: (machine, writes) => {
      writing.add(machine.index)
      for (const write of writes) {
        if (write.op === 'append') {
          const { header, certificate } = write.value as CertifiedHeader
          promisedAt.delete(machine.index)
          const { chain = [] } = machine.disk.document ?? {}
          const isFirst = header.generation === 0 && chain.length === 0
          if (isFirst && !header.voters.includes(machine.identity?.id ?? ''))
            coverage.count('followed a plan as a stranger')
          const key = `${header.clusterId} ${header.generation} ${header.bodyHash}`
          const before = held.get(`${header.clusterId} ${header.generation - 1}`)
          held.set(`${header.clusterId} ${header.generation}`, header)
          if (seen.has(key)) continue
          seen.add(key)
          if (header.generation === 0) {
            charters += 1
            coverage.count('charter certified')
          }
          if (header.phase === 'granted' && header.grant?.number === header.generation) {
            coverage.count(before?.grant === null ? 'grant certified' : 'grant revoked')
            if (ready.has(`${header.clusterId} ${before?.grant?.number}`))
              coverage.count('revocation beat a ready team')
          }
          if (header.phase === 'active' && before?.phase === 'granted') coverage.count('active certified')
          if (before !== undefined && before.voters.join() !== header.voters.join())
            coverage.count('voters changed')
          if (certificate.ballot.number > 0 && header.generation > 0)
            coverage.count('accepted value adopted by a higher ballot')
          if (before?.openChange?.kind === 'remove' && header.openChange === null)
            coverage.count('control plane replaced')
        } else if (write.key === 'register') {
          const { promised, accepted } = write.value as Register
          promisedAt.set(machine.index, promised !== null && accepted === null)
        } else if (write.key === 'k3s') {
          const { clusterId, grant, ready: isReady } = write.value as K3sRecord
          if (isReady) ready.add(`${clusterId} ${grant}`)
        } else if (write.key === 'plan') {
          const { body } = (write.value as { plan: { body: { retired: unknown[]; operatorSerial: number } } })
            .plan
          if (body.retired.length > 0) coverage.count('leaver retired')
          if (body.operatorSerial > 0) coverage.count('operator order carried out')
        }
      }
    },
    persisted: (machine) => writing.delete(machine.index),
    stopping: (machine, why) => {
      const stated =
        (machine.disk.document?.values.k3s as { initialised: boolean; stated: boolean } | undefined) ??
        undefined
      const newest = machine.disk.document?.chain.at(-1) as CertifiedHeader | undefined
      if (writing.delete(machine.index)) coverage.count('crash while a persist was under way')
      if (promisedAt.get(machine.index) === true) {
        coverage.count(
          why === 'wiped' ? 'wiped between promise and certificate' : 'crash between promise and accept',
        )
      }
      if (stated?.initialised === true && newest?.header.phase === 'granted') {
        coverage.count(
          stated.stated ? 'initialiser died after its statement' : 'initialiser died before its statement',
        )
      }
      if (why === 'k3s data deleted' && stated !== undefined) coverage.count('k3s data lost by hand')
      if (why === 'orderly') coverage.count('orderly stop')
      if (why === 'a clone starts anew') coverage.count('clone found out')
    },
    effect: (machine, effect) => {
      switch (effect.kind) {
        case 'cut-off':
          coverage.count('peer cut off')
          if (effect.detail.includes('forged')) coverage.count('forged message refused')
          return
        case 'event':
          if (effect.reason === 'Clone') coverage.count('clone found out')
          if (effect.reason === 'RolledBackDisk') coverage.count('rolled-back disk found out')
          if (effect.reason === 'Equivocation' && effect.message.includes('two different votes'))
            coverage.count('two votes in one ballot found out')
          return
        case 'send':
          if (putBack.has(machine.index) && ['promise', 'accept'].includes(effect.message.kind))
            coverage.count('rolled-back disk voted')
          return countSend(machine.disk.document?.chain.length ?? 0, effect.message, coverage)
        default:
      }
    },
    dropped: (_serial, _from, _to, why) => {
      if (why === 'lost') coverage.count('message lost')
      if (why === 'off') coverage.count('message to a machine that restarted')
      if (why === 'garbage') coverage.count('garbage named')
      if (why === 'unsigned') coverage.count('corrupt frame that reads as a message')
    },
    refused: (_machine, _peer, code) => {
      if (code === 'ProtocolVersion') coverage.count('other version named')
    },
    fault: (fault) => {
      if (fault.kind === 'cut') {
        coverage.count(
          charters === 0 ? 'partition while nothing was certified' : 'partition of a running cluster',
        )
      }
      if (fault.kind === 'full-disk') coverage.count('persist on a full disk')
    },
    k3s: ({ what }) => {
      if (what === 'cluster made') coverage.count('etcd cluster made')
      if (what === 'joined') coverage.count('etcd member joined')
      if (what === 'promoted') coverage.count('etcd learner promoted')
      if (what === 'join refused') coverage.count('etcd join refused')
      if (what === 'removed') coverage.count('etcd member removed')
      if (what === 'removal refused') coverage.count('etcd removal refused')
      if (what === 'cleared') coverage.count('k3s data put aside')
    },
  }
}

/** Reasons of judges for plans that the simulator's liars make. */
const badPlans: ReadonlySet<string> = new Set(['AddressTwice', 'NodeLost', 'RoleWithoutChange', 'TeamRoles'])

function countSend(length: number, message: { kind: string; reason?: string }, coverage: Coverage): void {
  if (message.kind === 'refuse' && message.reason === 'HigherPromise')
    coverage.count('promise refused for a higher one')
  if (message.kind === 'refuse' && message.reason === 'TooManyIdentities')
    coverage.count('too many identities refused a birth')
  if (message.kind === 'refuse' && badPlans.has(message.reason ?? '')) coverage.count('bad plan refused')
  if (message.kind === 'vote-check') coverage.count('restarted voter asked the others')
  if (message.kind === 'plan-request' && length === 0) coverage.count('plan heard of before it was held')
}
