import type { Plan } from '../plan/plan.ts'
import type { Exposure, Mutant } from './mutant.ts'

/** Messages take seconds or are lost: ballots overtake each other, and words of older ones come late. */
const stormy: Plan['network'] = {
  delayMs: [50, 2_500],
  tail: 0,
  tailMs: [0, 0],
  loss: 0.3,
  duplicate: 0,
  stale: 0,
}

/** Three of five found a cluster in a storm. */
const storm: Exposure = {
  faults: 'clean',
  nodes: 5,
  fixed: {
    bootstrap: { mode: 'expect', expect: 3 },
    boots: [0, 0, 0, 0, 0],
    network: stormy,
    horizonMs: 60_000,
  },
}

/** In a storm everybody loses its power now and then. */
const stormWithCuts: Exposure = {
  ...storm,
  fixed: {
    ...storm.fixed,
    faults: [0, 1, 2, 3, 4].flatMap((node) =>
      [4_000, 12_000, 20_000, 28_000].map((at) => ({
        kind: 'power-cut' as const,
        at: at + 1_300 * node,
        forMs: 500,
        node,
        keeps: true,
      })),
    ),
  },
}

/** All of five found a cluster in a storm, as `auto` asks for. */
const stormOverAll: Exposure = {
  ...storm,
  fixed: { ...storm.fixed, bootstrap: { mode: 'auto' } },
}

/** Bugs in how a plan is chosen, written down and certified. */
export const consensusMutants: readonly Mutant[] = [
  {
    name: 'quorum-off-by-one',
    bug: 'half of the voters are taken for a majority',
    edits: [
      {
        file: 'src/core/consensus/terms.ts',
        find: 'return Math.floor(count / 2) + 1',
        replace: 'return Math.max(1, Math.floor(count / 2))',
      },
    ],
    breaks: ['S1'],
    exposure: { faults: 'clean', nodes: 5 },
    seedsMax: 20,
  },
  {
    name: 'charter-quorum-off-by-one',
    bug: '`expect: N` founds a cluster with N - 1 machines',
    edits: [
      {
        file: 'src/core/consensus/terms.ts',
        find: 'return setting.expect\n',
        replace: 'return Math.max(1, setting.expect - 1)\n',
      },
    ],
    breaks: ['S1', 'S2'],
    exposure: { faults: 'partition-at-birth', nodes: 5 },
    seedsMax: 50,
  },
  {
    name: 'reply-before-sync',
    bug: 'replies leave before what they rest on is on disk',
    edits: [
      {
        file: 'src/core/node/outbox.ts',
        find: "[{ kind: 'persist', writes }, ...effects]",
        replace: "[...effects, { kind: 'persist', writes }]",
      },
    ],
    breaks: ['S12'],
    exposure: { faults: 'clean', nodes: 5 },
    seedsMax: 5,
  },
  {
    name: 'register-not-persisted',
    bug: 'a voter keeps its promises in memory alone',
    edits: [
      {
        file: 'src/core/node/decisions.ts',
        find: "outbox.persist({ op: 'put', key: 'register', value: output.register })",
        replace: 'void outbox',
      },
    ],
    breaks: ['S12'],
    exposure: { faults: 'clean', nodes: 5 },
    seedsMax: 5,
  },
  {
    name: 'register-forgotten-at-start',
    bug: 'a restarted voter begins with an empty register',
    edits: [
      {
        file: 'src/core/consensus/consensus.ts',
        find: '    this.#register = current\n      ? register\n',
        replace: '    this.#register = current && register.voteSequence < 0\n      ? register\n',
      },
    ],
    breaks: ['S1', 'S12'],
    exposure: stormWithCuts,
    seedsMax: 500,
  },
  {
    name: 'certificate-mixes-ballots',
    bug: 'accepts of one plan in different ballots are added up',
    edits: [
      {
        file: 'src/core/consensus/electorate.ts',
        find: 'return { networkId, epoch, generation, parentHash, planHash, ballot, terms }',
        replace:
          "return { networkId, epoch, generation, parentHash, planHash, ballot: { ...ballot, number: 0, proposer: '' }, terms }",
      },
      {
        file: 'src/core/consensus/tally.ts',
        find: 'const certificate = certify(this.#electorate, ballot, terms, tally.votes)',
        replace: `const alike = [...this.#ballots.values()].filter((other) => other.hash === tally.hash)
    const mixed = new Map(alike.flatMap((other) => [...other.votes]))
    const certificate = certify(this.#electorate, ballot, terms, mixed)`,
      },
    ],
    breaks: ['S1'],
    exposure: { faults: 'hostile', nodes: 5 },
    seedsMax: 500,
  },
  {
    name: 'proposer-reuses-a-ballot',
    bug: 'a proposer begins each attempt with the ballot that it used before',
    edits: [
      {
        file: 'src/core/consensus/consensus.ts',
        find: `ballotAbove(this.#init.self, proposedNumber, [
      promised,
      accepted?.ballot ?? null,
      this.#pacing.highest,
    ])`,
        replace:
          'ballotAbove(this.#init.self, -1, [this.#pacing.highest])\n    void [promised, accepted, proposedNumber]',
      },
    ],
    breaks: ['S12'],
    exposure: stormOverAll,
    seedsMax: 200,
  },
  {
    name: 'promises-below-a-promise',
    bug: 'a voter takes part in ballots below the one that it promised',
    edits: [
      {
        file: 'src/core/consensus/acceptor.ts',
        find: 'if (register.promised !== null && compareBallots(ballot, register.promised) < 0) {',
        replace:
          'if (register.promised !== null && compareBallots(ballot, register.promised) < -1_000_000) {',
      },
    ],
    breaks: ['S1', 'S12'],
    exposure: storm,
    seedsMax: 500,
  },
  {
    name: 'accepted-plan-not-adopted',
    bug: 'a proposer that hears of an accepted plan proposes its own',
    edits: [
      {
        file: 'src/core/consensus/choose.ts',
        find: "{ kind: 'adopt', plan: highest.plan }\n}",
        replace: "{ kind: 'free' }\n}",
      },
    ],
    breaks: ['S1'],
    exposure: storm,
    seedsMax: 1_000,
  },
  {
    name: 'promise-hides-what-was-accepted',
    bug: 'a promise does not tell what its voter accepted before',
    edits: [
      {
        file: 'src/core/consensus/acceptor.ts',
        find: 'accepted: next.accepted,',
        replace: 'accepted: null,',
      },
    ],
    breaks: ['S1'],
    exposure: storm,
    seedsMax: 1_000,
  },
  {
    name: 'votes-in-an-older-generation',
    bug: 'a voter that moved on takes part in a ballot of the generation before',
    edits: [
      {
        file: 'src/core/consensus/acceptor.ts',
        find: 'if (at.generation !== electorate.generation || at.parentHash !== electorate.parentHash) {',
        replace: 'if (at.generation > electorate.generation) {',
      },
    ],
    breaks: ['S1', 'S12'],
    exposure: { faults: 'hostile', nodes: 5 },
    seedsMax: 500,
  },
  {
    name: 'vote-check-skipped',
    bug: 'a restarted voter votes without asking the others what they remember of it',
    edits: [
      {
        file: 'src/core/consensus/vote-check.ts',
        find: 'this.#needed = register !== undefined',
        replace: 'this.#needed = register !== undefined && bootCounter < 0',
      },
    ],
    breaks: ['S12'],
    exposure: { faults: 'hostile', nodes: 5 },
    seedsMax: 200,
  },
]
