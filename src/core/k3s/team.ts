import { invariant } from '../model/invariant.ts'
import { assignmentOf } from '../model/plan.ts'
import type { K3sDecision, K3sStatements } from './decision.ts'
import { halt, isExactly, progress, unitAlive, wait } from './decision.ts'
import type { K3sRecord } from './record.ts'
import type { SeenInput } from './unit.ts'
import { noteMembership, teamAddresses, toRole } from './unit.ts'

/** From the grant to `active`: only the team acts, one after another. */
export function bootstrapTeam(input: SeenInput): K3sDecision {
  const { record, observation } = input
  const grant = input.plan.header.grant
  invariant(record !== undefined && grant !== null, 'a team has a grant and a record')
  const place = grant.team.indexOf(input.self)
  if (place === -1) {
    return wait(record, 'overlay', {
      for: 'active',
      need: grant.team.length,
      missing: grant.team,
      message: 'waiting until the first servers have made the cluster',
    })
  }
  if (assignmentOf(input.plan.body, input.self) === undefined) {
    return wait(record, 'chartered', { for: 'address', message: 'waiting for an overlay address' })
  }
  if (observation.tombstone) return halt(record, 'EtcdDataLost', 'etcd removed this member by hand')
  const seen = noteMembership(input, record)
  return place === 0 ? initialise(input, seen) : join(input, seen, place)
}

/** X: authority, persist, start, and only when etcd's data are on the disk the statement that binds it. */
function initialise(input: SeenInput, record: K3sRecord): K3sDecision {
  const { observation } = input
  const lost = record.secrets === null || observation.caHash === ''
  if (record.stated && (lost || !observation.hasEtcdData)) {
    return halt(
      record,
      'InitialiserLostData',
      `grant ${record.grant} was announced and its data are gone: others may have joined, so it is not made again`,
    )
  }
  if (record.secrets === null || lost) {
    return progress(record, 'k3s-starting', 'making the certificate authority', {
      steps: [{ kind: 'make-authority', grant: record.grant }],
    })
  }
  if (observation.caHash !== record.secrets.caHash) {
    return halt(record, 'CaMismatch', `the CA on this disk is not the one of grant ${record.grant}`)
  }
  if (!input.overlayUp && !unitAlive(observation)) return waitForOverlay(record)
  const role = observation.hasEtcdData ? 'server' : 'server-init'
  const marked = record.initialised ? record : { ...record, initialised: true }
  const { record: started, step } = toRole(input, marked, role, '')
  const bound = !started.stated && observation.hasEtcdData && observation.apiAnswers
  const persisted = bound ? { ...started, stated: true } : started
  return conclude(input, persisted, step === undefined ? [] : [step])
}

/** The others join on X's statement, in the order of the team, each when the one before is a voter. */
function join(input: SeenInput, record: K3sRecord, place: number): K3sDecision {
  const { observation, initialised } = input
  const [first = ''] = input.plan.header.grant?.team ?? []
  if (initialised === undefined || initialised.grant !== record.grant) {
    const message = 'waiting for the first server to announce its certificate authority'
    return wait(record, 'k3s-starting', { for: 'initialiser', missing: [first], message })
  }
  if (record.secrets === null) {
    const message = 'asking the first server for the join secrets'
    return wait(
      record,
      'k3s-starting',
      { for: 'secrets', missing: [first], message },
      { needSecretsFrom: [first] },
    )
  }
  if (
    record.secrets.caHash !== initialised.caHash ||
    (observation.caHash !== '' && observation.caHash !== initialised.caHash)
  ) {
    return halt(record, 'CaMismatch', 'the CA here is not the one that the first server announced')
  }
  if (!observation.hasEtcdData && !unitAlive(observation)) {
    if (record.memberId !== '') {
      return halt(record, 'EtcdDataLost', `etcd lists this node as ${record.memberId}, but its data are gone`)
    }
    const turn = waitForTurn(input, record, place, first)
    if (turn !== undefined) return turn
  }
  if (!input.overlayUp && !unitAlive(observation)) return waitForOverlay(record)
  const { record: started, step } = toRole(input, record, 'server', first)
  return conclude(input, started, step === undefined ? [] : [step])
}

/** Nobody joins before all earlier ones are voters and no learner is under way (S6). */
function waitForTurn(
  input: SeenInput,
  record: K3sRecord,
  place: number,
  first: string,
): K3sDecision | undefined {
  const addresses = teamAddresses(input.plan)
  const own = addresses[place]
  const listed = input.lists.find((list) => list.from === first)?.members ?? []
  const voters = listed.filter((member) => !member.learner && member.name !== '')
  const missing = addresses
    .slice(0, place)
    .filter((address) => !voters.some((member) => member.address === address))
  const strangers = listed.filter((member) => member.learner && member.address !== own)
  if (missing.length === 0 && strangers.length === 0) return undefined
  return wait(record, 'k3s-starting', {
    for: 'etcd members',
    have: place - missing.length,
    need: place,
    missing: missing.length > 0 ? missing : strangers.map((member) => member.address),
    message: 'waiting for the servers before this one to become voters of etcd',
  })
}

/** What the team says and shows: the statement of X, and Ready when etcd is exactly the team. */
function conclude(input: SeenInput, record: K3sRecord, steps: K3sDecision['steps']): K3sDecision {
  const { observation } = input
  const addresses = teamAddresses(input.plan)
  const exact = isExactly(observation.members, addresses)
  const ready = exact && observation.ready && observation.apiAnswers
  const after = ready && !record.ready ? { ...record, ready } : record
  const caHash = record.secrets?.caHash ?? ''
  const say: K3sStatements = {
    ...(record.stated ? { initialised: { grant: record.grant, caHash } } : {}),
    ...(ready ? { ready: { grant: record.grant, caHash, members: observation.members ?? [] } } : {}),
  }
  const voters = (observation.members ?? []).filter((member) => !member.learner).length
  const note = describe(input, voters, addresses.length)
  if (ready) {
    const message = 'the first servers are ready: waiting for the voters to certify it'
    return wait(after, 'k3s-joining', { for: 'active', message }, { say, steps })
  }
  const phase = observation.hasEtcdData && observation.apiAnswers ? 'k3s-joining' : 'k3s-starting'
  return wait(
    after,
    phase,
    { for: 'etcd members', have: voters, need: addresses.length, message: note },
    { say, steps },
  )
}

function describe({ observation }: SeenInput, voters: number, need: number): string {
  if (!unitAlive(observation)) return 'starting k3s'
  if (!observation.apiAnswers) return `k3s is ${observation.unit}: waiting for its API`
  if (voters === 0) return 'waiting for etcd'
  if (voters < need) return `etcd has ${voters} of ${need} voters`
  return observation.ready ? 'etcd lists another set than the team' : 'waiting for the control plane'
}

/** Nothing of k3s starts before the overlay's device is there. */
export function waitForOverlay(record: K3sRecord): K3sDecision {
  return wait(record, 'overlay', { for: 'overlay', message: 'waiting for the overlay network' })
}
