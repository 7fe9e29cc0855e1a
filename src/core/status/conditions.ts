import { fullMeshMax } from '../membership/contacts.ts'
import { shortId } from '../model/ids.ts'
import {
  departed,
  addressFree,
  bootstrapAgreed,
  bootstrapWords,
  hostnameUnique,
  specAgreed,
} from './agreement.ts'
import type { ConditionDraft } from './condition-log.ts'
import type { StatusInput } from './types.ts'
import { autoCaveat } from './why.ts'
import { counted, listed, namesOf } from './words.ts'

/** All conditions of a node, in the order in which a node meets them. */
export function conditionsOf(input: StatusInput): readonly ConditionDraft[] {
  return [
    identityTrusted(input),
    ...departed(input),
    peersFound(input),
    peersTrusted(input),
    hostnameUnique(input),
    specAgreed(input),
    bootstrapAgreed(input),
    chartered(input),
    noFork(input),
    addressFree(input),
    votersQuorum(input),
    clusterActive(input),
    overlayReady(input),
    k3sInstalled(input),
    etcdQuorum(input),
    k3sReady(input),
  ]
}

function draft(
  type: string,
  status: ConditionDraft['status'],
  reason: string,
  message: string,
  hint = '',
): ConditionDraft {
  return { type, status, reason, message, hint }
}

function identityTrusted({ quarantine }: StatusInput): ConditionDraft {
  return quarantine === undefined
    ? draft(
        'IdentityTrusted',
        'true',
        'Trusted',
        "This node's key belongs to this machine alone, as far as anybody knows.",
      )
    : { type: 'IdentityTrusted', status: 'false', ...quarantine }
}

function peersFound(input: StatusInput): ConditionDraft {
  const { connected, linkUp, view } = input
  const others = view.members.filter(({ record }) => record.nodeId !== input.self)
  const known = others.length
  if (connected.length > 0) {
    // In a large network nobody is connected to everybody, and nothing is wrong with that.
    const apart = others
      .filter(({ record, liveness }) => liveness !== 'left' && !connected.includes(record.nodeId))
      .map(({ record }) => namesOf(input)(record.nodeId))
    const named = apart.length > 0 && view.members.length <= fullMeshMax
    const without = named ? `; no connection to ${listed(apart)}` : ''
    return draft(
      'PeersFound',
      'true',
      'Connected',
      `Connected to ${connected.length} of ${counted(known, 'known peer')}${without}.`,
    )
  }
  if (input.bootstrap.mode === 'expect' && input.bootstrap.expect === 1 && known === 0) {
    return draft('PeersFound', 'true', 'Single', 'This machine is told to start alone.')
  }
  if (!linkUp) {
    return draft(
      'PeersFound',
      'false',
      'NoLink',
      'No network link is up.',
      'Check the cable, the switch port and the address of this machine.',
    )
  }
  return draft(
    'PeersFound',
    'false',
    known === 0 ? 'Alone' : 'Disconnected',
    known === 0
      ? 'No machine with the same network token was found yet.'
      : `None of ${counted(known, 'known peer')} can be reached.`,
    'Is the token equal everywhere, is multicast or a static peer available, and does the firewall let the port through?',
  )
}

function peersTrusted(input: StatusInput): ConditionDraft {
  const { refused } = input
  if (refused.length === 0) return draft('PeersTrusted', 'true', 'NoneRefused', 'Nobody was turned away.')
  const name = namesOf(input)
  const lines = refused.map(
    ({ peer, address, code, detail }) =>
      `${peer === undefined ? address : name(peer)}: ${code}${detail === '' ? '' : `, ${detail}`}`,
  )
  const codes = new Set(refused.map((one) => one.code))
  const hint = codes.has('ForeignNetwork')
    ? 'A machine with another token is near. If it should join, give it this network token.'
    : codes.has('ProtocolVersion')
      ? 'Update muster on the older machines.'
      : 'Look at the machines named; they misbehave or are not admitted.'
  return draft(
    'PeersTrusted',
    'false',
    refused[0]?.code ?? 'Refused',
    `Turned away ${counted(refused.length, 'peer')}: ${listed(lines, 3)}.`,
    hint,
  )
}

