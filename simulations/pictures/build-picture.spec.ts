// Proves that a recorded run is put in order rightly, on a hand-made run whose every part is known.
import { describe, expect, it } from 'vitest'
import type { TraceEvent } from '../run/trace.ts'
import { nodeRanges } from './bands.ts'
import { buildPicture } from './build-picture.ts'
import { laneSpans } from './lanes.ts'
import type { RunPicture } from './picture.ts'
import { sampleRun } from './sample-run.ts'

const { trace, result } = sampleRun()
const picture = buildPicture(trace, result)

/** The picture of the sample with these events in place of its own. */
function pictureOf(events: readonly TraceEvent[]): RunPicture {
  return buildPicture({ ...trace, events }, { ...result, violations: [] })
}

const send = { kind: 'send', from: 0, to: 1, type: 'accept', text: '' } as const

describe('lanes', () => {
  it('leave no gap from 0 to the end', () => {
    for (const { spans } of picture.lanes) {
      expect(spans[0]?.from).toBe(0)
      expect(spans.at(-1)?.to).toBe(trace.endMs)
      for (const [index, span] of spans.entries()) {
        if (index > 0) expect(span.from).toBe(spans[index - 1]?.to)
        expect(span.to).toBeGreaterThan(span.from)
      }
    }
  })

  it('are off before the first start and after a crash, and say why', () => {
    const spans = picture.lanes[1]?.spans ?? []
    expect(spans.map(({ phase }) => phase)).toEqual([
      ...['off', 'starting', 'waiting', 'chartered', 'k3s-starting'],
      ...['off', 'starting', 'waiting', 'k3s-joining', 'k3s-ready'],
    ])
    expect(spans[5]).toMatchObject({ from: 5_200, to: 7_800, note: 'power cut, unsynced writes lost' })
  })

  it('take no phase from a machine that is off', () => {
    const spans = laneSpans([{ kind: 'phase', at: 5, node: 0, phase: 'waiting', note: '' }], 10, 10)
    expect(spans).toEqual([{ from: 0, to: 10, phase: 'off', note: 'not switched on yet' }])
  })

  it('say from when on nothing was recorded, and show no message as under way then', () => {
    const events = trace.events.filter(({ at }) => at < 3_000)
    const { lanes, recordedMs, endMs, messages } = buildPicture({ ...trace, events, truncated: true }, result)
    expect(recordedMs).toBeGreaterThan(2_000)
    expect(endMs).toBe(20_000)
    for (const { spans } of lanes) {
      expect(spans.at(-1)).toMatchObject({ from: recordedMs, to: endMs, phase: 'not recorded' })
    }
    const ends = messages.sentAfter.reduce<number[]>(
      (times, after) => [...times, (times.at(-1) ?? 0) + after],
      [],
    )
    for (const [index, sentAt] of ends.entries()) {
      expect(sentAt + (messages.takes[index] ?? 0)).toBeLessThanOrEqual(recordedMs + 0.01)
    }
  })

  it('show no pause of a machine that is off, and one pause where only the phase changes', () => {
    const { lanes } = pictureOf([
      { kind: 'boot', at: 0, node: 0, id: 'a', boots: 1 },
      { kind: 'pause', at: 10, node: 0, until: 100 },
      { kind: 'phase', at: 20, node: 0, phase: 'waiting', note: '' },
      { kind: 'crash', at: 50, node: 0, why: 'power cut' },
    ])
    expect(lanes[0]?.pauses).toEqual([{ from: 10, to: 50, text: 'stands still' }])
  })

  it('hold pauses, and faults for as long as the plan says', () => {
    expect(picture.lanes[4]?.pauses).toEqual([{ from: 9_000, to: 10_800, text: 'stands still' }])
    expect(picture.lanes[2]?.faults).toEqual([
      { from: 2_500, to: 6_500, text: 'slow-disk: a sync takes 400 ms' },
    ])
  })

  it('end pauses, faults and cuts where the site is healed', () => {
    const { lanes, bands } = pictureOf([
      { kind: 'boot', at: 0, node: 4, id: 'a', boots: 1 },
      { kind: 'fault', at: 2_500, what: 'slow-disk', nodes: [2], text: '' },
      { kind: 'pause', at: 2_600, node: 4, until: 9_000 },
      { kind: 'partition', at: 2_700, how: 'partition', groups: [[0], [1]], until: 9_000 },
      { kind: 'healed', at: 3_000, core: [0, 1] },
    ])
    expect(lanes[2]?.faults).toMatchObject([{ from: 2_500, to: 3_000 }])
    expect(lanes[4]?.pauses).toMatchObject([{ from: 2_600, to: 3_000 }])
    expect(bands).toMatchObject([{ from: 2_700, to: 3_000 }])
  })

  it('tell a fault that is given as JSON by its own fields', () => {
    const text = JSON.stringify({ kind: 'slow-disk', at: 2_500, forMs: 4_000, node: 2, syncMs: 400 })
    const told = pictureOf([{ kind: 'fault', at: 2_500, what: 'slow-disk', nodes: [2], text }])
    expect(told.lanes[2]?.faults).toEqual([{ from: 2_500, to: 6_500, text: 'slow-disk: syncMs 400' }])
  })

  it('count copies of a machine, which the plan does not', () => {
    const boot = { kind: 'boot', at: 10, node: 5, id: 'ha3f', boots: 2 } as const
    expect(
      pictureOf([boot])
        .lanes.map(({ name }) => name)
        .at(-1),
    ).toBe('node 5 (copy)')
  })

  it('know the state at each change', () => {
    const lane = picture.lanes[1]
    const last = picture.states[lane?.stateIndex.at(-1) ?? -1]
    expect(lane?.stateAt.at(-1)).toBe(10_100)
    expect(last).toMatchObject({ phase: 'k3s-ready', plan: 'A2', planPhase: 'active', leader: 0, etcd: 2 })
  })
})

