import { describe, expect, it } from 'vitest'
import { generatePlan, presets } from '../plan/generate.ts'
import { shrink } from '../plan/shrink.ts'
import { runBulk } from './bulk.ts'
import { simulate } from './simulate.ts'

/** Hostile seeds that once showed a fault of ours (docs/proof.md). */
const corpus = [1, 1_011, 1_089, 1_458, 1_558, 1_559]

describe('a simulated site', () => {
  it.each(corpus)('keeps its promises under seed %i, which once broke one', (seed) => {
    const { result } = simulate(generatePlan({ seed, nodes: 5, faults: 'hostile' }))
    expect(result.violations).toEqual([])
    expect(result.formation.allActiveMs).toBeGreaterThan(0)
  })

  it.each(presets)('keeps its promises under twelve seeds of %s', (faults) => {
    for (let seed = 1; seed <= 12; seed++) {
      expect(simulate(generatePlan({ seed, nodes: 5, faults })).result.violations).toEqual([])
    }
  })

  it('runs the same way every time, and another way with another seed', () => {
    const digest = (seed: number): string =>
      simulate(generatePlan({ seed, nodes: 5, faults: 'hostile' })).result.digest
    expect(digest(3)).toBe(digest(3))
    expect(digest(3)).not.toBe(digest(4))
  })

  it('is drawn from the same run that was counted', () => {
    const plan = generatePlan({ seed: 5, nodes: 5, faults: 'hostile' })
    const { result, trace } = simulate(plan, { record: true })
    expect(result.digest).toBe(simulate(plan).result.digest)
    expect(trace?.events.some(({ kind }) => kind === 'adoption')).toBe(true)
  })

  it('forks where too many machines are told to expect too few: the world is not too kind', () => {
    const forked = Array.from({ length: 60 }, (_, index) => {
      const plan = generatePlan({ seed: index + 1, nodes: 6, faults: 'partition-at-birth', expect: 3 })
      const { result } = simulate(plan)
      expect(result.violations).toEqual([])
      return !result.premise && result.forked
    })
    expect(forked).toContain(true)
  })
})

describe('a bulk run', () => {
  const options = { nodes: 5, faults: 'hostile', seeds: 24, seedStart: 100 } as const

  it('counts the same on one thread as on two', async () => {
    const [one, two] = await Promise.all([
      runBulk({ ...options, workers: 1 }),
      runBulk({ ...options, workers: 2 }),
    ])
    expect({ ...two, wallMs: 0 }).toEqual({ ...one, wallMs: 0 })
    expect(one.runs).toBe(24)
    expect(one.violations).toEqual([])
    expect(one.coverage['charter certified']).toBeGreaterThan(0)
  })

  it('keeps what it counted when it is interrupted', async () => {
    const stop = new AbortController()
    const tally = await runBulk({
      ...options,
      seeds: 10_000,
      workers: 1,
      signal: stop.signal,
      onProgress: () => stop.abort(),
    })
    expect(tally).toMatchObject({ interrupted: true, runs: 20 })
  })
})

describe('shrinking', () => {
  it('leaves the one fault that matters, as short as it still does', () => {
    const plan = generatePlan({ seed: 1_011, nodes: 5, faults: 'hostile' })
    expect(plan.faults.length).toBeGreaterThan(5)
    const smaller = shrink(plan, ({ faults }) =>
      faults.some((fault) => fault.kind === 'wipe' && fault.forMs >= 2_000),
    )
    expect(smaller.faults).toMatchObject([{ kind: 'wipe' }])
    const [wipe] = smaller.faults
    expect(wipe !== undefined && 'forMs' in wipe && wipe.forMs < 4_100).toBe(true)
    expect(smaller.network.loss).toBe(0)
  })

  it('gives the plan back when nothing can be left out', () => {
    const plan = generatePlan({ seed: 7, nodes: 5, faults: 'hostile' })
    expect(shrink(plan, () => false)).toEqual(plan)
  })
})
