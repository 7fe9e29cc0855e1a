import type { Exposure, Mutant } from './mutant.ts'

/** A machine that wakes up just when five others agree on a charter without it. */
const latecomer: Exposure = {
  faults: 'clean',
  nodes: 6,
  fixed: {
    bootstrap: { mode: 'auto' },
    boots: [0, 50, 100, 150, 200, 7_500],
    network: { delayMs: [50, 900], tail: 0, tailMs: [0, 0], loss: 0, duplicate: 0, stale: 0 },
    horizonMs: 30_000,
  },
}

/** Two machines suffice, and a cut makes two clusters of five; then it ends. */
const twoClusters: Exposure = {
  faults: 'clean',
  nodes: 5,
  fixed: {
    bootstrap: { mode: 'expect', expect: 2 },
    boots: [0, 0, 0, 0, 25_000],
    faults: [{ kind: 'cut', at: 0, forMs: 50_000, from: [0, 1], to: [2, 3, 4], oneWay: false }],
    horizonMs: 90_000,
  },
}

/** Bugs in who may found a cluster, and whom a newcomer follows. */
export const birthMutants: readonly Mutant[] = [
  {
    name: 'crowd-not-refused',
    bug: '`expect: N` votes on although 2N machines are known, who could found two clusters',
    edits: [
      {
        file: 'src/core/node/birth.ts',
        find: 'if (counted < 2 * quorum) return undefined',
        replace: 'if (counted < 20 * quorum) return undefined',
      },
    ],
    breaks: ['S2'],
    exposure: { faults: 'clean', nodes: 5, fixed: { bootstrap: { mode: 'expect', expect: 2 } } },
    seedsMax: 20,
  },
  {
    name: 'auto-without-the-view-test',
    bug: 'an `auto` voter promises although the list lacks machines that it knows',
    edits: [
      {
        file: 'src/core/node/birth.ts',
        find: 'if (counted.some((id) => !terms.list.includes(id))) {',
        replace: 'if (counted.some((id) => !terms.list.includes(id) && id === self)) {',
      },
    ],
    breaks: ['S2'],
    exposure: latecomer,
    seedsMax: 200,
  },
  {
    name: 'auto-view-forgets',
    bug: 'the view of `auto` begins anew at every start',
    edits: [
      {
        file: 'src/core/node/seen.ts',
        find: 'this.#ids = new Set(stored === undefined ? [] : decodeTree(seenCodec, stored).ids)',
        replace:
          'this.#ids = new Set(stored === undefined ? [] : decodeTree(seenCodec, stored).ids.slice(0, 0))',
      },
    ],
    breaks: ['S11'],
    exposure: { faults: 'hostile', nodes: 5 },
    seedsMax: 50,
  },
  {
    name: 'follows-the-higher-generation',
    bug: 'a node moves to a higher generation that does not descend from its own plan',
    edits: [
      {
        file: 'src/core/node/follow.ts',
        find: 'const base = chain.newest === undefined ? this.#base(headers) : chain',
        replace: `const higher = (message.newest?.plan.header.generation ?? -1) >= chain.headers.length
    const foreign = headers[0]?.header.clusterId !== chain.newest?.plan.header.clusterId
    const base = chain.newest === undefined || (higher && foreign) ? this.#base(headers) : chain`,
      },
    ],
    breaks: ['S11'],
    exposure: twoClusters,
    seedsMax: 200,
  },
  {
    name: 'follows-without-confirmation',
    bug: 'a newcomer follows a plan that no majority of its voters confirmed',
    edits: [
      {
        file: 'src/core/node/follow.ts',
        find: 'const need = majority(voters.length)',
        replace: 'const need = Math.min(0, majority(voters.length))',
      },
    ],
    breaks: ['S2'],
    exposure: { faults: 'hostile', nodes: 6 },
    seedsMax: 100,
  },
  {
    name: 'chain-not-persisted',
    bug: 'a node adopts a plan and does not write its header down',
    edits: [
      {
        file: 'src/core/node/history.ts',
        find: "outbox.persist({ op: 'append', log: 'chain', value: link })",
        replace: 'void link',
      },
    ],
    breaks: ['S11'],
    exposure: { faults: 'clean', nodes: 5 },
    seedsMax: 20,
  },
]
