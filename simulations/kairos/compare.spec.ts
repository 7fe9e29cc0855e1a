import { describe, expect, it } from 'vitest'
import { planSchema } from '../plan/plan.ts'
import { comparedRules, compareWithKairos, formatComparison, summarise } from './compare.ts'
import type { Rule } from './compare.ts'
import { kairosCore } from './node.ts'
import { founderSilentAt, presets } from './presets.ts'
import type { Preset } from './presets.ts'
import type { SiteOutcome } from './run-site.ts'

const seeds = [1, 2, 3, 4, 5, 6, 7, 8]

describe('presets', () => {
  for (const preset of presets) {
    it(`${preset.name}: makes plans that hold together, the same for the same seed`, () => {
      for (const seed of seeds) {
        const plan = preset.plan(seed, 2)
        expect(planSchema.parse(plan)).toEqual(plan)
        expect(preset.plan(seed, 2)).toEqual(plan)
        expect(plan.boots).toHaveLength(plan.nodes)
        for (const fault of plan.faults) {
          if (preset.name === 'hostile') continue
          expect(fault.at + ('forMs' in fault ? fault.forMs : 0)).toBeLessThan(plan.horizonMs)
          if (fault.kind !== 'cut') continue
          expect(fault.from.length).toBeGreaterThan(0)
          expect(new Set([...fault.from, ...fault.to])).toEqual(new Set(plan.boots.keys()))
        }
      }
    })
  }

  it('cuts the founder off, whoever it is, and lets a sixth machine arrive while it is', () => {
    for (const { plan } of presets.filter(({ needsFounder }) => needsFounder)) {
      const { faults, boots } = plan(1, 3)
      expect(faults).toMatchObject([{ kind: 'cut', from: [3], to: [0, 1, 2, 4, 5], at: founderSilentAt }])
      expect(boots[5]).toBeGreaterThanOrEqual(founderSilentAt)
      expect(boots[5]).toBeLessThan(founderSilentAt + 20 * 60_000)
    }
  })
})

const rule: Rule = {
  name: 'a rule',
  core: kairosCore({ minimumNodes: 2, serversBeside: 2 }),
  bootstrap: { mode: 'auto' },
  isBounded: true,
}

describe('summarise', () => {
  const one = (clusters: number, firstMs: number | undefined, premise = true): SiteOutcome => {
    return { clusters, firstMs, premise, founder: 0 }
  }

  it('counts forks, runs without a cluster, and quantiles over the others', () => {
    const outcomes = [one(1, 3_000), one(2, 1_000), one(2, 2_000, false), one(0, undefined)]
    expect(summarise('calm', rule, outcomes)).toEqual({
      preset: 'calm',
      rule: 'a rule',
      runs: 4,
      forked: 2,
      outsideBound: 1,
      none: 1,
      p50Ms: 2_000,
      p90Ms: 3_000,
    })
    expect(summarise('calm', { ...rule, isBounded: false }, outcomes).outsideBound).toBe(0)
  })
})

describe('formatComparison', () => {
  const row = { preset: 'calm', rule: 'a rule', runs: 4, forked: 1, none: 1, p50Ms: 2_000, p90Ms: 3_000 }

  it('counts and shares, as a Markdown table', () => {
    expect(formatComparison([{ ...row, outsideBound: 0 }])).toBe(
      `| faults | rule | runs | two clusters | none | first serves, p50 | p90 |
|---|---|---|---|---|---|---|
| calm | a rule | 4 | 1 (25.0 %) | 1 | 2.0 s | 3.0 s |
`,
    )
  })

  it('says which forks were outside the bound, and has no time where nothing formed', () => {
    const text = formatComparison([{ ...row, outsideBound: 1, p50Ms: undefined, p90Ms: undefined }])
    expect(text).toContain('| 1 (25.0 %), 1 outside the bound | 1 | – | – |')
  })
})

describe('compareWithKairos', () => {
  const named = (name: string): Preset => presets.find((preset) => preset.name === name)!

  const forksUnder = async (name: string, rules: readonly Rule[]): Promise<readonly number[]> => {
    const rows = await compareWithKairos({ runs: 1, seedStart: 1, presets: [named(name)], rules })
    expect(rows.map(({ none }) => none)).toEqual(rules.map(() => 0))
    return rows.map(({ forked }) => forked)
  }

  it('shows two clusters of the rival after a partition at birth, and none where one side is too small', async () => {
    // Seed 1 cuts three from two.
    expect(await forksUnder('partition at birth', comparedRules)).toEqual([1, 0, 0, 0])
  })

  it('shows two clusters of the rival when its founder is silent and a machine arrives, whatever its minimum', async () => {
    expect(await forksUnder('founder cut off for 20 min', comparedRules.slice(0, 2))).toEqual([1, 1])
  })

  it('keeps what it counted when it is stopped', async () => {
    let left = 3
    const rows = await compareWithKairos({
      runs: 2,
      seedStart: 1,
      presets: [named('calm')],
      rules: comparedRules.slice(0, 2),
      stop: () => left-- <= 0,
    })
    expect(rows.map(({ runs }) => runs)).toEqual([2, 1])
  })
})
