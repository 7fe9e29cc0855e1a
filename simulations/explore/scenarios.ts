import type { ClusterPlan } from '../../src/core/model/plan.ts'
import { executionMachine } from './execution/machine.ts'
import type { ExecutionRules } from './execution/rules.ts'
import { decisionMachine } from './paxos/machine.ts'
import type { CharterDecision, Rules, SuccessorDecision } from './paxos/rules.ts'
import type { Search } from './search.ts'
import { search } from './search.ts'
import { activate, charterOf, grantTo } from './site.ts'

/** One question to the explorer, and the answer that must come. */
export interface Scenario {
  readonly name: string
  /** `safe`: every state seen, none of them bad. Otherwise the invariant that must be seen broken (`S1`). */
  readonly expected: string
  /** Too slow for every test run; `npm run explore` has all. */
  readonly slow: boolean
  /** What was searched, in one line. */
  readonly bounds: string
  readonly explore: () => Search
}

const expecting = (expect: number, knows?: CharterDecision['knows']): CharterDecision => ({
  kind: 'charter',
  setting: { mode: 'expect', expect },
  ...(knows === undefined ? {} : { knows }),
})
const auto = (knows: NonNullable<CharterDecision['knows']>): CharterDecision => ({
  kind: 'charter',
  setting: { mode: 'auto' },
  knows,
})

const charter = charterOf(['a', 'b', 'c'], 'c0')
const alone = grantTo(charter, ['a'])
const together = grantTo(charter, ['a', 'b', 'c'])
const regranted = grantTo(alone, ['b'])

/** Generation 1: each ballot wants another team. */
const rivalTeams: SuccessorDecision = {
  kind: 'successor',
  chain: [charter],
  drafts: (ballot) => [grantTo(charter, [['a'], ['b'], ['c'], ['a', 'b', 'c']][ballot] as string[])],
}

/** Generation 2: the team is ready, and the voters saw it stall. Whoever proposes may want either. */
const activateOrRevoke: SuccessorDecision = {
  kind: 'successor',
  chain: [charter, alone],
  drafts: () => [activate(alone), regranted],
  conflict: (certified) =>
    new Set(certified.map((plan) => plan.header.phase)).size > 1
      ? 'S2: grant 1 is active in one successor and revoked in another'
      : undefined,
}

/** Generation 3: the grant was revoked, and its former team still says that it is ready. */
const oldTeam: ClusterPlan = ((plan) => ({ ...plan, header: { ...plan.header, grant: alone.header.grant } }))(
  activate(regranted, activate(alone).body.evidence),
)
const afterRevocation: SuccessorDecision = {
  kind: 'successor',
  chain: [charter, alone, regranted],
  drafts: () => [oldTeam, activate(regranted)],
  conflict: (certified) =>
    certified.some((plan) => plan.header.grant?.number === 1) ? 'S2: a revoked grant is active' : undefined,
}

const threeOfFour = { a: 'abc', b: 'abc', c: 'abc', d: 'abcd' }
const sharedMiddle = { a: 'abc', b: 'abc', c: 'abc', d: 'cde', e: 'cde' }
const oneWord = { a: 'abc', b: 'abc', c: 'abcd', d: 'def', e: 'def', f: 'def' }
const twoTriples = { a: 'abc', b: 'abc', c: 'abc', d: 'def', e: 'def', f: 'def' }
const twoPairs = { a: 'ab', b: 'ab', c: 'cd', d: 'cd' }
const fourBallots = ['0a', '0b', '1a', '1b']
const abc = 'abc'

/** Each takes several seconds. */
const slow: ReadonlySet<string> = new Set([
  'expect: 3 machines, 3 votes, 2 emptied registers',
  'auto: 5 machines, two groups that share one',
  'auto: 6 machines, one of one half heard of one of the other',
  '4 ballots: rival teams, three proposers',
  '4 ballots: proposers that restart twice',
  'k3s: a grant, its revocation, activation; power and data lost once',
  'k3s: a server leaves the plan and comes back; power lost once',
])

