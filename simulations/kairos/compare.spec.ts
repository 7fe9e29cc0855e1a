import { describe, expect, it } from 'vitest'
import type { NodeInit } from '../../src/core/node.ts'
import { planSchema } from '../plan/plan.ts'
import type { Plan } from '../plan/plan.ts'
import type { RunResult } from '../run/result.ts'
import type { Simulate } from '../run/simulate.ts'
import { compareWithKairos, formatComparison } from './compare.ts'
import { founderOf } from './founder.ts'
import { founderSilentAt, presets } from './presets.ts'

const seeds = [1, 2, 3, 4, 5, 6, 7, 8]

describe('presets', () => {
  for (const preset of presets) {
    it(`${preset.name}: makes plans that hold together, the same for the same seed`, () => {
      for (const seed of seeds) {
        const plan = preset.plan(seed, 2)
        expect(planSchema.parse(plan)).toEqual(plan)
        expect(preset.plan(seed, 2)).toEqual(plan)
        expect(plan.boots).toHaveLength(plan.nodes)
        expect(plan.segments).toHaveLength(plan.nodes)
        for (const fault of plan.faults) {
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

/** A site whose cores start k3s when they are told the time, and whose results are drawn from the seed. */
function fakeSimulate(seen: Plan[] = []): Simulate {
  return (plan, options) => {
    seen.push(plan)
    for (const index of [3, 1]) {
      const core = options?.core?.({ ...bareInit, self: `n${index}` }, index)
      core?.drain()
    }
    const activeMs = plan.seed === 4 ? undefined : plan.seed * 1_000
    const result = {
      seed: plan.seed,
      forked: plan.seed === 2,
      premise: plan.seed !== 2,
      formation: { charterMs: undefined, activeMs, allActiveMs: undefined },
    }
    return { result: result as RunResult, trace: undefined }
  }
}

const bareInit = { stored: { values: {}, chain: [] } } as unknown as NodeInit

describe('founderOf', () => {
  it('names the first machine that is told to found a cluster, in a run without faults', () => {
    const seen: Plan[] = []
    const step = { kind: 'start', role: 'server-init', nodeName: '', files: [], allow: 'all', restart: false }
    const plan = presets[1]!.plan(1, 0)
    const founder = founderOf(
      plan,
      fakeSimulate(seen),
      (init) => ({
        handle: () => undefined,
        nextDeadline: () => 0,
        drain: () => (init.self === 'n1' ? [{ kind: 'k3s', step } as never] : []),
      }),
      1_234,
    )
    expect(founder).toBe(1)
    expect(seen).toMatchObject([{ faults: [], horizonMs: 1_234 }])
  })
})

describe('formatComparison', () => {
  const row = { preset: 'calm', rule: 'a rule', runs: 4, forked: 1, none: 1, p50Ms: 2_000, p90Ms: 3_000 }

  it('counts and shares, as a Markdown table', () => {
    expect(formatComparison([{ ...row, outsideBound: 0 }])).toBe(
      `| faults | rule | runs | two clusters | none | first active p50 | p90 |
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
  const simulate: Simulate = (plan) => {
    const forked = plan.seed === 2
    const formation = {
      charterMs: undefined,
      activeMs: plan.seed === 4 ? undefined : plan.seed * 1_000,
      allActiveMs: undefined,
    }
    return { result: { seed: plan.seed, forked, premise: !forked, formation } as RunResult, trace: undefined }
  }

  it('runs each rule under each preset over the same seeds', () => {
    const rows = compareWithKairos({ simulate, runs: 4, seedStart: 1 })
    expect(rows).toHaveLength(presets.length * 4)
    for (const { runs, forked, none, p50Ms, p90Ms } of rows) {
      expect({ runs, forked, none, p50Ms, p90Ms }).toEqual({
        runs: 4,
        forked: 1,
        none: 1,
        p50Ms: 2_000,
        p90Ms: 3_000,
      })
    }
    // The rival promises nothing: a fork of its is never outside of a bound.
    expect(rows.map(({ outsideBound }) => outsideBound).slice(0, 4)).toEqual([0, 0, 1, 1])
  })

  it('keeps what it counted when it is stopped', () => {
    let left = 6
    const rows = compareWithKairos({ simulate, runs: 4, seedStart: 1, stop: () => left-- <= 0 })
    expect(rows.map(({ runs }) => runs)).toEqual([4, 2])
  })
})
