import { invariant } from '../model/invariant.ts'
import { assignmentOf } from '../model/plan.ts'
import type { K3sDecision, MemberList, Outcome } from './decision.ts'
import { halt, isDirty, progress, unitAlive, wait } from './decision.ts'
import type { K3sRecord } from './record.ts'
import { waitForOverlay } from './team.ts'
import type { SeenInput, UnitChange } from './unit.ts'
import { chooseServer, noteMembership, serversOf, toRole } from './unit.ts'

/** From `active` on: every node is what the newest plan says, and data follow etcd. */
export function runAssignment(input: SeenInput): K3sDecision {
  const { observation, plan } = input
  invariant(input.record !== undefined, 'an active node has a record')
  const record = noteMembership(input, input.record)
  const { caHash } = plan.body
  const foreign = [record.secrets?.caHash ?? '', observation.caHash].some(
    (hash) => hash !== '' && hash !== caHash,
  )
  if (foreign) return halt(record, 'CaMismatch', 'the CA on this machine is not the one of the plan')
  const assignment = assignmentOf(plan.body, input.self)
  if (assignment?.role === 'control-plane') return serve(input, record)
  const wasServer = record.role === 'server' || record.role === 'server-init'
  if (wasServer && isDirty(observation)) return leave(input, record)
  if (assignment === undefined) return retire(input, record)
  return work(input, record)
}

/** A server: resumes from its own disk without asking anybody, or joins as a new member. */
function serve(input: SeenInput, record: K3sRecord): K3sDecision {
  const { observation } = input
  const peers = alivePeers(input)
  if (record.secrets === null || record.secrets.serverPassword === '') {
    const message = 'asking the servers for the join secrets'
    return wait(
      record,
      'k3s-starting',
      { for: 'secrets', missing: peers, message },
      { needSecretsFrom: peers },
    )
  }
  if (observation.tombstone) return afterRemoval(input, record)
  let current = record
  const running = unitAlive(observation) && record.role !== 'agent'
  if (!observation.hasEtcdData && !running) {
    const turn = mayJoin(input, record)
    if (turn.blocked !== undefined) return turn.blocked
    current = turn.record
  }
  if (!input.overlayUp && !running) return waitForOverlay(record)
  const server = chooseServer(input, current, observation.hasEtcdData)
  if (server === '' && !observation.hasEtcdData) return waitForServers(current, input)
  const change = toRole(input, current, 'server', server)
  const removal = change.step ?? removeMember(input)
  const steps = removal === undefined ? [] : [removal]
  const say = listOf(input)
  if (observation.ready && running && change.outdated !== undefined) {
    return outdated(input, change, { steps, say })
  }
  return observation.ready && running
    ? progress(change.record, 'k3s-ready', 'the control plane is ready', { steps, say })
    : progress(change.record, observation.hasEtcdData ? 'k3s-joining' : 'k3s-starting', describe(input), {
        steps,
        say,
      })
}

/** Whether a server without data may join now: it is its turn, and etcd does not know it yet. */
function mayJoin(
  input: SeenInput,
  record: K3sRecord,
): { readonly record: K3sRecord; readonly blocked?: K3sDecision } {
  const { openChange } = input.plan.header
  const own = assignmentOf(input.plan.body, input.self)?.address4
  const member = absence(input, record)
  if ((record.memberId !== '' || record.stated) && member !== 'absent') {
    const { memberId } = record
    const halted = halt(record, 'EtcdDataLost', `etcd lists this node as ${memberId}, but its data are gone`)
    const lost = { generation: input.plan.header.generation, memberId }
    // What was not seen in a list may be no member any more, and needs no removal.
    return {
      record,
      blocked: memberId !== '' && member === 'present' ? { ...halted, say: { lost } } : halted,
    }
  }
  const lists = freshLists(input).flatMap((list) => list.members)
  if (lists.some((member) => member.address === own && member.name !== '')) {
    const message = 'etcd still lists a former member of this node'
    return { record, blocked: halt(record, 'EtcdNameTaken', message) }
  }
  const learner = lists.find((member) => member.learner && member.address !== own)
  const other = openChange !== null && openChange.node !== input.self ? openChange.node : learner?.address
  if (other !== undefined) {
    const message = 'waiting for the change of the control plane that is under way'
    return { record, blocked: wait(record, 'overlay', { for: 'open change', missing: [other], message }) }
  }
  const joined = record.memberId === '' && !record.stated && !record.initialised
  return { record: joined ? record : { ...record, memberId: '', stated: false, initialised: false } }
}