function chartered(input: StatusInput): ConditionDraft {
  const { plan, consensus } = input
  if (plan !== undefined) {
    const { clusterId, generation } = plan.plan.header
    return draft(
      'Chartered',
      'true',
      'Certified',
      `Cluster ${clusterId.slice(0, 8)} exists; this node holds generation ${generation}.`,
    )
  }
  const crowd = tooMany(input)
  if (crowd !== undefined) return crowd
  if (input.charterRefused !== undefined)
    return { type: 'Chartered', status: 'false', ...input.charterRefused }
  const [refusal] = consensus.refusals
  if (refusal !== undefined) {
    return draft(
      'Chartered',
      'false',
      refusal.reason,
      `${namesOf(input)(refusal.voter)} does not vote: ${refusal.message}.`,
      refusal.reason === 'TooManyIdentities'
        ? 'More machines have this token than the setting promised: correct `expect` on all of them.'
        : '',
    )
  }
  // A bet is told while it is on, in `status` as well: afterwards it is too late to declare a number.
  return input.bootstrap.mode === 'auto'
    ? draft('Chartered', 'false', 'Bet', autoCaveat)
    : draft('Chartered', 'false', 'Waiting', 'The machines have not agreed on a cluster yet.')
}

/** Two groups of `need` machines each could decide apart: then this node does not vote (protocol 2.3). */
function tooMany(input: StatusInput): ConditionDraft | undefined {
  const { bootstrap, identitiesSeen } = input
  if (bootstrap.mode !== 'expect' || identitiesSeen < 2 * bootstrap.expect) return undefined
  const names = input.view.members.map(({ record }) => namesOf(input)(record.nodeId))
  return draft(
    'Chartered',
    'false',
    'TooManyIdentities',
    `${bootstrapWords(bootstrap)} is set, but ${identitiesSeen} identities with this token were seen (now: ${listed(names)}): two clusters could be made, so this node does not vote.`,
    'Correct the number on all machines, or reset the state of machines that were tried before.',
  )
}

function noFork(input: StatusInput): ConditionDraft {
  const { fork, plan } = input
  if (fork === undefined)
    return draft('NoFork', 'true', 'OneCluster', 'No other cluster of this network is known.')
  const name = namesOf(input)
  const mine = plan?.plan.header.clusterId.slice(0, 8) ?? 'none'
  return draft(
    'NoFork',
    'false',
    'TwoClusters',
    `Two clusters have this network token: ${mine} (ours) and ${fork.clusterId.slice(0, 8)}, signed by ${listed(fork.signers.map(name))}.`,
    'Nothing is stopped or wiped. Decide with `muster heal --keep <charter> --drop <charter>`.',
  )
}

function votersQuorum(input: StatusInput): ConditionDraft {
  if (input.plan === undefined)
    return draft('VotersQuorum', 'unknown', 'NoPlan', 'There are no voters before the charter.')
  const { voters } = input.plan.plan.header
  const alive = aliveAmong(input, voters)
  const need = Math.floor(voters.length / 2) + 1
  const absent = voters.filter((id) => !alive.has(id)).map(namesOf(input))
  return alive.size >= need
    ? draft(
        'VotersQuorum',
        'true',
        absent.length === 0 ? 'AllAlive' : 'Majority',
        `${alive.size} of ${counted(voters.length, 'voter')} alive${absent.length === 0 ? '' : `; not heard: ${listed(absent)}`}.`,
      )
    : draft(
        'VotersQuorum',
        'false',
        'NoMajority',
        `Only ${alive.size} of ${voters.length} voters alive, ${need} needed; not heard: ${listed(absent)}. k3s runs on, but no plan can change.`,
        'Bring one of them back, or run `muster recover --plan-only` if they are gone for good.',
      )
}

function aliveAmong(input: StatusInput, ids: readonly string[]): ReadonlySet<string> {
  const alive = new Set(
    input.view.members.filter(({ liveness }) => liveness === 'alive').map(({ record }) => record.nodeId),
  )
  return new Set(ids.filter((id) => id === input.self || alive.has(id)))
}

function clusterActive(input: StatusInput): ConditionDraft {
  const header = input.plan?.plan.header
  if (header === undefined) return draft('ClusterActive', 'unknown', 'NoPlan', 'There is no plan yet.')
  if (header.phase === 'active')
    return draft('ClusterActive', 'true', 'Active', 'The k3s cluster is made and open to all its nodes.')
  if (header.phase === 'dissolved') {
    return draft(
      'ClusterActive',
      'false',
      'Dissolved',
      'This charter was given up in favour of another cluster.',
    )
  }
  const initialiser = header.grant?.team[0]
  return initialiser === undefined
    ? draft(
        'ClusterActive',
        'false',
        'NotGranted',
        input.plannerReasons[0] ?? 'No machine has leave to make the k3s cluster yet.',
      )
    : draft(
        'ClusterActive',
        'false',
        'Initialising',
        `${namesOf(input)(initialiser)} makes the k3s cluster (grant ${header.grant?.number}).`,
      )
}

