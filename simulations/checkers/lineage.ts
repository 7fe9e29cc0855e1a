import { certificateFlaw } from './certificates.ts'
import type { CertifiedHeader, CertifiedPlan, ClusterPlan, PlanHeader } from '../../src/core/model/plan.ts'
import { planHash } from '../../src/core/model/plan-hash.ts'
import { taggedDigest } from '../world/tagged-crypto.ts'
import type { Machine } from '../world/machine.ts'
import type { World } from '../world/world.ts'
import type { Watcher } from '../world/watcher.ts'
import type { Violations } from './violations.ts'

/** Whether something of a sorted list is missing in another one, read side by side. */
function lost(before: readonly string[], after: readonly string[]): boolean {
  let at = 0
  for (const id of before) {
    while (at < after.length && (after[at] as string) < id) at++
    if (after[at] !== id) return true
  }
  return false
}

/** What the lineages of a run came to. */
export interface Lineages {
  readonly watcher: Watcher
  /** Charters that any machine ever held, and those that became active. */
  readonly charters: ReadonlySet<string>
  readonly active: ReadonlySet<string>
  /** Two plans of one generation under one parent, if there ever were. */
  readonly split: { readonly at: number; readonly node: number; readonly generation: number } | undefined
  /** When the first charter and the first `active` plan were held. */
  readonly charterAt: number | undefined
  readonly activeAt: number | undefined
  /** How long each plan took from the first to the last of so many machines; of those that all of them hold. */
  readonly spreadsOver: (machines: number) => readonly number[]
}

/**
 * S1, S2, S7, S8, S11: looks at every certified plan as it is written into a chain. It counts once it is on the disk: nobody
 * has said a word of it before, and a voter whose own vote was lost with it is free to give another one. Which forks are
 * violations is known at the end only: it depends on how many identities and amnesias there were.
 */