const decisions: readonly (readonly [name: string, expected: string, rules: Rules])[] = [
  // Generation 0 with a declared number: safe iff 2q > M + w.
  ['expect: 3 machines, 2 votes', 'safe', { acceptors: abc, ballots: fourBallots, decision: expecting(2) }],
  [
    'expect: 4 machines, 2 votes: none votes who knows all four',
    'safe',
    { acceptors: 'abcd', ballots: ['0a', '0c'], decision: expecting(2) },
  ],
  [
    'expect: 3 machines, 3 votes, 2 emptied registers',
    'safe',
    { acceptors: abc, ballots: ['0a', '0b', '1a'], decision: expecting(3), faults: { wipes: 2 } },
  ],
  [
    'expect: 3 machines, 3 votes, a whole disk lost under its key',
    'safe',
    { acceptors: abc, ballots: ['0a', '1b'], decision: expecting(3), faults: { wipes: 1, lostBallots: 1 } },
  ],
  [
    'expect: 3 machines, 3 votes, a clone that votes and proposes',
    'safe',
    { acceptors: 'aabc', proposers: 'aab', ballots: ['0a', '1b'], decision: expecting(3) },
  ],
  [
    'broken: 4 machines, 2 votes (2q = M)',
    'S1',
    { acceptors: 'abcd', ballots: ['0a', '0c'], decision: expecting(2, twoPairs) },
  ],
  [
    'broken: 4 machines, 2 votes, nobody refuses the crowd',
    'S1',
    { acceptors: 'abcd', ballots: ['0a', '0c'], decision: expecting(2), without: 'admission' },
  ],
  [
    'broken: 3 machines, 2 votes, an emptied register (2q = M + w)',
    'S1',
    { acceptors: abc, ballots: ['0a', '1b'], decision: expecting(2), faults: { wipes: 1 } },
  ],
  // Generation 0 with nothing declared: what each machine has heard of decides.
  [
    'auto: 4 machines, one of them heard of late, gossip',
    'safe',
    { acceptors: 'abcd', ballots: ['0d', '1a', '2d'], decision: auto(threeOfFour), faults: { meetings: 1 } },
  ],
  [
    'auto: 5 machines, two groups that share one',
    'safe',
    { acceptors: 'abcde', ballots: ['0a', '0d', '1d'], decision: auto(sharedMiddle) },
  ],
  [
    'auto: 6 machines, one of one half heard of one of the other',
    'safe',
    { acceptors: 'abcdef', ballots: ['0a', '0d', '1a'], decision: auto(oneWord) },
  ],
  [
    'auto: 4 machines, the view test before the promise alone',
    'safe',
    {
      acceptors: 'abcd',
      ballots: ['0d', '1a'],
      decision: auto(threeOfFour),
      without: 'admission-to-accept',
    },
  ],
  [
    'auto: 4 machines, the view test before the accept alone',
    'safe',
    {
      acceptors: 'abcd',
      ballots: ['0d', '1a'],
      decision: auto(threeOfFour),
      without: 'admission-to-promise',
    },
  ],
  [
    'broken: auto without the view test',
    'S1',
    { acceptors: 'abcd', ballots: ['0d', '1a'], decision: auto(threeOfFour), without: 'admission' },
  ],
  [
    'broken: auto, two halves that never heard of each other',
    'S1',
    { acceptors: 'abcdef', ballots: ['0a', '0d'], decision: auto(twoTriples) },
  ],
  // Later generations: the voters are known.
  ['4 ballots: rival teams', 'safe', { acceptors: abc, ballots: fourBallots, decision: rivalTeams }],
  [
    '4 ballots: rival teams, three proposers',
    'safe',
    { acceptors: abc, ballots: ['0a', '0b', '0c', '1a'], decision: rivalTeams },
  ],
  [
    '4 ballots: proposers that restart twice',
    'safe',
    { acceptors: abc, ballots: fourBallots, decision: rivalTeams, faults: { restarts: 2 } },
  ],
  [
    'voters that lose power before and after a sync, twice',
    'safe',
    { acceptors: abc, ballots: ['0a', '1b'], decision: rivalTeams, faults: { crashes: 2 } },
  ],
  [
    '4 ballots: activate or revoke',
    'safe',
    { acceptors: abc, ballots: fourBallots, decision: activateOrRevoke },
  ],
  [
    '4 ballots: the former team of a revoked grant',
    'safe',
    { acceptors: abc, ballots: fourBallots, decision: afterRevocation },
  ],
  [
    'broken: certificates that mix 4 ballots',
    'S1',
    { acceptors: abc, ballots: fourBallots, decision: rivalTeams, without: 'one-ballot-certificates' },
  ],
  [
    'certificates that mix 3 ballots: too few to show it',
    'safe',
    { acceptors: abc, ballots: ['0a', '0b', '1a'], decision: rivalTeams, without: 'one-ballot-certificates' },
  ],
  [
    'broken: a proposer that uses a ballot again after a crash',
    'S12',
    {
      acceptors: abc,
      ballots: ['0a', '1a'],
      decision: rivalTeams,
      faults: { restarts: 1 },
      without: 'persisted-ballots',
    },
  ],
  [
    'broken: a voter that answers before it syncs',
    'S1',
    {
      acceptors: abc,
      ballots: ['0a', '1b'],
      decision: rivalTeams,
      faults: { crashes: 1 },
      without: 'persist-before-reply',
    },
  ],
  [
    'broken: a revoker that does not complete what was accepted',
    'S2',
    { acceptors: abc, ballots: ['0a', '1b'], decision: activateOrRevoke, without: 'adoption' },
  ],
  [
    'broken: voters that ask no judge',
    'S2',
    { acceptors: abc, ballots: ['0a'], decision: afterRevocation, without: 'judge' },
  ],
]

