// Proves that the status names what is wrong, who is missing and what to do, from hand-made moments of a node's
// way, and that the beginning of a condition does not move while its status stays.
import { describe, expect, it } from 'vitest'

import type { K3sObservation } from '../../../src/core/k3s/types.ts'
import type { Condition } from '../../../src/core/model/condition.ts'
import type { MemberRecord, MembershipView } from '../../../src/core/model/member.ts'
import type { BootstrapSetting } from '../../../src/core/model/spec.ts'
import type { OverlayState } from '../../../src/core/overlay/intent.ts'
import { buildStatus } from '../../../src/core/status/build-status.ts'
import { ConditionLog } from '../../../src/core/status/condition-log.ts'
import type { NodeStatus, StatusInput } from '../../../src/core/status/types.ts'
import { autoCaveat, why } from '../../../src/core/status/why.ts'
import { Site, networkId, node, nodes } from '../planner/site.ts'

const overlay: OverlayState = {
  up: true,
  device: 'muster0',
  address4: '10.144.1.2',
  address6: 'fd12::2',
  mtu: 1_280,
  detail: '',
  peers: [],
}

const k3s: K3sObservation = {
  installed: true,
  version: 'v1.36.3+k3s1',
  unit: 'running',
  detail: '',
  apiAnswers: true,
  ready: true,
  hasEtcdData: true,
  tombstone: false,
  caHash: '',
  configured: '',
  access: '',
  members: undefined,
}

function inputOf(site: Site, change: Partial<StatusInput> = {}): StatusInput {
  const { plan } = site
  return {
    now: site.now,
    networkName: 'site',
    networkId,
    self: node(1),
    view: site.view(),
    bootstrap: { mode: 'expect', expect: 3 },
    identitiesSeen: site.view().members.length,
    linkUp: true,
    connected: nodes(2, 2),
    refused: [],
    quarantine: undefined,
    plan: plan === undefined ? undefined : site.certified(),
    planHash: '',
    plannerReasons: [],
    charterRefused: undefined,
    consensus: {
      leader: undefined,
      ballot: undefined,
      have: 0,
      need: 0,
      missing: [],
      refusals: [],
      retryAt: undefined,
    },
    birth: undefined,
    following: [],
    voteCheck: undefined,
    discoveryAt: undefined,
    fork: undefined,
    overlay,
    k3s,
    settleAt: undefined,
    ...change,
  }
}

function statusOf(input: StatusInput): NodeStatus {
  return buildStatus(input, new ConditionLog())
}

function condition(input: StatusInput, type: string): Condition | undefined {
  return statusOf(input).conditions.find((one) => one.type === type)
}

/** The view with part of one member's record said otherwise. */
function edited(view: MembershipView, id: string, change: Partial<MemberRecord>): MembershipView {
  return {
    ...view,
    members: view.members.map((member) =>
      member.record.nodeId === id ? { ...member, record: { ...member.record, ...change } } : member,
    ),
  }
}

/** The view of machines that all have this bootstrap setting. */
function agreed(view: MembershipView, bootstrap: BootstrapSetting): MembershipView {
  return view.members.reduce((all, { record }) => edited(all, record.nodeId, { bootstrap }), view)
}

/** A site whose cluster is active. */
function running(machines = 3): Site {
  const site = new Site(machines).born()
  site.settle()
  return site
}

describe('phase', () => {
  const idle = { overlay: undefined, k3s: undefined }

  it('follows the way of the data', () => {
    const young = new Site(1)
    expect(statusOf(inputOf(young, { ...idle, connected: [] })).phase).toBe('discovery')
    expect(statusOf(inputOf(young, { ...idle, connected: [node(2)] })).phase).toBe('membership')
    expect(statusOf(inputOf(new Site(3), idle)).phase).toBe('plan')
    const site = running()
    expect(statusOf(inputOf(site, idle)).phase).toBe('overlay')
    expect(statusOf(inputOf(site, { k3s: { ...k3s, installed: false } })).phase).toBe('install')
    expect(statusOf(inputOf(site, { k3s: { ...k3s, ready: false } }))).toMatchObject({
      phase: 'k3s',
      ready: false,
    })
    expect(statusOf(inputOf(site))).toMatchObject({ phase: 'k3s', ready: true, waiting: [] })
  })
})