/** etcd removed this member: k3s would rejoin by itself, so it stays down until the plan is known. */
function afterRemoval(input: SeenInput, record: K3sRecord): K3sDecision {
  const reason = 'etcd removed this member'
  if (unitAlive(input.observation)) {
    return progress(record, 'stopped', `${reason}: stopping k3s`, { steps: [{ kind: 'stop' }] })
  }
  if (absence(input, record) === 'absent') return putAway(record, reason)
  return waitForList(input, record, `${reason}: waiting for the newest list of a server`)
}

/**
 * The role is gone. The data go when etcd has removed the member, and says so itself: k3s leaves a tombstone. The lists of others
 * do not show it, since a node whose addition was given up may have entered after they were read (S13).
 */
function leave(input: SeenInput, record: K3sRecord): K3sDecision {
  const { observation } = input
  const reason = 'this node is no longer a server'
  if (observation.tombstone) return afterRemoval(input, record)
  if (!observation.hasEtcdData) {
    return unitAlive(observation)
      ? progress(record, 'stopped', `${reason}: stopping k3s before it joins etcd`, {
          steps: [{ kind: 'stop' }],
        })
      : putAway(record, reason)
  }
  const assigned = assignmentOf(input.plan.body, input.self) !== undefined
  if (!assigned && absence(input, record) === 'absent') return putAway(record, reason)
  const note = 'no longer a server by the plan: serving until etcd has removed this member'
  const keep = assigned && record.secrets !== null
  if (keep && (input.overlayUp || unitAlive(observation))) {
    const change = toRole(input, record, 'server', chooseServer(input, record, true))
    const steps = change.step === undefined ? [] : [change.step]
    return waitForList(input, change.record, note, { steps, say: listOf(input) })
  }
  return waitForList(input, record, note)
}

function putAway(record: K3sRecord, reason: string): K3sDecision {
  return progress(record, 'k3s-starting', `${reason}: putting its data away`, {
    steps: [{ kind: 'clear', reason }],
  })
}

/** A worker: agent secret, then the agent. */
function work(input: SeenInput, record: K3sRecord): K3sDecision {
  const { observation } = input
  const peers = alivePeers(input)
  if (record.secrets === null) {
    const message = 'asking the servers for the join secret of workers'
    return wait(
      record,
      'k3s-starting',
      { for: 'secrets', missing: peers, message },
      { needSecretsFrom: peers },
    )
  }
  // A former server keeps no password that makes it an administrator of the cluster.
  const worker: K3sRecord =
    record.role === 'agent' && record.secrets.serverPassword === ''
      ? record
      : {
          ...record,
          secrets: { ...record.secrets, serverPassword: '' },
          initialised: false,
          stated: false,
          memberId: '',
        }
  if (!input.overlayUp && !unitAlive(observation)) return waitForOverlay(worker)
  const server = chooseServer(input, worker, observation.ready)
  if (server === '') return waitForServers(worker, input)
  const change = toRole(input, worker, 'agent', server)
  const { record: started, step } = change
  const steps = step === undefined ? [] : [step]
  if (observation.ready && unitAlive(observation) && change.outdated !== undefined) {
    return outdated(input, change, { steps })
  }
  return observation.ready && unitAlive(observation)
    ? progress(started, 'k3s-ready', 'registered with the control plane', { steps })
    : progress(started, 'k3s-joining', describe(input), { steps })
}