export function lineageChecker(world: () => World, violations: Violations): Lineages {
  const hashes = new Map<string, string>()
  const charters = new Set<string>()
  const active = new Set<string>()
  const charterOf = new Map<string, string>()
  const plansSeen = new Set<string>()
  const holders = new Map<
    string,
    { readonly firstAt: number; lastAt: number; readonly machines: Set<number> }
  >()
  /** What a machine was about to write when its power went may be on its disk all the same. */
  const unwritten = new Map<Machine, readonly CertifiedHeader[]>()
  const found: { -readonly [K in 'split' | 'charterAt' | 'activeAt']: Lineages[K] } = {
    split: undefined,
    charterAt: undefined,
    activeAt: undefined,
  }

  const checkAppend = (machine: Machine, link: CertifiedHeader, last: CertifiedHeader | undefined): void => {
    const { header } = link
    const now = world().timeline.now
    const crypto = machine.identity?.crypto
    if (crypto === undefined) return
    const parent = last === undefined ? '' : planHash(last.header, crypto)
    if (header.parentHash !== parent || header.generation !== (last?.header.generation ?? -1) + 1) {
      violations.add(
        'S11',
        now,
        machine.index,
        `moves to generation ${header.generation}, which does not descend`,
      )
    }
    const flaw = certificateFlaw(link, last?.header)
    if (flaw !== undefined)
      violations.add('S1', now, machine.index, `generation ${header.generation}: ${flaw}`)
  }

  const hold = (machine: Machine, { header }: CertifiedHeader): void => {
    const { now } = world().timeline
    const crypto = machine.identity?.crypto
    if (crypto === undefined) return
    const hash = planHash(header, crypto)
    const charter = header.generation === 0 ? hash : (charterOf.get(header.parentHash) ?? '')
    charterOf.set(hash, charter)
    if (header.generation === 0) charters.add(hash)
    found.charterAt ??= now
    const held = holders.get(hash) ?? { firstAt: now, lastAt: now, machines: new Set<number>() }
    holders.set(hash, held)
    if (!held.machines.has(machine.index)) held.lastAt = now
    held.machines.add(machine.index)
    if (header.phase === 'active') {
      active.add(charter)
      found.activeAt ??= now
    }
    const key = `${header.generation === 0 ? hash : header.parentHash} ${header.generation}`
    const before = hashes.get(key)
    hashes.set(key, hash)
    if (before !== undefined && before !== hash) {
      found.split ??= { at: now, node: machine.index, generation: header.generation }
    }
  }

  const checkPlan = (machine: Machine, { plan }: CertifiedPlan, before: CertifiedPlan | undefined): void => {
    const crypto = machine.identity?.crypto
    const hash = crypto === undefined ? '' : planHash(plan.header, crypto)
    if (plansSeen.has(hash)) return
    plansSeen.add(hash)
    const now = world().timeline.now
    const held = plan.body.assignments.flatMap(({ address4, address6 }) => [address4, address6])
    if (new Set(held).size !== held.length)
      violations.add('S8', now, machine.index, 'one address is held twice')
    const retired = plan.body.retired.map((one) => one.address4)
    if (before?.plan.header.clusterId !== plan.header.clusterId) return
    if (before.plan.header.generation !== plan.header.generation - 1) return
    const owners = new Map(before.plan.body.assignments.map((one) => [one.address4, one.nodeId]))
    for (const { nodeId, address4 } of plan.body.assignments) {
      const owner = owners.get(address4)
      if (owner !== undefined && owner !== nodeId) {
        violations.add('S8', now, machine.index, `${address4} goes to another node although nobody retired`)
      }
    }
    const gone = before.plan.body.assignments.find(
      (one) =>
        !plan.body.assignments.some((other) => other.nodeId === one.nodeId) &&
        !retired.includes(one.address4),
    )
    if (gone !== undefined)
      violations.add('S8', now, machine.index, `${gone.name} is gone and was not retired`)
    checkOpenChange(now, machine, before.plan.header, plan)
  }

  /** S6: while a change is open no other one begins; the plan that closes it shows etcd's list, or gives up an addition. */
  const checkOpenChange = (
    now: number,
    machine: Machine,
    before: PlanHeader,
    { header, body }: ClusterPlan,
  ): void => {
    const [old, next] = [before.openChange, header.openChange]
    if (old === null || taggedDigest('change', old) === taggedDigest('change', next ?? {})) return
    const listed = body.evidence.some(({ statement }) => statement.kind === 'members')
    if (listed || old.kind === 'add') return
    violations.add('S6', now, machine.index, `the removal of ${old.etcdMemberId} ends without a list of etcd`)
  }

  const holdWritten = (machine: Machine): void => {
    for (const link of unwritten.get(machine) ?? []) hold(machine, link)
    unwritten.delete(machine)
  }

  const watcher: Watcher = {
    persisted: holdWritten,
    stopping: (machine) => {
      const [was, is] = [unwritten.get(machine), machine.disk.document?.chain].map(
        (links) => (links?.at(-1) as CertifiedHeader | undefined)?.header,
      )
      if (was?.parentHash === is?.parentHash && was?.bodyHash === is?.bodyHash) holdWritten(machine)
      else unwritten.delete(machine)
    },
    persisting: (machine, writes) => {
      const { document } = machine.disk
      const links = writes.flatMap((write) => (write.op === 'append' ? [write.value as CertifiedHeader] : []))
      if (links.length > 0) unwritten.set(machine, links)
      let last = document?.chain.at(-1) as CertifiedHeader | undefined
      for (const write of writes) {
        if (write.op === 'append') {
          const link = write.value as CertifiedHeader
          checkAppend(machine, link, last)
          last = link
        } else if (write.key === 'plan') {
          checkPlan(machine, write.value as CertifiedPlan, document?.values.plan as CertifiedPlan | undefined)
        } else if (write.key === 'seen') {
          const before = (document?.values.seen as { ids: string[] } | undefined)?.ids ?? []
          if (lost(before, (write.value as { ids: string[] }).ids)) {
            violations.add(
              'S11',
              world().timeline.now,
              machine.index,
              'an identity that was seen is forgotten',
            )
          }
        }
      }
    },
  }
  return {
    watcher,
    charters,
    active,
    get split() {
      return found.split
    },
    get charterAt() {
      return found.charterAt
    },
    get activeAt() {
      return found.activeAt
    },
    spreadsOver: (machines) =>
      [...holders.values()]
        .filter((held) => held.machines.size === machines)
        .map(({ firstAt, lastAt }) => lastAt - firstAt),
  }
}
