// Proves that a voter refuses every kind of wrong plan: for each rule a good plan is spoilt in one place, its
// hash made right again, and the refusal must name that rule.
import { describe, expect, it } from 'vitest'

import type { ClusterPlan, PlanBody } from '../../../src/core/model/plan.ts'
import { defaultSpec } from '../../../src/core/model/spec.ts'
import type { SignedStatement, Statement } from '../../../src/core/model/statement.ts'
import { sortedEvidence } from '../../../src/core/planner/evidence.ts'
import type { Case, Step } from './judge-steps.ts'
import { steps } from './judge-steps.ts'
import { crypto, node, operatorKey, signed } from './site.ts'
import type { Spoil } from './spoil.ts'
import { aServer, aWorker, firstAssignment, restated, roleOf, spoilt, verdictOf, without } from './spoil.ts'

const theLatestServer = (plan: ClusterPlan): string =>
  plan.body.assignments.find((one) => one.reason.startsWith('joins the control plane'))?.nodeId ?? ''
/** Step, what is wrong, how to make it so, and the rule that must catch it. */
const table: readonly (readonly [Step, string, Spoil, string])[] = [
  [
    'charter',
    'a body that the header does not name',
    { keepHash: true, body: () => ({ caHash: 'aa' }) },
    'BodyHash',
  ],
  ['charter', 'a later generation', { header: () => ({ generation: 1 }) }, 'NotACharter'],
  ['charter', 'a parent', { header: () => ({ parentHash: 'ab'.repeat(32) }) }, 'NotACharter'],
  ['charter', 'a later epoch', { header: () => ({ epoch: 1 }) }, 'NotACharter'],
  ['charter', 'no cluster id', { header: () => ({ clusterId: '' }) }, 'ClusterId'],
  ['charter', 'a used serial', { body: () => ({ operatorSerial: 4 }) }, 'NotACharter'],
  [
    'charter',
    'unsorted voters',
    { header: ({ voters }) => ({ voters: voters.toReversed() }) },
    'VotersNotSorted',
  ],
  ['charter', 'four voters', { header: ({ voters }) => ({ voters: voters.slice(0, 4) }) }, 'VoterCount'],
  ['charter', 'no voter', { header: () => ({ voters: [] }) }, 'VoterCount'],
  ['charter', 'a voter without a place', { header: () => ({ voters: [node(99)] }) }, 'VoterNotAssigned'],
  ['charter', 'a grant', { header: () => ({ grant: { number: 0, team: [node(1)] } }) }, 'GrantPhase'],
  ['charter', 'a CA', { body: () => ({ caHash: 'ca'.repeat(32) }) }, 'CaHashPhase'],
  [
    'charter',
    'an open change',
    { header: () => ({ openChange: { kind: 'add', node: node(1), etcdMemberId: '' } }) },
    'ChangePhase',
  ],
  ['charter', 'an even control plane', roleOf(aWorker, 'control-plane'), 'EvenControlPlane'],
  [
    'charter',
    'unsorted assignments',
    { body: ({ assignments }) => ({ assignments: assignments.toReversed() }) },
    'AssignmentsNotSorted',
  ],
  [
    'charter',
    'one address twice',
    {
      body: ({ assignments }) => ({
        assignments: assignments.map((one) => ({ ...one, address4: '10.144.9.9' })),
      }),
    },
    'AddressTwice',
  ],
  [
    'charter',
    'one name twice',
    { body: ({ assignments }) => ({ assignments: assignments.map((one) => ({ ...one, name: 'twin' })) }) },
    'NameTwice',
  ],
  ['charter', 'an address of somewhere else', firstAssignment({ address4: '10.145.0.9' }), 'AddressOutside'],
  [
    'charter',
    'an IPv6 address of another key',
    firstAssignment({ address6: 'fd12:3456:789a:1::9' }),
    'Address6',
  ],
  ['charter', 'a name that Kubernetes refuses', firstAssignment({ name: 'Upper_Case' }), 'NameForm'],
  [
    'granted',
    'a skipped generation',
    { header: ({ generation }) => ({ generation: generation + 1 }) },
    'Generation',
  ],
  ['granted', 'another parent', { header: () => ({ parentHash: 'ab'.repeat(32) }) }, 'ParentHash'],
  ['granted', 'another cluster', { header: () => ({ clusterId: 'ff'.repeat(16) }) }, 'Identity'],
  ['granted', 'another network', { header: () => ({ networkId: 'ff'.repeat(32) }) }, 'Identity'],
  ['granted', 'another operator', { body: () => ({ operatorKey: 'ee'.repeat(32) }) }, 'Frozen'],
  ['granted', 'another IPv6 prefix', { body: () => ({ prefix6: 'fd99::/64' }) }, 'Frozen'],
  [
    'granted',
    'a grant number of its own',
    { header: () => ({ grant: { number: 7, team: [node(1), node(2), node(3)] } }) },
    'GrantNumber',
  ],
  [
    'granted',
    'a stranger as initialiser',
    { header: ({ generation }) => ({ grant: { number: generation, team: [node(99)] } }) },
    'InitialiserNotVoter',
  ],
  [
    'granted',
    'a team of two',
    { header: ({ grant }) => ({ grant: grant && { ...grant, team: grant.team.slice(0, 2) } }) },
    'TeamSize',
  ],
  ['granted', 'a server outside the team', roleOf(aWorker, 'control-plane'), 'TeamRoles'],
  [
    'granted',
    'two living voters dropped',
    { header: ({ grant }) => ({ voters: grant?.team.toSorted() ?? [] }) },
    'VotersDropped',
  ],
  ['regrant', 'no word of the voters', without('stalled'), 'GrantNotStalled'],
  [
    'regrant',
    'the word of a minority',
    { body: ({ evidence }) => ({ evidence: evidence.slice(1) }) },
    'GrantNotStalled',
  ],
  [
    'regrant',
    'words about another grant',
    restated((one) => (one.kind === 'stalled' ? { ...one, grant: 0 } : one)),
    'GrantNotStalled',
  ],
  [
    'active',
    'a way back',
    { header: () => ({ phase: 'chartered', grant: null }), body: () => ({ caHash: '' }) },
    'PhaseOrder',
  ],
  [
    'active',
    'dissolution',
    { header: () => ({ phase: 'dissolved' }), body: () => ({ caHash: '' }) },
    'PhaseOrder',
  ],
  [
    'active',
    'another grant',
    { header: ({ grant }) => ({ grant: grant && { ...grant, number: 9 } }) },
    'GrantChanged',
  ],
  [
    'active',
    'a team member that is not ready',
    { body: ({ evidence }) => ({ evidence: evidence.slice(1) }) },
    'NotReady',
  ],
  ['active', 'two CAs', { body: ({ evidence }) => ({ evidence: twoAuthorities(evidence) }) }, 'NotReady'],
  [
    'active',
    'ready for another grant',
    restated((one) => (one.kind === 'ready' ? { ...one, grant: 0 } : one)),
    'NotReady',
  ],
  [
    'active',
    'an etcd without the team',
    restated((one) => (one.kind === 'ready' ? { ...one, members: one.members.slice(1) } : one)),
    'NotReady',
  ],
  [
    'active',
    'a learner in the team',
    restated((one) =>
      one.kind === 'ready'
        ? { ...one, members: one.members.map((member) => ({ ...member, learner: true })) }
        : one,
    ),
    'NotReady',
  ],
  ['active', 'another CA than the team made', { body: () => ({ caHash: 'cb'.repeat(32) }) }, 'CaHash'],
  ['active', 'no CA', { body: () => ({ caHash: '' }) }, 'CaHashPhase'],
  ['active', 'another role', roleOf(aServer, 'worker'), 'ActivationOnly'],
  ['joined', 'another CA', { body: () => ({ caHash: 'cb'.repeat(32) }) }, 'CaHashChanged'],
  [
    'joined',
    'another grant',
    { header: ({ grant }) => ({ grant: grant && { ...grant, number: 9 } }) },
    'GrantChanged',
  ],
  ['joined', 'a role without a change', roleOf(aWorker, 'control-plane'), 'RoleWithoutChange'],
  ['joined', 'another address for life', firstAssignment({ address4: '10.144.250.250' }), 'NotSticky'],
  ['joined', 'another name for life', firstAssignment({ name: 'renamed' }), 'NotSticky'],
  [
    'joined',
    'a node forgotten',
    {
      body: ({ assignments }, { header }) => ({
        assignments: assignments.filter(
          (one) => header.voters.includes(one.nodeId) || one.nodeId === node(9),
        ),
      }),
      header: ({ voters }) => ({ voters: voters.slice(0, 1) }),
    },
    'VotersDropped',
  ],
  [
    'joined',
    'a spec that nobody ordered',
    { body: ({ spec }) => ({ spec: { ...spec, controlPlane: 5 } }) },
    'SpecUnordered',
  ],
  ['joined', 'a serial that nobody gave', { body: () => ({ operatorSerial: 5 }) }, 'SpecUnordered'],
  [
    'joined',
    'a retired node that never was',
    { body: () => ({ retired: [{ nodeId: node(50), name: 'ghost', address4: '10.144.1.1', reason: '' }] }) },
    'RetiredUnknown',
  ],
  [
    'joined',
    'one node retired and assigned',
    { body: () => ({ retired: [{ nodeId: node(1), name: 'ghost', address4: '10.144.1.1', reason: '' }] }) },
    'RetiredAndAssigned',
  ],
  ['removal', 'no proof of death', without('dead'), 'RemovedUnproven'],
  [
    'removal',
    'a minority that says dead',
    {
      body: ({ evidence }) => ({
        evidence: evidence
          .filter((one) => one.statement.kind !== 'dead')
          .concat(evidence.filter((one) => one.statement.kind === 'dead').slice(0, 1))
          .toSorted((a, b) => (a.statement.kind < b.statement.kind ? -1 : 1)),
      }),
    },
    'RemovedUnproven',
  ],
  ['removal', 'no etcd list', without('members'), 'ChangeMember'],
  [
    'removal',
    'a list of another generation',
    restated((one) => (one.kind === 'members' ? { ...one, generation: 0 } : one)),
    'ChangeMember',
  ],
  [
    'removal',
    'no member id',
    { header: ({ openChange }) => ({ openChange: openChange && { ...openChange, etcdMemberId: '' } }) },
    'ChangeMember',
  ],
  [
    'removal',
    "another node's member",
    { header: ({ openChange }) => ({ openChange: openChange && { ...openChange, etcdMemberId: 'dead' } }) },
    'ChangeMember',
  ],
  ['removal', 'a second server demoted', roleOf(aServer, 'worker'), 'OneChange'],
  [
    'removal',
    'a server that keeps its role',
    roleOf((plan) => plan.header.openChange?.node ?? '', 'control-plane'),
    'OneChange',
  ],
  ['addition', 'no etcd list', without('members'), 'ChangeNotDone'],
  [
    'addition',
    'a list with the removed member',
    restated((one) =>
      one.kind === 'members'
        ? { ...one, members: [...one.members, { id: 'ff', name: '', address: '10.144.3.3', learner: false }] }
        : one,
    ),
    'ChangeNotDone',
  ],
  [
    'addition',
    'a member id',
    { header: ({ openChange }) => ({ openChange: openChange && { ...openChange, etcdMemberId: 'aa' } }) },
    'ChangeMember',
  ],
  ['addition', 'two servers at once', roleOf(aWorker, 'control-plane'), 'OneChange'],
  [
    'addition',
    'an addition of nobody',
    roleOf((plan) => plan.header.openChange?.node ?? '', 'worker'),
    'OneChange',
  ],
  [
    'addition',
    'no next change and an even number',
    {
      ...roleOf((plan) => plan.header.openChange?.node ?? '', 'worker'),
      header: () => ({ openChange: null }),
    },
    'EvenControlPlane',
  ],
  ['closing', 'no etcd list', without('members'), 'ChangeNotDone'],
  [
    'closing',
    'a learner',
    restated((one) =>
      one.kind === 'members'
        ? { ...one, members: one.members.map((member) => ({ ...member, learner: true })) }
        : one,
    ),
    'ChangeNotDone',
  ],
  ['closing', 'an addition given up without a death', roleOf(theLatestServer, 'worker'), 'GivenUpUnproven'],
  ['order', 'no order', without('spec'), 'SpecUnordered'],
  ['order', 'another serial than ordered', { body: () => ({ operatorSerial: 99 }) }, 'SpecUnordered'],
  [
    'order',
    'another spec than ordered',
    { body: ({ spec }) => ({ spec: { ...spec, controlPlane: 7 } }) },
    'SpecUnordered',
  ],
  ['order', 'a serial that goes back', { body: () => ({ operatorSerial: -1 }) }, 'SerialUsed'],
  ['retirement', 'no proof', without('dead'), 'RetiredUnproven'],
  ['retirement', 'a node that vanishes', { body: () => ({ retired: [] }) }, 'NodeLost'],
  [
    'retirement',
    'its address given on at once',
    {
      body: ({ assignments, retired }) => ({
        assignments: withHeir(assignments, retired[0]?.address4 ?? ''),
      }),
    },
    'AddressReused',
  ],
]

