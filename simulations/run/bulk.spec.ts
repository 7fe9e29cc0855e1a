import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import type { Requirement } from '../checkers/required.ts'
import { lackingCoverage, requirementOf } from '../checkers/required.ts'
import { generatePlan, presets } from '../plan/generate.ts'
import type { Fault } from '../plan/plan.ts'
import { planSchema } from '../plan/plan.ts'
import { shrink, withoutMachine } from '../plan/shrink.ts'
import { runBulk } from './bulk.ts'
import { simulate } from './simulate.ts'

/** Plans that once showed a fault of ours (docs/proof.md), as data: a generator that learns more draws others. */
const corpusDirectory = new URL('../corpus/', import.meta.url)
const corpus = readdirSync(corpusDirectory).toSorted()

describe('a simulated site', () => {
  it.each(corpus)('keeps its promises under %s, which once broke one', (file) => {
    const plan = planSchema.parse(JSON.parse(readFileSync(new URL(file, corpusDirectory), 'utf8')))
    const { result } = simulate(plan)
    expect(result.violations).toEqual([])
    expect(result.excused === '').toBe(result.formation.allActiveMs !== undefined)
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
})

describe('sites beyond the premise', () => {
  it('fork by surplus machines, a put-back disk, a copied one and a two-faced voter: the world is not too kind', async () => {
    const tally = await runBulk({ nodes: 5, faults: 'beyond-premise', seeds: 60, seedStart: 1, workers: 2 })
    const requirement = requirementOf('beyond-premise') as Requirement
    expect(tally.violations).toEqual([])
    expect(tally.outsidePremise).toBe(60)
    expect(lackingCoverage(requirement, tally.runs, tally.coverage)).toEqual([])
  })
})

describe('what runs must have met', () => {
  const requirement = requirementOf('beyond-premise') as Requirement

  it('is named where it never happened', () => {
    const coverage = {
      'fork by surplus machines': 3,
      'fork by a put-back disk': 1,
      'fork by a copied disk': 0,
    }
    expect(lackingCoverage(requirement, 60, coverage)).toEqual([
      'fork by a copied disk',
      'fork by a two-faced voter',
    ])
  })

  it('is not asked of a few seeds', () => {
    expect(lackingCoverage(requirement, 59, {})).toBeUndefined()
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

describe('a thread that breaks down', () => {
  it('costs its own range, which is named, and not what others counted', async () => {
    const text = `import { workerData, parentPort } from 'node:worker_threads'
      import { emptyTally } from '${new URL('tally.ts', import.meta.url).href}'
      parentPort.on('message', ({ first, count }) => {
        if (first >= 120) throw new Error('out of memory')
        parentPort.postMessage({ ...emptyTally(workerData, first), runs: count })
      })`
    const worker = new URL(`data:text/javascript,${encodeURIComponent(text)}`)
    const tally = await runBulk({ nodes: 5, faults: 'clean', seeds: 60, seedStart: 100, workers: 1, worker })
    expect(tally).toMatchObject({ runs: 20, interrupted: true })
    expect(tally.failures).toEqual(['a run of the seeds 120 to 139 broke down: out of memory'])
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

  it('leaves no more machines than matter, and faults of those that are left', () => {
    const drawn = generatePlan({ seed: 7, nodes: 7, faults: 'hostile' })
    const cut: Fault = { kind: 'power-cut', at: 500, forMs: 9_000, node: 5, keeps: true }
    const plan = { ...drawn, faults: [cut, ...drawn.faults] }
    const smaller = shrink(
      { ...plan, nats: [0, 1, 2, 0, 1, 2, 0], versions: [1, 2, 1, 1, 1, 1, 2] },
      (now) => {
        // Whoever is left is named by a number that a machine has.
        const named = now.faults.flatMap((fault) =>
          'node' in fault ? [fault.node] : [...fault.from, ...fault.to],
        )
        expect(named.every((machine) => machine < now.nodes)).toBe(true)
        expect(now.boots).toHaveLength(now.nodes)
        expect(now.core.every((machine) => machine < now.nodes)).toBe(true)
        planSchema.parse(now)
        return now.nodes >= 3 && now.faults.some(({ kind }) => kind === 'power-cut')
      },
    )
    expect(smaller.nodes).toBe(3)
    expect(smaller.bootstrap).toEqual({ mode: 'expect', expect: 3 })
    expect(smaller.faults).toMatchObject([{ kind: 'power-cut' }])
    expect(simulate({ ...smaller, horizonMs: 1_000 }).result.violations).toEqual([])
  })

  it('moves machines up where one is taken out', () => {
    const plan = generatePlan({ seed: 7, nodes: 4, faults: 'clean' })
    const faults: Fault[] = [
      { kind: 'cut', at: 0, forMs: 9, from: [0, 1], to: [2, 3], oneWay: false },
      { kind: 'cut', at: 0, forMs: 9, from: [1], to: [2, 3], oneWay: true },
      { kind: 'wipe', at: 1, forMs: 9, node: 1 },
      { kind: 'wipe', at: 1, forMs: 9, node: 3 },
    ]
    const smaller = withoutMachine({ ...plan, faults, core: [1, 2, 3], noPath: [[0, 3]] }, 1)
    expect(smaller).toMatchObject({
      nodes: 3,
      core: [1, 2],
      noPath: [[0, 2]],
      faults: [
        { from: [0], to: [1, 2] },
        { kind: 'wipe', node: 2 },
      ],
    })
  })

  it('gives the plan back when nothing can be left out', () => {
    const plan = generatePlan({ seed: 7, nodes: 5, faults: 'hostile' })
    expect(shrink(plan, () => false)).toEqual(plan)
  })
})
