import { charterTerms } from '../../src/core/consensus/terms.ts'
import type { CharterTerms } from '../../src/core/model/plan.ts'
import type { Rules } from './model.ts'

/** One question to the explorer, and the answer that must come. */
export interface Scenario {
  readonly name: string
  /** `safe`: exhaustive without a violation. `violation`: one must be found, or the world is too kind. */
  readonly expected: 'safe' | 'violation'
  /** Quick enough for every test run. */
  readonly quick: boolean
  readonly rules: Rules
}

/** `expect` with any quorum: the modes' own rules forbid what some scenarios ask for. */
function expecting(quorum: number): () => CharterTerms {
  const terms = charterTerms({ mode: 'expect', expect: quorum }, [], [])
  return () => terms
}

function auto(lists: readonly (readonly string[])[]): (ballot: number) => CharterTerms {
  const terms = lists.map((list) => charterTerms({ mode: 'auto' }, list, []))
  return (ballot) => terms[ballot] ?? terms.at(-1)!
}

/** Each ballot is heard by another pair, so that a plan can be accepted by two voters in two ballots. */
const pairs: Rules['reach'] = [
  [0, 1],
  [1, 2],
  [0, 2],
  [0, 1],
]

export const scenarios: readonly Scenario[] = [
  {
    name: 'charter: 3 machines, 2 votes (2q > M)',
    expected: 'safe',
    quick: true,
    rules: { nodes: 3, ballots: 3, terms: expecting(2) },
  },
  {
    name: 'charter: 3 machines, 3 votes, 2 wiped disks (2q > M + w)',
    expected: 'safe',
    quick: true,
    rules: { nodes: 3, ballots: 2, terms: expecting(3), wipes: 2 },
  },
  {
    name: 'generation 1: 3 voters, rival plans of two proposers',
    expected: 'safe',
    quick: true,
    rules: { nodes: 3, ballots: 3, terms: undefined },
  },
  {
    name: 'auto: lists that grow from two machines to three (the choice, not the view test)',
    expected: 'safe',
    quick: true,
    rules: {
      nodes: 3,
      ballots: 3,
      terms: auto([
        ['a', 'b'],
        ['a', 'b', 'c'],
      ]),
      views: [
        [0, 1],
        [0, 1],
        [0, 1, 2],
      ],
    },
  },
  {
    name: 'generation 1: 3 voters, 4 ballots that reach two voters each',
    expected: 'safe',
    quick: true,
    rules: { nodes: 3, ballots: 4, terms: undefined, reach: pairs },
  },
  {
    name: 'broken: 4 machines, 2 votes (2q = M)',
    expected: 'violation',
    quick: true,
    rules: { nodes: 4, ballots: 2, terms: expecting(2) },
  },
  {
    name: 'broken: 3 machines, 2 votes, a wiped disk (2q = M + w)',
    expected: 'violation',
    quick: true,
    rules: { nodes: 3, ballots: 2, terms: expecting(2), wipes: 1 },
  },
  {
    name: 'broken: certificates that mix ballots',
    expected: 'violation',
    quick: true,
    rules: { nodes: 3, ballots: 4, terms: undefined, reach: pairs, without: 'one-ballot-certificates' },
  },
  {
    name: 'broken: a proposer that uses a ballot again after a crash',
    expected: 'violation',
    quick: true,
    rules: { nodes: 3, ballots: 2, terms: undefined, without: 'persisted-ballots' },
  },
  {
    name: 'broken: a voter that answers before it writes',
    expected: 'violation',
    quick: true,
    rules: { nodes: 3, ballots: 2, terms: undefined, crashes: 1, without: 'persist-before-reply' },
  },
  {
    name: 'broken: auto with two pairs that never heard of each other',
    expected: 'violation',
    quick: true,
    rules: {
      nodes: 4,
      ballots: 3,
      terms: auto([
        ['a', 'b'],
        ['a', 'b'],
        ['c', 'd'],
      ]),
      views: [
        [0, 1],
        [0, 1],
        [2, 3],
        [2, 3],
      ],
    },
  },
]