function overlayReady({ overlay, plan, self }: StatusInput): ConditionDraft {
  if (overlay === undefined)
    return draft('OverlayReady', 'unknown', 'NotStarted', 'The overlay has not been started.')
  const addressed = plan?.plan.body.assignments.some((one) => one.nodeId === self) === true
  if (!overlay.up && !addressed)
    return draft(
      'OverlayReady',
      'unknown',
      'NoAddress',
      'The overlay comes up when this node has an address.',
    )
  return overlay.up
    ? draft(
        'OverlayReady',
        'true',
        'Up',
        `${overlay.device} has ${overlay.address4}, with ${counted(overlay.peers.length, 'peer')}.`,
      )
    : draft(
        'OverlayReady',
        'false',
        'Down',
        `The overlay is down: ${overlay.detail === '' ? 'it is being set up' : overlay.detail}.`,
        overlay.detail === '' ? '' : 'The agent needs /dev/net/tun and the right to make network devices.',
      )
}

function k3sInstalled({ k3s }: StatusInput): ConditionDraft {
  if (k3s === undefined)
    return draft('K3sInstalled', 'unknown', 'NotObserved', 'k3s has not been looked for yet.')
  return k3s.installed
    ? draft('K3sInstalled', 'true', 'Installed', `k3s ${k3s.version} is installed.`)
    : draft(
        'K3sInstalled',
        'false',
        'Missing',
        'There is no k3s binary on this machine that runs.',
        'Install k3s, or boot an image that has it.',
      )
}

function etcdQuorum(input: StatusInput): ConditionDraft {
  const { plan, k3s } = input
  if (plan === undefined || plan.plan.header.phase !== 'active') {
    return draft('EtcdQuorum', 'unknown', 'NotActive', 'etcd has no members before the cluster is active.')
  }
  const servers = plan.plan.body.assignments.filter((one) => one.role === 'control-plane')
  if (servers.some((one) => one.nodeId === input.self) && k3s !== undefined && k3s.members !== undefined) {
    return draft(
      'EtcdQuorum',
      'true',
      'Listed',
      `etcd answers with ${counted(k3s.members.length, 'member')}.`,
    )
  }
  const alive = aliveAmong(
    input,
    servers.map((one) => one.nodeId),
  )
  const absent = servers.filter((one) => !alive.has(one.nodeId)).map((one) => one.name)
  return alive.size > servers.length / 2
    ? draft(
        'EtcdQuorum',
        'true',
        'ServersAlive',
        `${alive.size} of ${counted(servers.length, 'server')} alive.`,
      )
    : draft(
        'EtcdQuorum',
        'false',
        'NoQuorum',
        `Only ${alive.size} of ${servers.length} servers alive; not heard: ${listed(absent)}. The Kubernetes API cannot answer.`,
        'Bring one of them back. If they are gone for good, run `muster recover`.',
      )
}

function k3sReady(input: StatusInput): ConditionDraft {
  const { k3s, plan, self } = input
  if (k3s === undefined) return draft('K3sReady', 'unknown', 'NotObserved', 'k3s has not been looked at yet.')
  if (k3s.ready) return draft('K3sReady', 'true', 'Ready', `k3s ${k3s.version} is ready.`)
  if (k3s.unit === 'failed') {
    return draft(
      'K3sReady',
      'false',
      'Failed',
      `k3s has failed: ${k3s.detail}.`,
      '`journalctl -u k3s` has the whole story; it is started again.',
    )
  }
  if (k3s.tombstone) {
    return draft(
      'K3sReady',
      'false',
      'MemberRemoved',
      `etcd removed the member of ${shortId(self)} for good; it joins again under the newest plan.`,
    )
  }
  const role = plan?.plan.body.assignments.find((one) => one.nodeId === self)?.role
  return role === undefined
    ? draft('K3sReady', 'unknown', 'NoRole', 'k3s does not start before this node has a role.')
    : draft(
        'K3sReady',
        'false',
        k3s.unit === 'running' || k3s.unit === 'starting' ? 'Starting' : 'NotStarted',
        `k3s is ${k3s.unit} as ${role}${k3s.detail === '' ? '' : `: ${k3s.detail}`}.`,
      )
}
