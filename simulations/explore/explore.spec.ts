// Proves the consensus code by exhaustive search of small clusters, and proves the search by violations that it must find.
import { describe, expect, it } from 'vitest'
import { scenarios } from './scenarios.ts'
import { search } from './search.ts'

describe('the explorer', () => {
  it.each(scenarios.filter((scenario) => scenario.quick))('$name: $expected', ({ expected, rules }) => {
    const { violation, exhaustive } = search(rules)
    expect(violation === undefined ? 'safe' : 'violation').toBe(expected)
    expect(exhaustive).toBe(expected === 'safe')
  })
})
