import type { Plan } from '../plan/plan.ts'
import type { Exposure, Mutant } from './mutant.ts'

type Lie = Extract<Plan['faults'][number], { kind: 'lie' }>['how']

/** Some of five members lie in this way from the beginning. */
function liars(how: Lie, nodes: readonly number[]): Exposure {
  return {
    faults: 'clean',
    nodes: 5,
    fixed: {
      faults: nodes.map((node) => ({ kind: 'lie', at: 600, forMs: 60_000, node, how })),
      boots: [0, 0, 0, 0, 0],
      horizonMs: 45_000,
    },
  }
}

/** Bugs in what is made of lies and of strangers. */
export const liarMutants: readonly Mutant[] = [
  {
    name: 'judge-says-yes',
    bug: 'a voter accepts every plan that is proposed',
    edits: [
      {
        file: 'src/core/planner/judge.ts',
        find: 'return found === undefined ? { ok: true } : { ok: false, ...found }',
        replace: "return found === undefined || found.reason !== '' ? { ok: true } : { ok: false, ...found }",
      },
    ],
    breaks: ['S6', 'S7', 'S8'],
    exposure: liars('bad-plan', [0, 1]),
    seedsMax: 50,
  },
  {
    name: 'one-vote-convicts-the-proposer',
    bug: 'the vote of one member for another plan is a proof against the proposer',
    edits: [
      {
        file: 'src/core/consensus/tally.ts',
        find: 'const accusersMin = 2',
        replace: 'const accusersMin = 1',
      },
    ],
    breaks: ['S12'],
    exposure: liars('equivocate', [0]),
    seedsMax: 50,
  },
  {
    name: 'statement-without-signature',
    bug: 'a statement is believed whoever signed it, and so is the evidence of a plan',
    edits: [
      {
        file: 'src/core/node/statement-book.ts',
        find: 'if (!this.#genuine(signed, scope)) return',
        replace: 'if (scope.epoch < 0 && !this.#genuine(signed, scope)) return',
      },
      {
        file: 'src/core/planner/judge.ts',
        find: 'if (!genuine) return flaw(',
        replace: "if (!genuine && signer === '') return flaw(",
      },
    ],
    breaks: ['S9', 'S12'],
    exposure: liars('forge', [0, 1]),
    seedsMax: 50,
  },
  {
    name: 'refused-peer-not-named',
    bug: 'a peer of another version is turned away, and nobody is told',
    edits: [
      {
        file: 'src/core/node.ts',
        find: 'return this.#refusals.add(event, now)',
        replace: 'return undefined',
      },
    ],
    breaks: ['S9'],
    exposure: { faults: 'versions', nodes: 5 },
    seedsMax: 20,
  },
]
