import type { Preset } from '../plan/generate.ts'
import type { CoverageName } from './coverage.ts'
import { coverageNames } from './coverage.ts'

/** What the runs of a preset must have met: with so many seeds at least, or they prove nothing. */
export interface Requirement {
  readonly seeds: number
  readonly names: readonly CoverageName[]
}

const forks: readonly CoverageName[] = coverageNames.filter((name) => name.startsWith('fork by '))

/**
 * What is not required of hostile sites. Forks need a site beyond the premise, and bad plans a liar that leads: both have
 * presets of their own. A corrupt frame that is still a message, and an etcd that refuses a removal in the 300 ms between
 * the plan and the step, were met 5 and 8 times in 2000 seeds: another 2000 might miss them.
 */
const elsewhere: ReadonlySet<CoverageName> = new Set<CoverageName>([
  ...forks,
  'bad plan refused',
  'corrupt frame that reads as a message',
  'etcd removal refused',
])

const requirements: Partial<Record<Preset, Requirement>> = {
  hostile: { seeds: 2_000, names: coverageNames.filter((name) => !elsewhere.has(name)) },
  liars: {
    seeds: 200,
    names: [
      'forged message refused',
      'peer cut off',
      'garbage named',
      'two votes in one ballot found out',
      'bad plan refused',
    ],
  },
  versions: { seeds: 100, names: ['other version named', 'active certified', 'healed and formed'] },
  'beyond-premise': { seeds: 60, names: forks },
}

/** What is required of runs of this preset; undefined: nothing. */
export function requirementOf(preset: Preset): Requirement | undefined {
  return requirements[preset]
}

/** What was required and never happened; undefined: there were not enough seeds to require anything. */
export function lackingCoverage(
  { seeds, names }: Requirement,
  runs: number,
  coverage: Readonly<Record<string, number>>,
): readonly CoverageName[] | undefined {
  return runs < seeds ? undefined : names.filter((name) => (coverage[name] ?? 0) === 0)
}