describe('waits', () => {
  it('count the machines, name those who fell silent, and say how many were never heard of', () => {
    const site = new Site(3)
    site.set(node(2), { liveness: 'suspect' })
    const bootstrap = { mode: 'expect', expect: 5 } as const
    const [wait] = statusOf(inputOf(site, { bootstrap, discoveryAt: site.now + 900 })).waiting
    expect(wait).toMatchObject({ for: 'machines', have: 2, need: 5, retryAt: site.now + 900 })
    expect(wait?.missing).toEqual([expect.stringContaining('host-'), '2 unknown'])
    expect(wait?.message).toMatch(
      /^Waiting for machines \(expect: 5\): 2 of 5 are here; not heard now: host-.*; 2 never heard of\.$/,
    )
  })

  it('tell a machine that was found from one that was never heard of', () => {
    const input = inputOf(new Site(3), { bootstrap: { mode: 'expect', expect: 5 }, identitiesSeen: 4 })
    expect(statusOf(input).waiting[0]?.message).toMatch(
      /3 of 5 are here; 1 found, but not talked to.*; 1 never heard of/,
    )
  })

  it('name a machine that is here and does not count, because its settings differ', () => {
    const site = new Site(3)
    const own = agreed(site.view(), { mode: 'expect', expect: 3 })
    const view = edited(own, node(3), { specHash: '22'.repeat(32) })
    const birth = { for: 'machines', have: 2, need: 3, missing: [], message: '' }
    const [wait] = statusOf(inputOf(site, { view, birth })).waiting
    expect(wait?.message).toMatch(/2 of 3 are here; here, but with other settings: host-/)
    expect(wait?.missing).toEqual([expect.stringContaining('host-')])
  })

  it('name who was named by `voters` and is unknown', () => {
    const bootstrap = { mode: 'voters', voters: nodes(4, 2) } as const
    const [wait] = statusOf(inputOf(new Site(1), { bootstrap })).waiting
    expect(wait?.missing).toEqual(nodes(4, 2).map((id) => id.slice(-8)))
  })

  it('are never empty before the charter: the proposal is awaited by name', () => {
    const consensus = { ...inputOf(new Site(3)).consensus, leader: node(2), retryAt: 4_000 }
    expect(statusOf(inputOf(new Site(3), { consensus })).waiting).toMatchObject([
      { for: 'charter', retryAt: 4_000, message: expect.stringMatching(/waiting for host-.* to propose/) },
    ])
  })

  it('name the operator where only the operator can help', () => {
    const charterRefused = { reason: 'TooManyIdentities', message: '6 machines are known', hint: '' }
    expect(statusOf(inputOf(new Site(3), { charterRefused })).waiting).toMatchObject([
      { for: 'operator', message: '6 machines are known.' },
    ])
  })

  it('name the voters that have to confirm a cluster that was heard of', () => {
    const following = [
      { clusterId: 'ee'.repeat(16), generation: 7, have: [node(1)], need: 2, missing: nodes(2, 2) },
    ]
    const [wait] = statusOf(inputOf(new Site(3), { following })).waiting
    expect(wait).toMatchObject({ for: 'voters', have: 1, need: 2 })
    expect(wait?.message).toMatch(/Cluster eeeeeeee .*generation 7.*not heard: host-/)
  })

  it('say that a restarted voter has to be vouched for', () => {
    const voteCheck = { have: 0, need: 1 }
    expect(statusOf(inputOf(running(), { voteCheck })).waiting).toMatchObject([
      { for: 'vote check', have: 0, need: 1, message: expect.stringContaining('1 other voter said') },
    ])
  })

  it('count votes, and name who refuses and why', () => {
    const site = new Site(3)
    const consensus = {
      leader: node(1),
      ballot: { number: 4, proposer: node(1) },
      have: 1,
      need: 3,
      missing: [node(3)],
      refusals: [{ voter: node(2), reason: 'HigherPromise', message: 'it promised ballot 5' }],
      retryAt: site.now + 2_000,
    }
    const [wait] = statusOf(inputOf(site, { consensus })).waiting
    expect(wait).toMatchObject({ for: 'votes', have: 1, need: 3, retryAt: site.now + 2_000 })
    expect(wait?.message).toMatch(/HigherPromise.*no answer from host-/)
  })

  it('name the initialiser with its progress', () => {
    const site = new Site(4).born()
    const granted = site.next()
    if (granted.kind !== 'propose') throw new Error('no grant')
    site.certify(granted.plan)
    const initialiser = site.chain().grant?.team[0] as string
    const view = edited(site.view(), initialiser, { phase: 'k3s-starting', note: 'etcd elects itself' })
    const outsider = nodes(4).find((id) => !site.servers().includes(id)) as string
    const status = statusOf(inputOf(site, { view, self: outsider, k3s: { ...k3s, ready: false } }))
    expect(status.phase).toBe('plan')
    expect(status.waiting).toMatchObject([
      { for: 'initialiser', message: expect.stringContaining('k3s-starting, etcd elects itself') },
    ])
  })

  it('name the servers that a first server waits for', () => {
    const site = new Site(4).born()
    const granted = site.next()
    if (granted.kind !== 'propose') throw new Error('no grant')
    site.certify(granted.plan)
    const team = site.chain().grant?.team ?? []
    const [initialiser = '', ...others] = team
    const own = edited(site.view(), initialiser, { phase: 'k3s-joining', note: 'etcd has 1 of 3 voters' })
    const { waiting } = statusOf(inputOf(site, { view: own, self: initialiser }))
    expect(waiting).toMatchObject([{ for: 'first servers', have: 1, need: team.length }])
    expect(waiting[0]?.missing).toHaveLength(others.length)
    expect(waiting[0]?.message).toContain('etcd has 1 of 3 voters')
    const all = others.reduce((view, id) => edited(view, id, { phase: 'k3s-joining' }), own)
    expect(statusOf(inputOf(site, { view: all, self: initialiser })).waiting).toMatchObject([
      { for: 'first servers', have: team.length, missing: [], message: expect.stringMatching(/certified/) },
    ])
  })

  it('name the voters that are missing', () => {
    const site = running()
    site.set(node(2), { liveness: 'dead' })
    site.set(node(3), { liveness: 'dead' })
    const status = statusOf(inputOf(site))
    expect(status.waiting).toMatchObject([{ for: 'voters', have: 1, need: 2 }])
    expect(why(status, 0)[0]).toMatch(/^VotersQuorum: .*recover --plan-only/)
  })

  it('name the restart that new flags wait for', () => {
    const site = running()
    const note = 'ready with the flags of an older spec: restarts after h1'
    const view = edited(site.view(), node(1), { phase: 'k3s-outdated', note })
    expect(statusOf(inputOf(site, { view })).waiting).toMatchObject([
      { for: 'restart', message: `k3s is ${note}.` },
    ])
  })

  it('name the change of etcd that is under way', () => {
    const site = running(4)
    site.kill(site.servers().find((id) => id !== node(1)) as string)
    site.report()
    const planned = site.next()
    if (planned.kind !== 'propose') throw new Error('no removal')
    site.certify(planned.plan)
    expect(statusOf(inputOf(site)).waiting.map((wait) => wait.for)).toContain('etcd members')
  })
})

