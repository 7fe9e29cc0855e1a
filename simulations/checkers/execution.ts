import type { K3sRecord } from '../../src/core/k3s/record.ts'
import type { CertifiedHeader, CertifiedPlan } from '../../src/core/model/plan.ts'
import { assignmentOf } from '../../src/core/model/plan.ts'
import type { K3sEvent } from '../world/k3s-parts.ts'
import type { Machine } from '../world/machine.ts'
import type { World } from '../world/world.ts'
import type { Watcher } from '../world/watcher.ts'
import type { Invariant } from '../run/result.ts'
import type { Violations } from './violations.ts'

/** So long a machine may take to stop a start of k3s that a newer plan has overtaken: two looks at k3s, and a step. */
const overtakenMs = 5_000

/** A broken promise, and how. */
type Flaw = readonly [invariant: Invariant, text: string]

/** What a machine's own disk says. */
interface Held {
  readonly plan: CertifiedPlan['plan'] | undefined
  readonly record: K3sRecord | undefined
  readonly chain: readonly CertifiedHeader[]
}

/**
 * S3, S4, S5, S6, S13, S14: looks at every step of k3s and at everything that k3s and etcd do, and compares it with what
 * is certified on the machine's own disk at that moment.
 */
export function executionChecker(world: () => World, violations: Violations): Watcher {
  /** Statements that an identity sent, by grant. */
  const stated = new Set<string>()
  const statedCas = new Map<string, string>()
  /** What a machine held when it last asked for a start, or one of these. */
  const startedWith = new Map<number, readonly Held[]>()
  const planTakenAt = new Map<number, number>()
  /** What a machine held before the plan that it takes in this turn. */
  const heldBefore = new Map<number, Held>()
  const initialisedGrants = new Map<string, number>()
  /** CAs that an active plan names. */
  const activeAuthorities = new Set<string>()
  const broken = (invariant: Invariant, node: number, text: string): void =>
    violations.add(invariant, world().timeline.now, node, text)

  const heldBy = (machine: Machine): Held => {
    const { values = {}, chain = [] } = machine.disk.document ?? {}
    return {
      plan: (values.plan as CertifiedPlan | undefined)?.plan,
      record: values.k3s as K3sRecord | undefined,
      chain: chain as readonly CertifiedHeader[],
    }
  }

  /**
   * What k3s enters etcd by: a plan that is learnt while k3s comes up cannot call the start back at once. One that allows it is
   * enough: a turn that takes a plan may have asked for the start before or after.
   */
  const judgeEntry = (machine: Machine, flawsOf: (held: Held) => readonly Flaw[]): void => {
    const sinceMs = world().timeline.now - (planTakenAt.get(machine.index) ?? -Infinity)
    const started = sinceMs <= overtakenMs ? startedWith.get(machine.index) : undefined
    judge(machine, started ?? [heldBy(machine)], flawsOf)
  }

  /** One state that allows it is enough; else the flaws of the first count. */
  const judge = (
    machine: Machine,
    states: readonly Held[],
    flawsOf: (held: Held) => readonly Flaw[],
  ): void => {
    const verdicts = states.map(flawsOf)
    if (verdicts.some((flaws) => flaws.length === 0)) return
    for (const [invariant, text] of verdicts[0] ?? []) broken(invariant, machine.index, text)
  }

  const checkMade = (machine: Machine): void => {
    const self = machine.identity?.id
    judgeEntry(machine, ({ plan, record }) => {
      const grant = plan?.header.grant
      const flaws: Flaw[] = []
      if (grant?.team[0] !== self) flaws.push(['S3', 'makes a cluster without a grant to it'])
      if (record?.grant !== grant?.number || record?.initialised !== true)
        flaws.push(['S3', 'makes a cluster that its record does not announce'])
      // A disk that was put back has forgotten its word: that is what w counts.
      if (stated.has(`${self} ${grant?.number}`) && world().amnesias === 0)
        flaws.push(['S3', `makes the cluster of grant ${grant?.number} again after its statement`])
      return flaws
    })
  }

  const checkJoined = ({ etcd }: K3sEvent, machine: Machine): void => {
    if (etcd === undefined) return
    if (etcd.members.filter((member) => member.learner).length > 1)
      broken('S6', machine.index, 'etcd has two learners')
    const self = machine.identity?.id ?? ''
    judgeEntry(machine, ({ plan, record, chain }) => {
      if (plan === undefined) return [['S5', 'joins an etcd without a plan']]
      if (plan.header.phase !== 'active') {
        const isOfTeam = teamOf(record, chain, plan)?.includes(self) === true
        return isOfTeam ? [] : [['S5', 'joins before active and is not of the team']]
      }
      const flaws: Flaw[] = []
      if (plan.body.caHash !== etcd.authority) flaws.push(['S5', 'joins a cluster with another CA'])
      if (assignmentOf(plan.body, self)?.role !== 'control-plane')
        flaws.push(['S5', 'joins etcd as a worker'])
      return flaws
    })
  }

  /** The team joins one after another: etcd's own refusal of a second learner is a defence, and no plan. */
  const checkRefused = ({ detail }: K3sEvent, machine: Machine): void => {
    if (heldBy(machine).plan?.header.phase !== 'granted' || !detail.includes('too many learner')) return
    broken('S6', machine.index, 'joins while another server of the team is a learner')
  }

  const checkCleared = ({ etcd }: K3sEvent, machine: Machine): void => {
    const { plan, record, chain } = heldBy(machine)
    const member = world().k3s.placeOf(machine.index).etcd
    if (etcd === undefined || member === undefined || plan === undefined) return
    if (!etcd.members.some((one) => one.id === member.memberId)) return
    const wasActive = chain.some(
      ({ header }) => header.phase === 'active' && header.grant?.number === record?.grant,
    )
    const revoked = (record?.grant ?? 0) < (plan.header.grant?.number ?? 0) && !wasActive
    if (plan.header.phase === 'dissolved' || (revoked && !activeAuthorities.has(etcd.authority))) return
    broken('S13', machine.index, `etcd data leave the disk while etcd lists member ${member.memberId}`)
  }

  const checkRunning = (machine: Machine): void => {
    const place = world().k3s.placeOf(machine.index)
    const { plan, record, chain } = heldBy(machine)
    if (place.role === 'agent') {
      if (plan?.header.phase !== 'active') broken('S5', machine.index, 'an agent runs before active')
      else if (place.authority !== plan.body.caHash)
        broken('S5', machine.index, 'an agent runs under another CA')
      return
    }
    // Data of a grant that was revoked are put away before anything runs under the next one.
    judgeEntry(machine, (held) => {
      if (place.authority !== held.record?.secrets?.caHash)
        return [['S4', 'a server runs on the data of another grant']]
      const isOther = held.plan?.header.phase === 'active' && place.authority !== held.plan.body.caHash
      return isOther ? [['S4', 'a server runs under another CA than that of the active plan']] : []
    })
    if (plan?.header.phase === 'active') return
    for (const [invariant, text] of doorFlaws(place.access, plan, teamOf(record, chain, plan)))
      broken(invariant, machine.index, text)
  }

  /** S5: the token that k3s starts with is for the one CA that is certified, or stated by the grant's initialiser. */
  const secretsFlaws = (machine: Machine, { plan, record }: Held): readonly Flaw[] => {
    const grant = plan?.header.grant
    if (plan === undefined || grant === null || grant === undefined) return []
    if (plan.header.phase !== 'active' && grant.team[0] === machine.identity?.id) return []
    const certified =
      plan.header.phase === 'active' ? plan.body.caHash : statedCas.get(`${grant.team[0]} ${grant.number}`)
    return record?.secrets?.caHash === certified ? [] : [['S5', 'starts k3s with the secrets of another CA']]
  }

  const doorFlaws = (
    access: unknown,
    plan: Held['plan'],
    members: readonly string[] = plan?.header.grant?.team ?? [],
  ): readonly Flaw[] => {
    const team = members.map((node) => plan && assignmentOf(plan.body, node))
    const allowed = new Set(team.flatMap((one) => (one === undefined ? [] : [one.address4, one.address6])))
    const open = !Array.isArray(access) || access.some((address) => !allowed.has(address as string))
    return open ? [['S14', 'the API is open to more than the team before active']] : []
  }

  return {
    effect: (machine, effect) => {
      if (effect.kind !== 'send' || effect.message.kind !== 'statement') return
      const { statement, signer } = effect.message.signed
      if (statement.kind === 'initialised' && signer === machine.identity?.id) {
        stated.add(`${signer} ${statement.grant}`)
        statedCas.set(`${signer} ${statement.grant}`, statement.caHash)
      }
    },
    persisting: (machine, writes) => {
      for (const write of writes) {
        if (write.op === 'append') continue
        if (write.key === 'k3s') {
          const { grant, initialised, clusterId } = write.value as K3sRecord
          if (!initialised) continue
          const key = `${machine.identity?.id} ${clusterId}`
          if ((initialisedGrants.get(key) ?? -1) > grant && world().amnesias === 0) {
            broken('S4', machine.index, `initialised falls back to grant ${grant}`)
          }
          initialisedGrants.set(key, grant)
        } else if (write.key === 'plan') {
          if (!heldBefore.has(machine.index)) heldBefore.set(machine.index, heldBy(machine))
          const { header, body } = (write.value as CertifiedPlan).plan
          if (header.phase === 'active') activeAuthorities.add(body.caHash)
        }
      }
    },
    persisted: (machine, writes) => {
      if (writes.some((write) => write.op !== 'append' && write.key === 'plan'))
        planTakenAt.set(machine.index, world().timeline.now)
    },
    stepping: (machine, step) => {
      if (step.kind !== 'start' && step.kind !== 'configure') return
      const now = heldBy(machine)
      const before = heldBefore.get(machine.index)
      const states = before === undefined ? [now] : [now, before]
      if (step.kind === 'start' && step.role === 'server-init' && now.record?.stated === true)
        broken('S3', machine.index, 'starts k3s with cluster-init again after its statement')
      if (step.kind === 'start') startedWith.set(machine.index, states)
      judge(machine, states, (held) => [
        ...(step.kind === 'start' ? secretsFlaws(machine, held) : []),
        ...(step.role === 'agent' || held.plan?.header.phase === 'active'
          ? []
          : doorFlaws(step.allow, held.plan)),
      ])
    },
    settled: (machine) => heldBefore.delete(machine.index),
    stopping: (machine) => heldBefore.delete(machine.index),
    k3s: (event) => {
      const machine = world().machines[event.machine] as Machine
      if (event.what === 'cluster made') checkMade(machine)
      else if (event.what === 'join refused') checkRefused(event, machine)
      else if (event.what === 'joined') checkJoined(event, machine)
      else if (event.what === 'cleared') checkCleared(event, machine)
      else if (event.what === 'running') checkRunning(machine)
    },
  }
}

/** The team of the grant that a machine's k3s belongs to: a start may be under way when its grant is revoked. */
function teamOf(
  record: K3sRecord | undefined,
  chain: readonly CertifiedHeader[],
  plan: CertifiedPlan['plan'] | undefined,
): readonly string[] | undefined {
  const own = chain.find(({ header }) => header.grant?.number === record?.grant)?.header
  return (own ?? plan?.header)?.grant?.team
}
