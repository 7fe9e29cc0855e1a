import { readdirSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { planSchema } from '../plan/plan.ts'
import type { Claim, HostLook, Look } from './claims.ts'
import { claimForms, judgeClaim, readClaim } from './claims.ts'
import type { LabHands } from './lab.ts'
import { impossibleInLab, labActions } from './lab.ts'
import { loadScenario, readScenario } from './load.ts'
import { simulateScenario } from './run.ts'
import type { Scenario } from './schema.ts'
import { scenarioPlan } from './to-plan.ts'

const folder = new URL('.', import.meta.url).pathname
const examples = readdirSync(folder).filter((name) => name.endsWith('.yaml'))

const base: Scenario = {
  name: 'a site',
  machines: 3,
  bootstrap: { expect: 3 },
  duration: '5m',
  expect: ['active within 2m'],
}

describe('reading', () => {
  it.each(examples)('takes %s', (name) => {
    expect(loadScenario(`${folder}${name}`).machines).toBeGreaterThan(0)
  })

  const head = 'name: x\nmachines: 3\nbootstrap: {expect: 3}\nduration: 5m\n'
  const wrong: readonly (readonly [
    text: string,
    line: number,
    column: number,
    path: string,
    message: RegExp,
  ])[] = [
    [`${head}expect: [never two clusters]\ntimline: []\n`, 6, 1, 'timline', /unknown key/],
    [`${head}expect:\n  - active at some time\n`, 6, 5, 'expect.0', /no expectation/],
    [`${head}expect:\n  - role of h4 is worker\n`, 6, 5, 'expect.0', /there is no h4/],
    [`${head}expect:\n  - active within 6m\n`, 6, 5, 'expect.0', /after the end/],
    [
      `${head}expect: [never two clusters]\ntimeline:\n  - at: 1m\n    pause: h9\n`,
      8,
      12,
      'timeline.0.pause',
      /there is no h9/,
    ],
    [
      `${head}expect: [never two clusters]\ntimeline:\n  - at: 1m\n    partition: h1 / h1\n`,
      8,
      16,
      'timeline.0.partition',
      /both sides/,
    ],
    [
      `${head}expect: [never two clusters]\ntimeline:\n  - at: 6m\n    pause: h1\n`,
      7,
      9,
      'timeline.0.at',
      /after the end/,
    ],
    [`${head}expect: [never two clusters]\ntimeline:\n  - at: 1m\n`, 7, 5, 'timeline.0', /nothing happens/],
    [
      `name: x\nmachines: 3\nbootstrap: {}\nduration: 5m\nexpect: [never active]\n`,
      3,
      12,
      'bootstrap',
      /one way/,
    ],
    ['', 1, 1, '', /empty/],
    ...inSite('boot_within: 10m', [6, 14, 'boot_within', /after the end/]),
    ...inSite('segments:\n  - h1, h7', [7, 5, 'segments.0', /there is no h7/]),
    ...inSite('no_path:\n  - h1 / h7', [7, 5, 'no_path.0', /there is no h7/]),
    ...inTimeline('at: 4m\n    pause: h3\n    for: 3m', [9, 10, 'timeline.0.for', /beyond the end/]),
    ...inTimeline('at: 1m\n    clone: h1\n    for: 3s', [9, 10, 'timeline.0.for', /no length/]),
    ...inTimeline('at: 1m\n    pause: h3\n  - at: 2m\n    start: h3', [
      8,
      12,
      'timeline.0.pause',
      /h3 is switched on only at 2m/,
    ]),
    ...inTimeline('at: 1m\n    pause: node-1', [8, 12, 'timeline.0.pause', /expected machines/]),
    ...inTimeline('at: 1m\n    partition: h1', [8, 16, 'timeline.0.partition', /expected two sides/]),
    ...inTimeline('at: 1m\n    rollback: h1', [7, 5, 'timeline.0', /needs `back`/]),
    ...inTimeline('at: 1m\n    pause: h1\n    wipe: h2', [8, 12, 'timeline.0.pause', /stands here already/]),
    [`${head}expect:\n  - h9 waits for machines 1/3\n`, 6, 5, 'expect.0', /there is no h9/],
    [`${head}expect:\n  - waits for machines 1/3 at 6m\n`, 6, 5, 'expect.0', /after the end/],
  ]

  function inSite(text: string, at: readonly [number, number, string, RegExp]): typeof wrong {
    return [[`${head}expect: [never two clusters]\n${text}\n`, ...at]]
  }

  function inTimeline(event: string, at: readonly [number, number, string, RegExp]): typeof wrong {
    return inSite(`timeline:\n  - ${event}`, at)
  }

  it.each(wrong)('says where %j is wrong', (text, line, column, path, message) => {
    const { value, diagnostics } = readScenario('site.yaml', text)
    expect(value).toBeUndefined()
    expect(diagnostics[0]).toMatchObject({ file: 'site.yaml', line, column, path })
    expect(diagnostics[0]?.message).toMatch(message)
  })

  it('names the key that was meant', () => {
    const { diagnostics } = readScenario('a.yaml', `${head}expect: [never active]\ntimline: []\n`)
    expect(diagnostics[0]?.suggestion).toBe('Did you mean `timeline`?')
  })
})

describe('scenarioPlan', () => {
  it('makes a valid plan of each example, the same for the same seed', () => {
    for (const name of examples) {
      const scenario = loadScenario(`${folder}${name}`)
      const plan = scenarioPlan(scenario, 3)
      expect(planSchema.parse(plan)).toEqual(plan)
      expect(scenarioPlan(scenario, 3)).toEqual(plan)
    }
  })

  it('turns events into faults, and a late start into a boot', () => {
    const plan = scenarioPlan(
      {
        ...base,
        timeline: [
          { at: '30s', partition: 'h1 > h2, h3', for: '10s' },
          { at: '1m', power_cut: 'all', for: '5s' },
          { at: '2m', start: 'h3' },
          { at: '3m', rollback: 'h2', back: '20s' },
        ],
      },
      1,
    )
    expect(plan.boots[2]).toBe(120_000)
    expect(plan.faults).toEqual([
      { kind: 'cut', at: 30_000, forMs: 10_000, from: [0], to: [1, 2], oneWay: true },
      ...[0, 1, 2].map((node) => ({ kind: 'power-cut', at: 60_000, forMs: 5_000, node, keeps: true })),
      { kind: 'rollback', at: 180_000, forMs: 1_000, node: 1, backMs: 20_000 },
    ])
  })
})

describe('judging', () => {
  const idle: HostLook = { clusterId: undefined, isActive: false, isReady: false, role: '', waiting: [] }
  const waits: HostLook = { ...idle, waiting: [{ for: 'machines', have: 3, need: 5 }] }
  const worker: HostLook = { clusterId: 'a', isActive: true, isReady: true, role: 'worker', waiting: [] }
  const looks: readonly Look[] = [
    { atMs: 1_000, hosts: [idle, undefined] },
    { atMs: 2_000, hosts: [waits, idle] },
    { atMs: 3_000, hosts: [worker, idle] },
    { atMs: 4_000, hosts: [worker, { ...worker, isReady: false, clusterId: 'b' }] },
  ]
  const judge = (text: string): string => judgeClaim(readClaim(text) as Claim, looks)

  it('knows every form that it names', () => {
    for (const form of claimForms) expect(readClaim(form), form).toBeDefined()
  })

  it.each([
    ['active within 3s', ''],
    ['active within 2s', 'it was active only after 3.0s'],
    ['active within 500ms after 3s', ''],
    ['all active within 4s', ''],
    ['all active within 3s', 'it was active only after 4.0s'],
    ['never chartered', 'it was chartered after 3.0s'],
    ['never two clusters', 'there were 2 clusters after 4.0s'],
    ['waits for machines 3/5', ''],
    ['h1 waits for machines 3/5 at 2s', ''],
    ['h2 waits for machines 3/5 at 2s', 'what was awaited then: h1 waits for machines 3/5, h2 idle'],
    ['role of h1 is worker', ''],
    ['role of h1 is control-plane', 'at the end it is worker'],
  ])('%s', (text, why) => {
    expect(judge(text)).toBe(why)
  })

  it('tells what is there where the state never came', () => {
    expect(judge('all ready within 4s')).toBe('it never was ready: h1 ready, h2 active')
  })
})

describe('the examples', () => {
  it.each(examples)('of %s come out as the file says', async (name) => {
    const { claims, passed } = await simulateScenario(loadScenario(`${folder}${name}`), { seeds: 4 })
    expect(claims.flatMap(({ text, failures }) => failures.map(({ why }) => `${text}: ${why}`))).toEqual([])
    expect(passed).toBe(true)
  })
})

describe('simulateScenario', () => {
  it('holds what holds, and says in which seed what does not', async () => {
    const scenario = { ...base, expect: ['active within 2m', 'never chartered', 'role of h1 is worker'] }
    const { passed, claims } = await simulateScenario(scenario, { seeds: 2, seedStart: 5 })
    expect(passed).toBe(false)
    expect(claims.map(({ failures }) => failures.map(({ seed }) => seed))).toEqual([[], [5, 6], [5, 6], []])
  })

  it('reports what it saw when it is stopped, and passes nothing that never ran', async () => {
    const { passed, claims } = await simulateScenario(base, { seeds: 2, stop: () => true })
    expect(passed).toBe(false)
    expect(claims.map(({ runs }) => runs)).toEqual([0, 0])
  })
})

describe('the same file in a lab', () => {
  it('names what cannot be done there', () => {
    const timeline = [
      { at: '1m', clone: 'h1' },
      { at: '2m', pause: 'h1', for: '1s' },
    ]
    expect(impossibleInLab({ ...base, timeline, network: {} })).toEqual(['`clone` at 1m', '`network`'])
    expect(impossibleInLab(base)).toEqual([])
  })

  it('does the events in order, ends them, and puts back the partitions that go on', async () => {
    const timeline = [
      { at: '10s', partition: 'h1 / h2', for: '20s' },
      { at: '20s', partition: 'h2 > h3' },
      { at: '40s', start: 'h3' },
      { at: '50s', power_cut: 'h1', for: '5s' },
    ]
    const done: string[] = []
    const note =
      (verb: string) =>
      async (host?: unknown): Promise<void> => {
        done.push(host === undefined ? verb : `${verb} ${JSON.stringify(host)}`)
      }
    const hands: LabHands = {
      start: note('start'),
      stop: note('stop'),
      cutPower: note('cut'),
      wipe: note('wipe'),
      pause: note('pause'),
      resume: note('resume'),
      partition: note('partition'),
      heal: note('heal'),
    }
    const actions = labActions({ ...base, timeline })
    expect(actions.map(({ atMs }) => atMs)).toEqual([0, 10_000, 20_000, 30_000, 40_000, 50_000, 55_000])
    for (const { act } of actions) await act(hands)
    const first = '{"left":["h1"],"right":["h2"],"direction":"both"}'
    const second = '{"left":["h2"],"right":["h3"],"direction":"left-to-right"}'
    expect(done).toEqual([
      'start "h1"',
      'start "h2"',
      `partition ${first}`,
      `partition ${second}`,
      'heal',
      `partition ${second}`,
      'start "h3"',
      'cut "h1"',
      'start "h1"',
    ])
  })
})