describe('conditions', () => {
  const site = new Site(3)

  it.each<[string, string, string, Partial<StatusInput>, RegExp]>([
    ['PeersFound', 'false', 'NoLink', { linkUp: false, connected: [] }, /link/],
    ['PeersFound', 'false', 'Disconnected', { connected: [] }, /None of 2 known peers/],
    ['PeersFound', 'true', 'Connected', {}, /^Connected to 2 of 2 known peers\.$/],
    [
      'PeersFound',
      'true',
      'Connected',
      { connected: [node(2)] },
      /^Connected to 1 of 2 known peers; no connection to .+\.$/,
    ],
    [
      'PeersTrusted',
      'false',
      'ForeignNetwork',
      { refused: [{ peer: undefined, address: '/ip4/10.0.0.9', code: 'ForeignNetwork', detail: '' }] },
      /10\.0\.0\.9: ForeignNetwork/,
    ],
    [
      'PeersTrusted',
      'false',
      'ProtocolVersion',
      { refused: [{ peer: node(2), address: '', code: 'ProtocolVersion', detail: '1, not 2' }] },
      /host-\S+ \(\S+\): ProtocolVersion, 1, not 2/,
    ],
    [
      'PeersTrusted',
      'false',
      'Equivocation',
      { refused: [{ peer: node(2), address: '', code: 'Equivocation', detail: 'two votes in one ballot' }] },
      /host-\S+ \(\S+\): Equivocation, two votes in one ballot/,
    ],
    [
      'IdentityTrusted',
      'false',
      'HardwareDiffers',
      { quarantine: { reason: 'HardwareDiffers', message: 'another board', hint: 'wait' } },
      /another board/,
    ],
    [
      'AddressFree',
      'false',
      'AddressOverlap',
      { charterRefused: { reason: 'AddressOverlap', message: 'overlaps 10.144.7.0/24', hint: 'change' } },
      /10\.144\.7/,
    ],
    ['Chartered', 'false', 'TooManyIdentities', { identitiesSeen: 6 }, /6 identities.*does not vote/],
    [
      'NoFork',
      'false',
      'TwoClusters',
      { fork: { clusterId: 'dd'.repeat(16), signers: [node(2)] } },
      /dddddddd/,
    ],
    [
      'OverlayReady',
      'unknown',
      'NoAddress',
      { overlay: { ...overlay, up: false, detail: 'waiting for an address' } },
      /when this node has an address/,
    ],
    [
      'OverlayReady',
      'false',
      'Down',
      {
        plan: running().certified(),
        overlay: { ...overlay, up: false, detail: 'no /dev/net/tun' },
      },
      /tun/,
    ],
    ['K3sInstalled', 'false', 'Missing', { k3s: { ...k3s, installed: false } }, /no k3s binary/],
    [
      'K3sReady',
      'false',
      'Failed',
      { k3s: { ...k3s, ready: false, unit: 'failed', detail: 'port 6443 is taken' } },
      /port 6443/,
    ],
  ])('%s is %s for %s', (type, status, reason, change, words) => {
    const found = condition(inputOf(site, change), type)
    expect(found).toMatchObject({ status, reason })
    expect(found?.message).toMatch(words)
  })

  it('do not blame the addresses for another refusal of the charter', () => {
    const charterRefused = { reason: 'TooManyIdentities', message: 'too many', hint: '' }
    expect(condition(inputOf(site, { charterRefused }), 'AddressFree')?.status).toBe('unknown')
    expect(condition(inputOf(site, { charterRefused }), 'Chartered')?.reason).toBe('TooManyIdentities')
  })

  it('name the keys that differ, and on which machines', () => {
    const view = edited(
      edited(site.view(), node(1), { specKeys: { controlPlane: 'a', k3s: 'x' } }),
      node(2),
      {
        specHash: '11'.repeat(32),
        specKeys: { controlPlane: 'b', k3s: 'x' },
      },
    )
    const found = condition(inputOf(site, { view }), 'SpecAgreed')
    expect(found).toMatchObject({ status: 'false', reason: 'SpecDiffers' })
    expect(found?.message).toMatch(/controlPlane on host-/)
    expect(found?.message).not.toMatch(/k3s on/)
  })

  it('name both bootstrap settings that differ', () => {
    const view = edited(site.view(), node(2), { bootstrap: { mode: 'expect', expect: 5 } })
    const all = edited(view, node(3), { bootstrap: { mode: 'expect', expect: 3 } })
    const found = condition(inputOf(site, { view: all }), 'BootstrapAgreed')
    expect(found?.message).toMatch(/expect: 3, but host-.* has expect: 5/)
  })

  it('name the shared hostname and the name that the plan found instead', () => {
    const twins = new Site(2, {}, () => ({ hostname: 'kairos' })).born()
    const found = condition(inputOf(twins), 'HostnameUnique')
    expect(found).toMatchObject({ status: 'false', reason: 'HostnameShared' })
    expect(found?.message).toMatch(/this one is kairos-[a-z0-9]{8}/)
  })
})

