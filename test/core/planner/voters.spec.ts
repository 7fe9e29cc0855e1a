// Proves how voters follow one another, on hand-made candidates: who votes stays, the dead are replaced while a
// majority lives, the number grows to the next odd one and never falls because a node died.
import { describe, expect, it } from 'vitest'

import type { Candidate } from '../../../src/core/planner/fitness.ts'
import { nextVoters, voterForInitialiser } from '../../../src/core/planner/voters.ts'

function candidateOf(id: string): Candidate {
  return { id, zone: id[0] ?? '', tier: 0, rank: id }
}

interface Situation {
  readonly current: string
  readonly dead?: string
  readonly retired?: string
  readonly spares?: string
}

/** Ids are words; the first letter is the zone. Dead and retired voters are not present. */
function next({ current, dead = '', retired = '', spares = '' }: Situation): string {
  const words = (text: string): string[] => text.split(' ').filter((word) => word !== '')
  const gone = new Set([...words(dead), ...words(retired)])
  const { voters } = nextVoters({
    current: words(current),
    dead: new Set(words(dead)),
    retired: new Set(words(retired)),
    candidateOf,
    isPresent: (id) => !gone.has(id),
    spares: words(spares).map(candidateOf),
  })
  return voters.join(' ')
}

describe('voters', () => {
  it.each<[string, Situation, string]>([
    ['stay while nothing happens', { current: 'a1 b1 c1' }, 'a1 b1 c1'],
    [
      'stay although a fitter zone is free, with one spare',
      { current: 'a1 a2 a3', spares: 'b1' },
      'a1 a2 a3',
    ],
    ['grow by two to the next odd number', { current: 'a1 b1 c1', spares: 'd1 e1' }, 'a1 b1 c1 d1 e1'],
    ['grow from two to three', { current: 'a1 b1', spares: 'c1' }, 'a1 b1 c1'],
    ['stay at one with a single spare', { current: 'a1', spares: 'b1' }, 'a1'],
    ['grow to no more than seven', { current: 'a b c d e f g', spares: 'h i j k' }, 'a b c d e f g'],
    ['grow into other zones first', { current: 'a1', spares: 'a2 a3 b1 c1' }, 'a1 a2 a3 b1 c1'],
    ['replace a dead one', { current: 'a1 b1 c1', dead: 'b1', spares: 'd1' }, 'a1 c1 d1'],
    ['replace a dead one in its zone', { current: 'a1 b1 c1', dead: 'b1', spares: 'a2 b2' }, 'a1 b2 c1'],
    ['keep a dead one that nobody can replace', { current: 'a1 b1 c1', dead: 'b1' }, 'a1 b1 c1'],
    ['shrink to two when one of three leaves', { current: 'a1 b1 c1', retired: 'b1' }, 'a1 c1'],
    ['shrink to three when one of five leaves', { current: 'a b c d e', retired: 'b' }, 'a c d'],
    ['become one when one of two leaves', { current: 'a b', retired: 'b' }, 'a'],
    ['leave nobody behind with a silent one', { current: 'a b c', retired: 'b', dead: 'c' }, 'a'],
    ['stay two when one of two is dead', { current: 'a b', dead: 'b' }, 'a b'],
    ['do not shrink when a leaver has an heir', { current: 'a b c', retired: 'b', spares: 'd' }, 'a c d'],
    [
      'do not change where no majority would live',
      { current: 'a b c d e', dead: 'a b c d', spares: 'f' },
      'a b c d e',
    ],
  ])('%s', (_what, situation, expected) => {
    expect(next(situation)).toBe(expected)
  })
})

it('makes room for a machine that can make the cluster, and only for such a one', () => {
  expect(voterForInitialiser(['a', 'b', 'c'], candidateOf, [candidateOf('d')])).toEqual(['a', 'b', 'd'])
  expect(voterForInitialiser(['a', 'b', 'c'], candidateOf, [])).toBeUndefined()
})