/** Well, but started with flags that the spec has changed since: it goes on until its turn comes. */
function outdated(input: SeenInput, change: UnitChange, outcome: Outcome): K3sDecision {
  const missing = (change.outdated ?? []).map((id) => assignmentOf(input.plan.body, id)?.name ?? id)
  const until = missing.length === 0 ? '' : ` after ${missing.join(', ')}`
  return wait(
    change.record,
    'k3s-outdated',
    { for: 'restart', missing, message: `ready with the flags of an older spec: restarts${until}` },
    outcome,
  )
}

/** The plan knows this node no longer. */
function retire(input: SeenInput, record: K3sRecord): K3sDecision {
  const steps = unitAlive(input.observation) ? [{ kind: 'stop' as const }] : []
  return progress(record, 'stopped', 'this node has no place in the plan', { steps })
}

/** Any other server carries out a removal; twice or late does no harm, since ids are never used again. */
function removeMember(input: SeenInput): K3sDecision['steps'][number] | undefined {
  const change = input.plan.header.openChange
  if (change?.kind !== 'remove' || change.node === input.self || change.etcdMemberId === '') return undefined
  const listed = input.observation.members?.some((member) => member.id === change.etcdMemberId) ?? false
  return listed ? { kind: 'remove-member', memberId: change.etcdMemberId } : undefined
}

/** Lists of current voters that knew at least this plan. */
function freshLists(input: SeenInput): readonly MemberList[] {
  const servers = serversOf(input.plan)
  return input.lists.filter((list) => {
    const from = servers.find((server) => server.nodeId === list.from)
    return (
      from !== undefined &&
      list.from !== input.self &&
      list.generation >= input.plan.header.generation &&
      list.members.some((member) => member.address === from.address4 && !member.learner)
    )
  })
}

/**
 * Whether etcd has let go of this node's member. `unknown` also while somebody holds a newer plan: that one
 * comes first.
 */
function absence(input: SeenInput, record: K3sRecord): 'absent' | 'present' | 'unknown' {
  const generation = input.plan.header.generation
  const lists = freshLists(input)
  if (lists.length === 0 || input.lists.some((list) => list.generation > generation)) return 'unknown'
  const own = assignmentOf(input.plan.body, input.self)?.address4
  const listed = lists.some((list) =>
    list.members.some((member) => member.id === record.memberId || member.address === own),
  )
  return listed ? 'present' : 'absent'
}

function alivePeers(input: SeenInput): readonly string[] {
  return serversOf(input.plan)
    .map((server) => server.nodeId)
    .filter((node) => node !== input.self && input.aliveNodes.includes(node))
}

function waitForServers(record: K3sRecord, input: SeenInput): K3sDecision {
  return wait(record, 'overlay', {
    for: 'servers',
    missing: serversOf(input.plan).map((server) => server.name),
    message: 'waiting for a server that answers',
  })
}

function waitForList(
  input: SeenInput,
  record: K3sRecord,
  message: string,
  outcome: Outcome = {},
): K3sDecision {
  const missing = serversOf(input.plan).map((server) => server.name)
  return wait(record, 'k3s-joining', { for: 'etcd members', missing, message }, outcome)
}

/** What this node's etcd lists, to be said under the plan. */
function listOf({ observation, plan }: SeenInput): K3sDecision['say'] {
  const { members } = observation
  return members === undefined ? {} : { members: { generation: plan.header.generation, members } }
}

function describe({ observation }: SeenInput): string {
  if (!unitAlive(observation)) return observation.unit === 'failed' ? 'starting k3s again' : 'starting k3s'
  if (!observation.apiAnswers) return `k3s is ${observation.unit}: waiting for its API`
  return 'waiting for the control plane'
}
