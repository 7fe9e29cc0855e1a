import type { Exposure, Mutant } from './mutant.ts'

/** A machine of a running cluster is off for longer than it takes to count as dead, and comes back. */
const oneIsOff: Exposure = {
  faults: 'clean',
  nodes: 5,
  fixed: {
    boots: [0, 0, 0, 0, 0],
    faults: [
      { kind: 'power-cut', at: 45_000, forMs: 60_000, node: 0, keeps: true },
      { kind: 'power-cut', at: 125_000, forMs: 60_000, node: 1, keeps: true },
    ],
    horizonMs: 210_000,
  },
}

/** Bugs in what should be next, with the judge blind in the same eye. */
export const plannerMutants: readonly Mutant[] = [
  {
    name: 'address-freed-on-silence',
    bug: 'the address of a machine that is silent is given to another one',
    edits: [
      {
        file: 'src/core/planner/newcomers.ts',
        find: 'const addresses = addressesFor(roster, wanted.slice(0, room), crypto)',
        replace: `const heard = new Set(view.members.flatMap(({ record, liveness }) => (liveness === 'alive' ? record.nodeId : [])))
  const loud = roster.assignments.filter((one) => heard.has(one.nodeId))
  const addresses = addressesFor({ ...roster, assignments: loud }, wanted.slice(0, room), crypto)`,
      },
      {
        file: 'src/core/addresses/allocate.ts',
        find: 'return Number.parseInt(hash.slice(0, 12), 16) % size',
        replace: 'return Number.parseInt(hash.slice(0, 1), 16) % Math.min(1, size)',
      },
      {
        file: 'src/core/planner/judge-roster.ts',
        find: 'if (new Set(assignments.map((one) => one.address4)).size !== assignments.length) {',
        replace: 'if (new Set(assignments.map((one) => one.address4)).size > assignments.length) {',
      },
    ],
    breaks: ['S8'],
    exposure: { faults: 'hostile', nodes: 6 },
    seedsMax: 200,
  },
  {
    name: 'one-view-proves-a-death',
    bug: 'a machine is dead when one voter does not hear it, not when a majority attests it',
    edits: [
      {
        file: 'src/core/planner/evidence.ts',
        find: 'const need = majorityOf(parent.voters.length)\n  const proofs',
        replace: 'const need = 1\n  const proofs',
      },
    ],
    breaks: ['S6'],
    exposure: oneIsOff,
    seedsMax: 500,
  },
  {
    name: 'revokes-without-evidence',
    bug: 'a grant is revoked although no voter saw it stall',
    edits: [
      {
        file: 'src/core/planner/evidence.ts',
        find: "const need = majorityOf(parent.voters.length)\n  const about = statementsOf(statements, 'stalled', parent)",
        replace: "const need = 0\n  const about = statementsOf(statements, 'stalled', parent)",
      },
    ],
    breaks: ['S3', 'L2'],
    exposure: { faults: 'clean', nodes: 5 },
    seedsMax: 20,
  },
  {
    name: 'revocation-keeps-the-grant-number',
    bug: 'two teams hold one grant number',
    edits: [
      {
        file: 'src/core/planner/next.ts',
        find: 'grant: { number: plan.header.generation + 1, team }',
        replace: 'grant: { number: former?.number ?? plan.header.generation + 1, team }',
      },
      {
        file: 'src/core/planner/judge.ts',
        find: 'if (to.grant.number !== to.generation)',
        replace: 'if (to.grant.number > to.generation)',
      },
    ],
    breaks: ['S3', 'S4', 'S5', 'S14'],
    exposure: { faults: 'hostile', nodes: 5 },
    seedsMax: 500,
  },
  {
    name: 'even-control-plane',
    bug: 'a change is closed although it leaves an even number of servers',
    edits: [
      {
        file: 'src/core/planner/roles.ts',
        find: 'if (next !== undefined) return { ...next, words: [closed(open), ...next.words] }\n    if (servers.length % 2 === 0) {',
        replace: 'if (next !== undefined && servers.length < 0) return next\n    if (servers.length < 0) {',
      },
      {
        file: 'src/core/planner/judge-control-plane.ts',
        find: "return after.length % 2 === 1\n      ? undefined\n      : flaw('EvenControlPlane', `${after.length} servers: the change",
        replace:
          "return after.length > 0\n      ? undefined\n      : flaw('EvenControlPlane', `${after.length} servers: the change",
      },
    ],
    breaks: ['S7'],
    exposure: { faults: 'clean', nodes: 5, fixed: { controlPlane: 5 } },
    seedsMax: 20,
  },
  {
    name: 'second-change-while-one-is-open',
    bug: 'a change of the control plane begins before etcd has carried out the one before',
    edits: [
      {
        file: 'src/core/planner/roles.ts',
        find: 'if (matching !== undefined) {\n    const next',
        replace: `const early = matching === undefined ? openNext(input, lists[0], servers) : undefined
  if (early !== undefined) return early
  if (matching !== undefined) {
    const next`,
      },
      {
        file: 'src/core/planner/roles.ts',
        find: '(isExactly(members, servers)\n      ?',
        replace: '(members.length >= 0\n      ?',
      },
      {
        file: 'src/core/planner/judge-control-plane.ts',
        find: 'if (was !== null && !isDone(parent, was, is, lists) && !isOvertaken(parent, plan, was, is)) {',
        replace: 'if (was !== null && lists.length < 0) {',
      },
      {
        file: 'src/core/planner/judge-control-plane.ts',
        find: 'if (!lists.some(({ statement }) => isExactly(statement.members, kept))) {',
        replace: 'if (lists.length < 0 || kept.length < 0) {',
      },
    ],
    breaks: ['S6'],
    exposure: { faults: 'clean', nodes: 5, fixed: { controlPlane: 5 } },
    seedsMax: 200,
  },
  {
    name: 'removal-without-the-member-id',
    bug: 'a removal names a node and not its etcd member, so that it may hit a later life',
    edits: [
      {
        file: 'src/core/planner/roles.ts',
        find: "openChange: { kind: 'remove', node: victim.nodeId, etcdMemberId: member.id },",
        replace: "openChange: { kind: 'remove', node: victim.nodeId, etcdMemberId: '' },",
      },
      {
        file: 'src/core/planner/judge-control-plane.ts',
        find: "if (change.etcdMemberId === '' || !named)",
        replace: "if (change.etcdMemberId !== '' && !named)",
      },
    ],
    breaks: ['S6'],
    exposure: oneIsOff,
    seedsMax: 200,
  },
  {
    name: 'order-of-input-matters',
    bug: 'the planner takes statements in the order in which they came',
    edits: [
      {
        file: 'src/core/planner/evidence.ts',
        find: '.toSorted((a, b) => compareIds(a.signer, b.signer))',
        replace: '',
      },
    ],
    breaks: ['S10'],
    exposure: { faults: 'clean', nodes: 5, fixed: { controlPlane: 5 } },
    seedsMax: 20,
  },
  {
    name: 'nobody-takes-over',
    bug: 'only the leader of the last ballot proposes, dead or alive',
    edits: [
      {
        file: 'src/core/consensus/pacing.ts',
        find: 'if (this.#wantedSince !== undefined) times.push(',
        replace:
          'if (this.#wantedSince !== undefined && (this.#leader ?? this.#self) === this.#self) times.push(',
      },
      {
        file: 'src/core/consensus/pacing.ts',
        find: 'if (unfinished && this.#acceptedAt !== undefined) {',
        replace: 'if (unfinished && this.#acceptedAt !== undefined && this.#leader === this.#self) {',
      },
    ],
    breaks: ['L2', 'L3', 'L6'],
    exposure: { faults: 'hostile', nodes: 5 },
    seedsMax: 200,
  },
]
