// Proves the decision rule of the charter: a table of quorums and flaws, and by random settings that the terms a
// proposer makes are sound and that two quorums of a known list meet.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import {
  autoMinimum,
  charterQuorum,
  charterTerms,
  describeSetting,
  majority,
  mayVoteUnder,
  sameSetting,
  termsFlaw,
} from '../../../src/core/consensus/terms.ts'
import type { CharterTerms } from '../../../src/core/model/plan.ts'
import type { BootstrapSetting } from '../../../src/core/model/spec.ts'
import { id, ids } from './decisions.ts'

const three = ids.slice(0, 3)
const expecting = (expect_: number): BootstrapSetting => ({ mode: 'expect', expect: expect_ })
const tolerating = (of: number, tolerate: number, slack = 0): BootstrapSetting => ({
  mode: 'tolerate',
  expect: of,
  tolerate,
  slack,
})
const auto: BootstrapSetting = { mode: 'auto' }

const anyIds = fc.uniqueArray(fc.constantFrom(...ids), { minLength: 1 })
const anySetting = fc.oneof(
  fc.integer({ min: 1, max: 50 }).map(expecting),
  fc
    .tuple(fc.integer({ min: 1, max: 50 }), fc.nat({ max: 24 }), fc.nat({ max: 5 }))
    .filter(([of, tolerate, slack]) => 2 * (of - tolerate) > of + slack)
    .map(([of, tolerate, slack]) => tolerating(of, tolerate, slack)),
  anyIds.map((voters): BootstrapSetting => ({ mode: 'voters', voters })),
  fc.constant(auto),
)

describe('the quorum of a charter', () => {
  it.each<[BootstrapSetting, number, number]>([
    [expecting(1), 0, 1],
    [expecting(3), 0, 3],
    [tolerating(5, 1), 0, 4],
    [tolerating(5, 2), 0, 3],
    [{ mode: 'voters', voters: ids.slice(0, 1) }, 1, 1],
    [{ mode: 'voters', voters: ids.slice(0, 2) }, 2, 2],
    [{ mode: 'voters', voters: three }, 3, 2],
    [{ mode: 'voters', voters: ids.slice(0, 4) }, 4, 3],
    [auto, 3, 3],
    [auto, 10, 10],
  ])('under %j with %i listed is %i', (setting, listed, quorum) => {
    expect(charterQuorum(setting, listed)).toBe(quorum)
  })

  it('is a majority of named voters: any two meet', () => {
    fc.assert(fc.property(fc.integer({ min: 1, max: 99 }), (count) => 2 * majority(count) > count))
  })

  it('needs three machines under `auto`, or the whole control plane', () => {
    expect([1, 3, 5].map(autoMinimum)).toEqual([3, 3, 5])
  })
})

describe('the terms that a proposer makes', () => {
  it('are sound under every sound setting', () => {
    fc.assert(
      fc.property(anySetting, anyIds, fc.subarray([...ids]), (setting, view, without) => {
        const terms = charterTerms(setting, view, without)
        const nobody = terms.list.length > 0 && terms.list.length === terms.without.length
        expect(termsFlaw(terms)).toBe(nobody ? 'wrong quorum' : undefined)
      }),
    )
  })

  it('do not depend on the order in which machines are known', () => {
    fc.assert(
      fc.property(anySetting, anyIds, fc.subarray([...ids]), (setting, view, without) => {
        expect(charterTerms(setting, view.toReversed(), without.toReversed())).toEqual(
          charterTerms(setting, view, without),
        )
      }),
    )
  })

  it('let vote whom they list, but for those they go on without', () => {
    const listed = charterTerms(auto, three, [id(1), id(5)])
    expect(listed).toEqual({ setting: auto, quorum: 2, list: three, without: [id(1)] })
    expect(ids.filter((one) => mayVoteUnder(listed, one))).toEqual([id(0), id(2)])
    const named = charterTerms({ mode: 'voters', voters: three }, ids, [])
    expect(ids.filter((one) => mayVoteUnder(named, one))).toEqual(three)
    expect(ids.every((one) => mayVoteUnder(charterTerms(expecting(2), ids, []), one))).toBe(true)
  })
})

describe('terms are refused', () => {
  const sound = charterTerms(auto, three, [])

  it.each<[string, CharterTerms]>([
    ['list not sorted', { ...sound, list: three.toReversed() }],
    ['list not sorted', { ...sound, list: [id(0), id(0), id(1)] }],
    ['without names a node that is not listed', { ...sound, quorum: 2, without: [id(5)] }],
    ['without names a node that is not listed', { ...sound, quorum: 1, without: [id(0), id(0)] }],
    [
      'without is for auto alone',
      { setting: { mode: 'voters', voters: three }, quorum: 2, list: three, without: [id(0)] },
    ],
    ['no list in this mode', { setting: expecting(3), quorum: 3, list: three, without: [] }],
    ['no list in this mode', { setting: tolerating(3, 1), quorum: 2, list: three, without: [] }],
    ['tolerates too many', { setting: tolerating(4, 2), quorum: 2, list: [], without: [] }],
    ['tolerates too many', { setting: tolerating(5, 2, 1), quorum: 3, list: [], without: [] }],
    [
      'list differs from the setting',
      { setting: { mode: 'voters', voters: three }, quorum: 2, list: ids.slice(0, 2), without: [] },
    ],
    ['wrong quorum', { setting: expecting(3), quorum: 2, list: [], without: [] }],
    ['wrong quorum', { setting: expecting(0), quorum: 0, list: [], without: [] }],
    ['wrong quorum', { ...sound, quorum: 2 }],
    ['wrong quorum', { ...sound, quorum: 3, without: [id(0)] }],
    ['wrong quorum', { setting: auto, quorum: 0, list: [], without: [] }],
  ])('%s (case %#)', (flaw, terms) => {
    expect(termsFlaw(terms)).toBe(flaw)
  })
})

describe('settings', () => {
  it('are the same when they decide alike', () => {
    fc.assert(fc.property(anySetting, (setting) => sameSetting(setting, structuredClone(setting))))
    expect(
      sameSetting({ mode: 'voters', voters: three }, { mode: 'voters', voters: three.toReversed() }),
    ).toBe(true)
  })

  it.each<[BootstrapSetting, BootstrapSetting]>([
    [expecting(2), expecting(3)],
    [expecting(3), tolerating(3, 0)],
    [tolerating(5, 1), tolerating(5, 2)],
    [tolerating(5, 1), tolerating(5, 1, 1)],
    [
      { mode: 'voters', voters: three },
      { mode: 'voters', voters: ids.slice(1, 4) },
    ],
    [{ mode: 'voters', voters: three }, auto],
  ])('%j and %j differ', (a, b) => {
    expect(sameSetting(a, b)).toBe(false)
    expect(sameSetting(b, a)).toBe(false)
  })

  it('have a line for people', () => {
    const settings = [
      expecting(1),
      expecting(3),
      tolerating(5, 1),
      { mode: 'voters' as const, voters: three },
      auto,
    ]
    expect(settings.map(describeSetting)).toEqual([
      'single',
      'expect 3',
      'expect 5, tolerate 1',
      'voters 3 named',
      'auto',
    ])
  })
})
