// Proves that a restarted voter votes only when enough others remember no more of it than its disk, case by case.
import { describe, expect, it } from 'vitest'

import { emptyRegister } from '../../../src/core/consensus/register.ts'
import { VoteCheck } from '../../../src/core/consensus/vote-check.ts'
import type { VoteStamp } from '../../../src/core/model/message.ts'
import { id, ids } from './decisions.ts'

const mine: VoteStamp = { bootCounter: 4, voteSequence: 9 }
const older: VoteStamp = { bootCounter: 3, voteSequence: 9 }
const register = { ...emptyRegister(1, 'f'.repeat(64)), voteSequence: mine.voteSequence }

function restarted(): VoteCheck {
  return new VoteCheck(id(0), mine.bootCounter, register)
}

describe('a voter that restarted', () => {
  it.each([
    [1, 0],
    [2, 1],
    [3, 1],
    [4, 2],
    [5, 2],
    [7, 3],
  ])('of %i voters needs the word of %i others', (count, need) => {
    const voters = Array.from({ length: count }, (_, index) => `v${index}`)
    const check = new VoteCheck('v0', mine.bootCounter, register)
    for (let have = 0; have < need; have++) {
      expect(check.mayVote(voters)).toBe(false)
      expect(check.progress(voters)).toEqual({ have, need })
      expect(check.answered(`v${have + 1}`, mine, older, voters, mine.voteSequence)).toBeUndefined()
    }
    expect(check.mayVote(voters)).toBe(true)
    expect(check.progress(voters)).toBeUndefined()
  })

  it('is content with others that never heard a vote of it', () => {
    const check = restarted()
    check.answered(id(1), mine, { bootCounter: 0, voteSequence: 0 }, ids, mine.voteSequence)
    check.answered(id(2), mine, { bootCounter: 0, voteSequence: 0 }, ids, mine.voteSequence)
    check.answered(id(3), mine, older, ids, mine.voteSequence)
    expect(check.mayVote(ids)).toBe(true)
  })

  it('asks the other voters that have not answered, until it has enough', () => {
    const voters = ids.slice(0, 5)
    const check = restarted()
    const asked = (): readonly string[] => ids.filter((one) => check.asks(one, voters))
    expect(check.question()).toEqual({ kind: 'vote-check', stamp: mine })
    expect(asked()).toEqual(ids.slice(1, 5))
    check.answered(id(2), mine, older, voters, mine.voteSequence)
    expect(asked()).toEqual([id(1), id(3), id(4)])
    check.answered(id(3), mine, older, voters, mine.voteSequence)
    expect(asked()).toEqual([])
  })

  it.each<[string, string, VoteStamp, VoteStamp]>([
    ['an answer to an older question', id(1), { ...mine, bootCounter: 3 }, older],
    ['its own word', id(0), mine, older],
    ['the word of a stranger', id(5), mine, older],
    ['the second word of one voter', id(2), mine, older],
  ])('does not count %s', (_, from, asked, known) => {
    const voters = ids.slice(0, 5)
    const check = restarted()
    check.answered(id(2), mine, older, voters, mine.voteSequence)
    expect(check.answered(from, asked, known, voters, mine.voteSequence)).toBeUndefined()
    expect(check.progress(voters)).toEqual({ have: 1, need: 2 })
  })
})

describe('a disk is older than what others remember', () => {
  it.each<[string, VoteStamp]>([
    ['a vote that is not on it', { bootCounter: 3, voteSequence: 10 }],
    ['this very boot', { bootCounter: 4, voteSequence: 9 }],
    ['a later boot', { bootCounter: 5, voteSequence: 2 }],
  ])('by %s: its voter never votes again in this boot', (_, known) => {
    const voters = ids.slice(0, 3)
    const check = restarted()
    expect(check.answered(id(1), mine, known, voters, mine.voteSequence)).toContain(
      `boot ${known.bootCounter}`,
    )
    expect(check.rolledBack).toBe(true)
    check.answered(id(2), mine, older, voters, mine.voteSequence)
    expect(check.mayVote(voters)).toBe(false)
  })

  it('is found although others had confirmed it', () => {
    const voters = ids.slice(0, 3)
    const check = restarted()
    check.answered(id(1), mine, older, voters, mine.voteSequence)
    expect(check.mayVote(voters)).toBe(true)
    check.answered(id(2), mine, { bootCounter: 3, voteSequence: 10 }, voters, mine.voteSequence)
    expect(check.mayVote(voters)).toBe(false)
  })

  it('is not said because of a stranger or an old answer', () => {
    const check = restarted()
    const known = { bootCounter: 9, voteSequence: 99 }
    expect(check.answered(id(5), mine, known, ids.slice(0, 3), mine.voteSequence)).toBeUndefined()
    expect(check.answered(id(1), older, known, ids.slice(0, 3), mine.voteSequence)).toBeUndefined()
    expect(check.rolledBack).toBe(false)
  })
})

describe('a voter that voted for the charter in this boot', () => {
  const voters = ids.slice(0, 3)

  it.each<[string, VoteStamp]>([
    ['its first vote of this boot', { bootCounter: 4, voteSequence: 10 }],
    ['its last one', { bootCounter: 4, voteSequence: 12 }],
    ['what it said before', older],
  ])('is content with others that remember %s', (_, known) => {
    const check = restarted()
    expect(check.answered(id(1), mine, known, voters, 12)).toBeUndefined()
    expect(check.mayVote(voters)).toBe(true)
  })

  it.each<[string, VoteStamp]>([
    ['votes of this boot that it did not cast', { bootCounter: 4, voteSequence: 13 }],
    ['votes of an earlier boot that are not on its disk', { bootCounter: 3, voteSequence: 10 }],
    ['a later boot', { bootCounter: 5, voteSequence: 1 }],
  ])('still finds out by %s', (_, known) => {
    const check = restarted()
    expect(check.answered(id(1), mine, known, voters, 12)).toContain('a voter remembers')
    expect(check.mayVote(voters)).toBe(false)
  })
})

describe('a voter asks nobody', () => {
  it('at its first boot', () => {
    const check = new VoteCheck(id(0), 1, undefined)
    expect(check.mayVote(ids)).toBe(true)
    expect(check.asks(id(1), ids)).toBe(false)
  })

  it('while it is no voter', () => {
    const check = restarted()
    expect(check.progress(ids.slice(1))).toBeUndefined()
    expect(check.asks(id(1), ids.slice(1))).toBe(false)
  })
})
