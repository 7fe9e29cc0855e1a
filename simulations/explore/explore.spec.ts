// Proves the consensus code by exhaustive search of small clusters, and proves the search by violations that it must find.
import { describe, expect, it } from 'vitest'
import { scenarios } from './scenarios.ts'
import { search } from './search.ts'

describe('the explorer', () => {
  for (const { name, expected, quick, rules } of scenarios) {
    if (!quick) continue
    it(name, () => {
      const { violation, exhaustive } = search(rules)
      if (expected === 'safe')
        expect({ violation, exhaustive }).toEqual({ violation: undefined, exhaustive: true })
      else expect(violation).toBeDefined()
    })
  }
})
