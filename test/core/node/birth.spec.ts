// Proves what may found a cluster: each refusal of `admitBirth` by itself, and over random views that `auto` never lets two
// lists through that one voter could not have seen to be nested.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { charterTerms } from '../../../src/core/consensus/terms.ts'
import type { MemberView } from '../../../src/core/model/member.ts'
import type { CharterTerms } from '../../../src/core/model/plan.ts'
import type { BootstrapSetting } from '../../../src/core/model/spec.ts'
import type { BirthSituation } from '../../../src/core/node/birth.ts'
import { admitBirth, birthElectors, offerBirth } from '../../../src/core/node/birth.ts'

const ids = ['a', 'b', 'c', 'd', 'e', 'f']
const auto: BootstrapSetting = { mode: 'auto' }
const three: BootstrapSetting = { mode: 'expect', expect: 3 }

/** A machine that is well, wants the same, and has a disk unless told otherwise. */
function member(nodeId: string, bootstrap: BootstrapSetting, durable = true, specHash = 's'): MemberView {
  const facts = { durable } as MemberView['record']['facts']
  const record = { nodeId, facts, left: false, bootstrap, specHash, plan: { generation: -1 } }
  return {
    liveness: 'alive',
    since: 0,
    record: record as unknown as MemberView['record'],
  }
}

function situation(seen: readonly string[], change: Partial<BirthSituation> = {}): BirthSituation {
  const setting = change.setting ?? auto
  const others = seen.filter((id) => id !== 'a').map((id) => member(id, setting))
  return {
    self: 'a',
    setting,
    specHash: 's',
    controlPlane: 1,
    durable: true,
    seen,
    view: { self: 'a', members: others },
    planHeard: false,
    holdMs: 0,
    without: [],
    ...change,
  }
}

const terms = (list: readonly string[], without: readonly string[] = []): CharterTerms =>
  charterTerms(auto, list, without)

function reasonOf(around: BirthSituation, offered: CharterTerms): string {
  const verdict = admitBirth(around, offered, 'b')
  return verdict.ok ? 'ok' : verdict.reason
}

describe('a voter at the birth', () => {
  const abc = ['a', 'b', 'c']
  const declared = charterTerms(three, [], [])
  const fleeting = { self: 'a', members: [member('b', auto), member('c', auto), member('d', auto, false)] }
  const stranger = { self: 'a', members: [member('b', auto, true, 'other'), member('c', auto)] }

  it.each<[string, BirthSituation, CharterTerms, string]>([
    ['knows just the list', situation(abc), terms(abc), 'ok'],
    ['knows less than the list', situation(['a']), terms(abc), 'ok'],
    ['knows more than the list', situation(ids), terms(abc), 'ViewNotInList'],
    ['knows one more, a mere live installer', situation([...abc, 'd'], { view: fleeting }), terms(abc), 'ok'],
    ['is a live installer itself', situation(abc, { durable: false }), terms(abc), 'NotInstalled'],
    ['heard of a certified plan', situation(abc, { planHeard: true }), terms(abc), 'PlanHeard'],
    ['has another setting', situation(abc, { setting: three }), terms(abc), 'BootstrapDiffers'],
    ['wants another cluster', situation(abc, { view: stranger }), terms(abc), 'SpecDiffers'],
    ['is offered two machines', situation(['a', 'b']), terms(['a', 'b']), 'TooFew'],
    ['is offered fewer than the control plane', situation(ids, { controlPlane: 7 }), terms(ids), 'TooFew'],
    ['knows no order to leave one out', situation(abc), terms(abc, ['c']), 'WithoutNotOrdered'],
    ['knows that order', situation(abc, { without: ['c'] }), terms(abc, ['c']), 'ok'],
    ['votes although `auto` still settles', situation(abc, { holdMs: 9 }), terms(abc), 'ok'],
    ['waits for its delay', situation(abc, { setting: three, holdMs: 9 }), declared, 'VotingNotEnabled'],
    ['has seen 2q - 1 machines', situation(ids.slice(0, 5), { setting: three }), declared, 'ok'],
    ['has seen 2q machines', situation(ids, { setting: three }), declared, 'TooManyIdentities'],
  ])('that %s', (_, around, offered, expected) => {
    expect(reasonOf(around, offered)).toBe(expected)
  })

  it('answers with its view where the list lacks a machine', () => {
    expect(admitBirth(situation(ids), terms(abc), 'b')).toMatchObject({ view: ids })
  })
})

describe('views and lists', () => {
  const view = fc.subarray(ids, { minLength: 1 }).map((some) => [...new Set(['a', ...some])].toSorted())

  it('admit exactly the lists of three or more that hold the whole view', () => {
    fc.assert(
      fc.property(view, fc.subarray(ids), (seen, list) => {
        const holds = seen.every((id) => list.includes(id))
        expect(reasonOf(situation(seen), terms(list)) === 'ok').toBe(holds && list.length >= 3)
      }),
    )
  })

  it('once admitted under two lists one after the other, the second holds the first', () => {
    fc.assert(
      fc.property(view, fc.subarray(ids), fc.subarray(ids), (seen, first, second) => {
        // As a voter does: it hears the list, then is asked whether it admits it.
        const once = [...new Set([...seen, ...first])].toSorted()
        const twice = [...new Set([...once, ...second])].toSorted()
        const both = [reasonOf(situation(once), terms(first)), reasonOf(situation(twice), terms(second))]
        if (both.every((reason) => reason === 'ok')) expect(second).toEqual(expect.arrayContaining(first))
      }),
    )
  })

  it('a machine admits what it offers, and asks all that may vote', () => {
    fc.assert(
      fc.property(view, (seen) => {
        const around = situation(seen)
        const offer = offerBirth(around)
        expect(offer.kind).toBe(seen.length >= 3 ? 'offer' : 'waiting')
        if (offer.kind !== 'offer') return
        expect(admitBirth(around, offer.terms, 'a')).toEqual({ ok: true })
        expect(birthElectors(around, offer.terms)).toEqual(seen)
      }),
    )
  })
})