function twoAuthorities(evidence: readonly SignedStatement[]): readonly SignedStatement[] {
  const changed = evidence.map((one, index) =>
    index === 0 && one.statement.kind === 'ready'
      ? signed(one.signer, { ...one.statement, caHash: 'cb'.repeat(32) })
      : one,
  )
  return sortedEvidence(changed, crypto)
}

function withHeir(assignments: PlanBody['assignments'], address4: string): PlanBody['assignments'] {
  return assignments.map((one, index) => (index === 0 ? { ...one, address4 } : one))
}

describe('judge', () => {
  const cases = steps()

  it.each(Object.keys(cases) as Step[])('accepts the planner’s own step: %s', (step) => {
    expect(verdictOf(cases[step], cases[step].plan)).toBe('acceptable')
  })

  it.each(table)('%s: refuses %s', (step, _what, spoil, reason) => {
    expect(verdictOf(cases[step], spoilt(cases[step], spoil))).toBe(reason)
  })
})

describe('judge of evidence', () => {
  const { regrant, order, joined } = steps()

  function withEvidence(
    one: Case,
    change: (evidence: readonly SignedStatement[]) => readonly SignedStatement[],
  ): ClusterPlan {
    return spoilt(one, { body: ({ evidence }) => ({ evidence: change(evidence) }) })
  }

  it('refuses a forged signature', () => {
    const plan = withEvidence(regrant, (all) => all.map((one) => ({ ...one, signature: new Uint8Array(32) })))
    expect(verdictOf(regrant, plan)).toBe('EvidenceForged')
  })

  it('refuses a word in another mouth', () => {
    const plan = withEvidence(regrant, (all) =>
      sortedEvidence(all.map((one) => ({ ...one, signer: node(77) })).slice(0, 1), crypto),
    )
    expect(verdictOf(regrant, plan)).toBe('EvidenceForged')
  })

  it('wants three of five voters, and is content with three', () => {
    expect(regrant.parent?.header.voters).toHaveLength(5)
    expect(regrant.plan.body.evidence).toHaveLength(3)
  })

  it('does not count those who are no voters', () => {
    const plan = withEvidence(regrant, (all) =>
      sortedEvidence(
        [60, 61, 62].map((number) => signed(node(number), (all[0] as SignedStatement).statement)),
        crypto,
      ),
    )
    expect(verdictOf(regrant, plan)).toBe('GrantNotStalled')
  })

  it('refuses words about another cluster', () => {
    const plan = spoilt(
      regrant,
      restated((one) => ({ ...one, clusterId: 'ee'.repeat(16) }) as Statement),
    )
    expect(verdictOf(regrant, plan)).toBe('EvidenceForeign')
  })

  it('refuses unsorted or repeated evidence, and too much of it', () => {
    expect(
      verdictOf(
        regrant,
        withEvidence(regrant, (all) => all.toReversed()),
      ),
    ).toBe('EvidenceOrder')
    expect(
      verdictOf(
        regrant,
        withEvidence(regrant, (all) => [...all, ...all]),
      ),
    ).toBe('EvidenceOrder')
    const flood = Array.from({ length: 65 }, () => regrant.plan.body.evidence[0] as SignedStatement)
    expect(
      verdictOf(
        regrant,
        withEvidence(regrant, () => flood),
      ),
    ).toBe('EvidenceCount')
  })

  it('takes an order from the operator alone, and none where there is no operator', () => {
    const plan = withEvidence(order, (all) => all.map((one) => signed(node(1), one.statement)))
    expect(verdictOf(order, plan)).toBe('EvidenceForged')
  })

  it('takes no order that changes what the charter froze', () => {
    const spec = { ...defaultSpec, k3s: { ...defaultSpec.k3s, serviceCidr: '10.99.0.0/16' } }
    const { networkId, epoch, clusterId } = joined.plan.header
    const said = signed(operatorKey, { kind: 'spec', networkId, epoch, clusterId, serial: 1, spec })
    const plan = spoilt(joined, { body: () => ({ spec, operatorSerial: 1, evidence: [said] }) })
    expect(verdictOf(joined, plan)).toBe('SpecFrozen')
  })
})
