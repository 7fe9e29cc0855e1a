import type { K3sDecision, K3sInput } from './decision.ts'
import { expectedCa, halt, isDirty, progress, wait } from './decision.ts'
import type { K3sRecord } from './record.ts'
import { freshRecord } from './record.ts'
import { runAssignment } from './run.ts'
import { bootstrapTeam } from './team.ts'
import type { K3sObservation } from './types.ts'

/**
 * The bootstrap of k3s on one node, as a function of what is certified, what is remembered and what is there.
 * It is asked again after every change and every step; it holds nothing between two calls.
 *
 * ```
 *            no grant yet                        grant n (team)                         active
 *   ┌──────┐  ───────────  ┌─────────┐  initialiser: authority ─▶ init ─▶ stated ─┐   ┌────────────────┐
 *   │ none │ ────────────▶ │ waiting │  joiner: statement ─▶ secrets ─▶ earlier    ├─▶ │ server: resume │
 *   └──────┘               └─────────┘          members are voters ─▶ join ────────┘   │   join, leave  │
 *      ▲                        ▲                     │ etcd = team, API answers       │ worker: agent  │
 *      │                        │                     ▼                                └───────┬────────┘
 *      │                        │                  say ready                                   │
 *      │   clear (backup)       └── other team ── grant m > n, n never active                  │
 *      └─────────── role gone, and etcd has removed the member: a tombstone ◀──────────────────┘
 * ```
 *
 * Anything else on the disk (another cluster, another CA, an older grant that was active) halts the machine
 * and says so: data leave a disk only by one of the two arrows that clear (S13).
 */
export function decideK3s(input: K3sInput): K3sDecision {
  const decision = decideIdle(input)
  if (!input.busy || decision.steps.length === 0) return decision
  // One step at a time. The new record and the statements announce the step that they come with, so they
  // wait as well; only the secrets that arrived meanwhile are kept.
  return { ...decision, record: acceptSecrets(input).record, steps: [], say: {} }
}

function decideIdle(input: K3sInput): K3sDecision {
  const { observation, record } = input
  const { header } = input.plan
  if (observation === undefined) {
    return wait(record, 'chartered', { for: 'k3s', message: 'looking at what is on this machine' })
  }
  if (!observation.installed)
    return halt(record, 'K3sMissing', 'there is no k3s binary on this machine that runs')
  if (header.phase === 'dissolved') return dissolve(input, observation)
  if (header.grant === null) {
    const message = 'waiting for the voters to name the first servers'
    return wait(record, 'chartered', { for: 'grant', message })
  }
  if (record === undefined) {
    if (isDirty(observation)) {
      return halt(record, 'ForeignData', 'k3s is on this machine already, and not by this cluster')
    }
    return decideIdle({ ...input, record: freshRecord(header, header.grant.number) })
  }
  if (record.clusterId !== header.clusterId) {
    // A dissolved cluster's data were put away: what is left is a memory of a cluster that is no more.
    if (isClean(input, observation)) {
      return decideIdle({ ...input, record: freshRecord(header, header.grant.number) })
    }
    return halt(record, 'ForeignData', `the k3s data are of cluster ${record.clusterId}`)
  }
  if (record.grant !== header.grant.number) {
    return supersede(input, record, observation, header.grant.number)
  }
  const known = { ...acceptSecrets(input), observation }
  return header.phase === 'active' ? runAssignment(known) : bootstrapTeam(known)
}

/** Whether nothing of k3s is here. While a step is carried out nobody knows: it may start what the disk does not show yet. */
function isClean({ busy }: K3sInput, observation: K3sObservation): boolean {
  return !busy && !isDirty(observation) && observation.configured === ''
}

/** The data of an older grant leave the disk if that grant never became active (S4, S13). */
function supersede(
  input: K3sInput,
  record: K3sRecord,
  observation: K3sObservation,
  grant: number,
): K3sDecision {
  if (record.grant > grant || input.activeGrants.includes(record.grant)) {
    const message = `the k3s data are of grant ${record.grant}, the plan is of grant ${grant}`
    return halt(record, 'ForeignData', message)
  }
  if (!isClean(input, observation)) {
    const reason = `grant ${record.grant} was revoked`
    return progress(record, 'k3s-starting', `${reason}: putting its data away`, {
      steps: [{ kind: 'clear', reason }],
    })
  }
  return decideIdle({ ...input, record: freshRecord(input.plan.header, grant) })
}

/** A dissolved cluster has nothing of value: its data are put away, then the record is forgotten. */
function dissolve(input: K3sInput, observation: K3sObservation): K3sDecision {
  const reason = 'this cluster was dissolved into another one'
  const mine = input.record?.clusterId === input.plan.header.clusterId
  if (mine && !isClean(input, observation)) {
    return progress(input.record, 'stopped', reason, { steps: [{ kind: 'clear', reason }] })
  }
  return progress(mine ? undefined : input.record, 'stopped', reason)
}

/**
 * Secrets are taken for this grant only, and for the one CA that is certified or stated (S5). The
 * initialiser's own come from `make-authority`, before there is any statement; as long as it has not stated
 * them, newer ones (the first were lost with the disk) take their place.
 */
function acceptSecrets(input: K3sInput): K3sInput & { readonly record: K3sRecord | undefined } {
  const { record, secrets, self } = input
  const { grant, phase } = input.plan.header
  if (record === undefined || secrets === undefined || secrets.grant !== record.grant) return input
  if (record.grant !== grant?.number) return input
  const offered = secrets.secrets
  const held = record.secrets
  const taken: typeof input = { ...input, record: { ...record, secrets: offered } }
  if (phase === 'granted' && grant.team[0] === self) {
    return held === null || (!record.stated && held.caHash !== offered.caHash) ? taken : input
  }
  if (expectedCa(input) !== offered.caHash) return input
  if (held === null) return taken
  const promoted = held.serverPassword === '' && offered.serverPassword !== ''
  return promoted ? taken : input
}