describe('since', () => {
  it('stays while a status stays, and moves when it changes', () => {
    const site = new Site(3)
    const log = new ConditionLog()
    const sinceAt = (now: number, connected: readonly string[]): number | undefined =>
      buildStatus(inputOf(site, { now, connected }), log).conditions.find((one) => one.type === 'PeersFound')
        ?.since
    expect(sinceAt(10, [node(2)])).toBe(10)
    expect(sinceAt(20, [node(2), node(3)])).toBe(10)
    expect(sinceAt(30, [])).toBe(30)
    expect(sinceAt(40, [node(2)])).toBe(40)
  })

  it('starts again for a wait that ended and came back', () => {
    const log = new ConditionLog()
    const wait = { for: 'votes', have: 0, need: 1, missing: [], retryAt: undefined, message: '' }
    expect(log.stampWaits([wait], 10)[0]?.since).toBe(10)
    expect(log.stampWaits([wait], 20)[0]?.since).toBe(10)
    log.stampWaits([], 30)
    expect(log.stampWaits([wait], 40)[0]?.since).toBe(40)
  })
})

describe('why', () => {
  it('has nothing to say of a node that has come all the way', () => {
    expect(why(statusOf(inputOf(running())), 0)).toEqual(['Nothing: this node has come all the way.'])
  })

  it('puts the gravest first and says each thing once', () => {
    const charterRefused = { reason: 'AddressOverlap', message: 'overlaps.', hint: 'Change it.' }
    const quarantine = { reason: 'HardwareDiffers', message: 'another board.', hint: 'Wait.' }
    const lines = why(statusOf(inputOf(new Site(3), { charterRefused, quarantine })), 0)
    expect(lines.slice(0, 2)).toEqual([
      'IdentityTrusted: another board. Wait.',
      'AddressFree: overlaps. Change it.',
    ])
    expect(lines.filter((line) => line.startsWith('AddressFree'))).toHaveLength(1)
  })

  it('puts the true wait first before the charter, with its times, and blames nothing that is not due', () => {
    const bootstrap = { mode: 'expect', expect: 5 } as const
    const input = inputOf(new Site(3), {
      bootstrap,
      view: agreed(new Site(3).view(), bootstrap),
      connected: [],
      overlay: { ...overlay, up: false, detail: 'waiting for an address' },
      k3s: { ...k3s, installed: false, ready: false },
    })
    const log = new ConditionLog()
    buildStatus({ ...input, now: 1_000 }, log)
    const lines = why(buildStatus({ ...input, now: 61_000, discoveryAt: 62_000 }, log), 61_000)
    expect(lines[0]).toMatch(
      /^Waiting for machines .*2 never heard of\. \(for 60 s, next try in 1 s\) Are they switched on/,
    )
    expect(lines[1]).toMatch(/^PeersFound: /)
    expect(lines.join(' ')).not.toMatch(/OverlayReady|K3sInstalled|tun/)
  })

  it('says what auto does not promise, until the charter is made', () => {
    const auto = { bootstrap: { mode: 'auto' } } as const
    const lines = why(statusOf(inputOf(new Site(3), auto)), 0)
    expect(lines.at(-1)).toBe(autoCaveat)
    expect(lines.filter((line) => line.includes('bet'))).toHaveLength(1)
    expect(condition(inputOf(new Site(3), auto), 'Chartered')).toMatchObject({
      status: 'false',
      reason: 'Bet',
      message: autoCaveat,
    })
    expect(why(statusOf(inputOf(running(), auto)), 0)).not.toContain(autoCaveat)
  })
})