const executions: readonly (readonly [name: string, expected: string, rules: ExecutionRules])[] = [
  [
    'k3s: a grant, its revocation, activation; power and data lost once',
    'safe',
    {
      machines: abc,
      chain: [charter, alone],
      decisions: { activate: 1, revoke: 1 },
      faults: { crashes: 1, losses: 1 },
    },
  ],
  [
    'k3s: a team of three, revoked or activated at any time',
    'safe',
    { machines: abc, chain: [charter, together], decisions: { activate: 1, revoke: 1 } },
  ],
  [
    'k3s: a server leaves the plan and comes back; power lost once',
    'safe',
    {
      machines: abc,
      chain: [charter, together],
      running: true,
      decisions: { remove: 1, add: 1 },
      faults: { crashes: 1 },
    },
  ],
  [
    'k3s: a server loses its data, says so, leaves the plan and comes back',
    'safe',
    {
      machines: abc,
      chain: [charter, together],
      running: true,
      decisions: { remove: 1, add: 1 },
      faults: { losses: 1 },
    },
  ],
  [
    'broken: data put away because the plan, not etcd, says so',
    'S13',
    {
      machines: abc,
      chain: [charter, together],
      running: true,
      decisions: { remove: 1 },
      without: 'etcd-has-the-last-word',
    },
  ],
  [
    'broken: an initialiser that acts before it writes',
    'S3',
    {
      machines: abc,
      chain: [charter, alone],
      decisions: {},
      faults: { crashes: 1, losses: 1 },
      without: 'persist-before-act',
    },
  ],
  [
    'broken: activation that no judge looks at',
    'S2',
    { machines: abc, chain: [charter, alone], decisions: { activate: 1 }, without: 'judge' },
  ],
]

function counts(some: object | undefined): string[] {
  return Object.entries(some ?? {}).map(([name, count]) => `${name} ${count}`)
}

/** Every scenario, the safe and the broken ones. */
export const scenarios: readonly Scenario[] = [
  ...decisions.map(([name, expected, rules]) => ({
    name,
    expected,
    slow: slow.has(name),
    bounds: [`voters ${rules.acceptors}`, `ballots ${rules.ballots.join(' ')}`, ...counts(rules.faults)].join(
      ', ',
    ),
    explore: () => search(decisionMachine(rules)),
  })),
  ...executions.map(([name, expected, rules]) => ({
    name,
    expected,
    slow: slow.has(name),
    bounds: [`machines ${rules.machines}`, ...counts(rules.decisions), ...counts(rules.faults)].join(', '),
    explore: () => search(executionMachine(rules)),
  })),
]
