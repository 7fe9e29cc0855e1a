import type { BulkGroup, BulkSummary } from './bulk-summary.ts'
import type { Distribution } from './distribution.ts'
import { addTime, emptyDistribution } from './distribution.ts'

// A hand-made summary for the tests of pictures.

/** Three groups; the second one has a violation. */
export function sampleSummary(): BulkSummary {
  return {
    title: 'Births under hostile faults',
    command: 'npm run sim -- --nodes 5 --seeds 10000 --faults hostile',
    commit: '0123456789abcdef',
    groups: [group('3 machines', 1_200), group('5 machines', 1_900), group('100 machines', 4_800)].map(
      (one, index) =>
        index === 1
          ? {
              ...one,
              violations: [
                {
                  seed: 4_711,
                  invariant: 'S2',
                  at: 13_000,
                  node: 3,
                  text: 'two active clusters',
                  replay: 'npm run sim -- --replay seed-4711.plan.json --picture out.html',
                },
              ],
            }
          : one,
    ),
  }
}

function group(name: string, medianMs: number): BulkGroup {
  return {
    name,
    firstSeed: 1,
    runs: 1_000,
    interrupted: false,
    events: 4_812_345,
    virtualMs: 3.1e8,
    wallMs: 61_000,
    outsidePremise: 40,
    forksOutsidePremise: 7,
    excused: 12,
    formation: {
      charter: spread(medianMs, 0.4, 0),
      active: spread(medianMs * 9, 0.5, 3),
      allActive: spread(medianMs * 16, 0.6, 12),
    },
    faults: { loss: 512, cut: 498, 'power-cut': 377, pause: 260, lie: 0 },
    coverage: {
      'charter certified': 1_000,
      'vote refused': 2_204,
      'learner promoted': 1_903,
      'never seen': 0,
    },
    violations: [],
  }
}

/** A thousand times around a median, with a long tail, the same each time. */
function spread(medianMs: number, width: number, never: number): Distribution {
  const made = emptyDistribution()
  for (let index = 1; index <= 1_000 - never; index += 1) {
    const share = index / 1_001
    addTime(made, medianMs * Math.exp(width * Math.log(share / (1 - share)) * 0.55))
  }
  for (let index = 0; index < never; index += 1) addTime(made, undefined)
  return made
}
