import { departed } from './agreement.ts'
import { birthWaits, proposalWait } from './birth-waits.ts'
import type { WaitingDraft } from './condition-log.ts'
import type { StatusInput } from './types.ts'
import { counted, listed, namesOf } from './words.ts'

/** What this node waits for, most important first; empty when it has come all the way and nothing is under way. */
export function waitsOf(input: StatusInput): readonly WaitingDraft[] {
  if (input.plan === undefined) return beforeCharter(input)
  const goodbye = departed(input)[0]
  if (goodbye === undefined) return [...decision(input), ...ownWay(input)]
  if (goodbye.status === 'true') return []
  const { message } = goodbye
  return [
    { for: 'departure', have: 0, need: 1, missing: [], retryAt: undefined, message },
    ...decision(input),
  ]
}

function beforeCharter(input: StatusInput): readonly WaitingDraft[] {
  const waits = [...birthWaits(input), ...oldDisk(input), ...votes(input, 'the charter')]
  return waits.length === 0 ? [proposalWait(input)] : waits
}

/** A restarted voter is silent until others say that they know no newer votes of it. */
function oldDisk({ voteCheck, consensus }: StatusInput): readonly WaitingDraft[] {
  if (voteCheck === undefined) return []
  const { have, need } = voteCheck
  return [
    {
      for: 'vote check',
      have,
      need,
      missing: [],
      retryAt: consensus.retryAt,
      message: `This machine was started again: it votes when ${counted(need, 'other voter')} said that its disk is not an old copy (${have} did).`,
    },
  ]
}

function votes(input: StatusInput, what: string): readonly WaitingDraft[] {
  const { have, need, missing, refusals, retryAt } = input.consensus
  if (need === 0 || have >= need) return []
  const name = namesOf(input)
  const said = refusals.map((one) => `${name(one.voter)} refuses (${one.reason}: ${one.message})`)
  const silent = missing.map(name)
  const detail = [...said, ...(silent.length === 0 ? [] : [`no answer from ${listed(silent)}`])]
  return [
    {
      for: 'votes',
      have,
      need,
      missing: silent,
      retryAt,
      message: `Waiting for votes on ${what}: ${have} of ${need}${detail.length === 0 ? '' : `; ${listed(detail, 3)}`}.`,
    },
  ]
}

/** What the cluster as a whole waits for. */
function decision(input: StatusInput): readonly WaitingDraft[] {
  const header = input.plan?.plan.header
  if (header === undefined) return []
  const name = namesOf(input)
  const alive = new Set(
    input.view.members.filter(({ liveness }) => liveness === 'alive').map(({ record }) => record.nodeId),
  )
  const silent = header.voters.filter((id) => id !== input.self && !alive.has(id))
  const need = Math.floor(header.voters.length / 2) + 1
  const have = header.voters.length - silent.length
  const waits: WaitingDraft[] = []
  if (have < need) {
    waits.push({
      for: 'voters',
      have,
      need,
      missing: silent.map(name),
      retryAt: undefined,
      message: `Waiting for a majority of the voters: ${have} of ${need} are heard; missing ${listed(silent.map(name))}.`,
    })
  }
  waits.push(...oldDisk(input), ...votes(input, `generation ${header.generation + 1}`))
  const initialiser = header.grant?.team[0]
  if (header.phase === 'granted' && initialiser !== undefined && initialiser !== input.self) {
    const record = input.view.members.find((member) => member.record.nodeId === initialiser)?.record
    const progress =
      record === undefined ? '' : `: ${record.phase}${record.note === '' ? '' : `, ${record.note}`}`
    waits.push({
      for: 'initialiser',
      have: 0,
      need: 1,
      missing: [name(initialiser)],
      retryAt: undefined,
      message: `Waiting for ${name(initialiser)} to make the k3s cluster${progress}.`,
    })
  }
  if (header.phase === 'chartered') {
    waits.push({
      for: 'grant',
      have: 0,
      need: 1,
      missing: [],
      retryAt: input.consensus.retryAt,
      message:
        input.plannerReasons[0] ?? 'Waiting for the voters to name the machine that makes the k3s cluster.',
    })
  }
  const change = header.openChange
  if (change !== null) {
    waits.push({
      for: 'etcd members',
      have: 0,
      need: 1,
      missing: [name(change.node)],
      retryAt: undefined,
      message:
        change.kind === 'add'
          ? `Waiting for ${name(change.node)} to become a voting member of etcd.`
          : `Waiting for etcd to drop the member of ${name(change.node)}.`,
    })
  }
  return waits
}

/** What this machine itself still has to reach. */
function ownWay(input: StatusInput): readonly WaitingDraft[] {
  const { plan, overlay, k3s, self } = input
  const assignment = plan?.plan.body.assignments.find((one) => one.nodeId === self)
  const one = (what: string, message: string): WaitingDraft[] => [
    { for: what, have: 0, need: 1, missing: [], retryAt: undefined, message },
  ]
  if (assignment === undefined)
    return one('assignment', 'Waiting for the voters to give this node a role and an address.')
  if (overlay?.up !== true) {
    const why = overlay === undefined || overlay.detail === '' ? '' : `: ${overlay.detail}`
    return one('overlay', `Waiting for the overlay to come up with ${assignment.address4}${why}.`)
  }
  if (k3s?.installed !== true) return one('install', 'Waiting for a k3s binary on this machine.')
  const header = plan?.plan.header
  const waitsForTeam = header?.phase !== 'active' && header?.grant?.team.includes(self) !== true
  const own = input.view.members.find(({ record }) => record.nodeId === self)?.record
  if (own?.phase === 'k3s-outdated') return one('restart', `k3s is ${own.note}.`)
  if (k3s.ready && header?.phase === 'granted' && !waitsForTeam)
    return [teamWait(input, header.grant?.team ?? [], own?.note ?? '')]
  if (k3s.ready || waitsForTeam) return []
  return one(
    'k3s',
    `Waiting for k3s to be ready as ${assignment.role}: it is ${k3s.unit}${k3s.detail === '' ? '' : `, ${k3s.detail}`}.`,
  )
}

/** A first server that is ready waits for those whose k3s does not answer yet, and then for the plan that says so. */
function teamWait(input: StatusInput, team: readonly string[], note: string): WaitingDraft {
  const answers = new Set(
    input.view.members
      .filter(({ record }) => record.phase === 'k3s-joining' || record.phase === 'k3s-ready')
      .map(({ record }) => record.nodeId),
  )
  const missing = team.filter((id) => id !== input.self && !answers.has(id)).map(namesOf(input))
  const others = missing.length === 0 ? 'the first servers to be certified' : `the k3s of ${listed(missing)}`
  return {
    for: 'first servers',
    have: team.length - missing.length,
    need: team.length,
    missing,
    retryAt: undefined,
    message: `k3s is ready here: waiting for ${others}${note === '' ? '' : `; ${note}`}.`,
  }
}