describe('a node that leaves', () => {
  it('waits to be retired, and says when it is out', () => {
    const site = running(4)
    const view = edited(site.view(), node(4), { left: true })
    const leaving = statusOf(inputOf(site, { self: node(4), view }))
    expect(leaving.waiting[0]).toMatchObject({ for: 'departure' })
    expect(leaving.conditions.find(({ type }) => type === 'Departed')?.status).toBe('false')
    const { plan } = site.certified()
    const body = { ...plan.body, assignments: plan.body.assignments.filter((one) => one.nodeId !== node(4)) }
    const out = statusOf(
      inputOf(site, { self: node(4), view, plan: { ...site.certified(), plan: { ...plan, body } } }),
    )
    expect(out.waiting).toEqual([])
    expect(out.conditions.find(({ type }) => type === 'Departed')).toMatchObject({
      status: 'true',
      reason: 'Retired',
    })
    expect(why(out, 0)).toEqual([expect.stringMatching(/^Nothing\. This node has left the cluster/)])
  })
})

it('lists everybody in the plan or in the view, with role, address, vote and leader', () => {
  const site = running()
  site.set(node(8), {})
  const { members } = statusOf(inputOf(site, { consensus: { ...inputOf(site).consensus, leader: node(2) } }))
  expect(members.map((row) => row.id)).toEqual([node(1), node(2), node(3), node(8)])
  expect(members[1]).toMatchObject({ role: 'control-plane', voter: true, leader: true, liveness: 'alive' })
  expect(members[3]).toMatchObject({ role: '', address4: '', voter: false, leader: false })
})