describe('decisions', () => {
  it('are named by cluster and generation, and a second cluster is a conflict', () => {
    const told = picture.decisions.map(({ label, phase, nodes, conflict }) => [label, phase, nodes, conflict])
    expect(told).toEqual([
      ['A0', 'chartered', 3, false],
      ['A1', 'granted', 3, false],
      ['B0', 'chartered', 2, true],
      ['A2', 'active', 3, false],
      ['B1', 'active', 2, true],
    ])
  })

  it('show a second plan of one generation as a conflict with a name of its own', () => {
    const adoption = { kind: 'adoption', node: 0, clusterId: 'aa', generation: 3, phase: 'active' } as const
    const { decisions, lanes } = pictureOf([
      { ...adoption, at: 1, hash: '11' },
      { ...adoption, at: 2, hash: '22', node: 1 },
      { ...adoption, at: 3, hash: '11', node: 2 },
    ])
    expect(decisions.map(({ label, conflict }) => [label, conflict])).toEqual([
      ['A3', false],
      ["A3'", true],
    ])
    expect(decisions[0]).toMatchObject({ firstAt: 1, lastAt: 3, nodes: 2 })
    expect(lanes[1]?.adoptions).toEqual([{ at: 2, decision: 1 }])
  })
})

describe('messages', () => {
  it('are put together with what became of them', () => {
    const { messages, strings, types } = pictureOf([
      { ...send, at: 100, message: 1 },
      { ...send, at: 110, message: 2, type: 'gossip' },
      { ...send, at: 120, message: 3 },
      { kind: 'delivery', at: 105, message: 1, from: 0, to: 1 },
      { kind: 'drop', at: 130, message: 2, why: 'loss' },
      { kind: 'delivery', at: 140, message: 1, from: 0, to: 1 },
      { kind: 'delivery', at: 150, message: 99, from: 0, to: 1 },
    ])
    expect(types.map(({ name, family, count }) => [name, family, count])).toEqual([
      ['accept', 'consensus', 3],
      ['gossip', 'membership', 1],
    ])
    expect(messages.sentAfter).toEqual([100, 0, 10, 10])
    expect(messages.takes).toEqual([5, 40, 20, 20_000 - 120])
    expect(messages.fate).toEqual([0, 3, 1, 2])
    expect(messages.why.map((index) => strings[index])).toEqual(['', '', 'loss', ''])
  })
})

describe('what happened', () => {
  it('is in the order of time and leaves nothing out that is no message', () => {
    const { happenings, kinds, strings } = picture
    expect(happenings.at).toEqual(happenings.at.toSorted((a, b) => a - b))
    const lines = happenings.at.map(
      (at, index) => `${at} ${kinds[happenings.kind[index] ?? -1]} ${strings[happenings.text[index] ?? -1]}`,
    )
    expect(lines).toEqual(
      expect.arrayContaining([
        '600 partition partition 0-2 | 3-4',
        '2500 fault slow-disk: a sync takes 400 ms',
        '5200 power off: power cut, unsynced writes lost',
        '8240 plan takes A2 active (31d2ee90)',
        '8900 k3s member added: learner',
        '9500 partition one-way loss 0 → 3-4',
        '16000 healed whole again: 0-3',
      ]),
    )
  })

  it('holds each violation once, although trace and result both have it', () => {
    expect(picture.violations).toHaveLength(1)
    const { kind, at } = picture.happenings
    const violation = picture.kinds.indexOf('violation')
    expect(at.filter((_, index) => kind[index] === violation)).toEqual([13_000])
  })

  it('puts bands that overlap into different rows', () => {
    expect(picture.bands.map(({ row }) => row)).toEqual([0, 0, 1])
  })
})

describe('numbers of machines', () => {
  it('are told as ranges', () => {
    expect(nodeRanges([4, 0, 1, 2, 7, 8])).toBe('0-2, 4, 7-8')
    expect(nodeRanges([])).toBe('')
  })
})
