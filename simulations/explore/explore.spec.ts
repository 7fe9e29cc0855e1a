// Proves the production steps by exhaustive search of small clusters, the search by violations that it must find, and
// its reductions by comparing what they reach with what a search without them reaches.
import { describe, expect, it } from 'vitest'
import { decisionMachine } from './paxos/machine.ts'
import type { Rules } from './paxos/rules.ts'
import { setUp } from './paxos/setup.ts'
import type { State } from './paxos/state.ts'
import { keyOf } from './paxos/state.ts'
import { scenarios } from './scenarios.ts'
import { search } from './search.ts'
import { charterOf, grantTo } from './site.ts'

const scale = Number(process.env['MUSTER_TEST_TIME_FACTOR'] ?? '1')

describe('the explorer', () => {
  it.each(scenarios.filter((one) => !one.slow))(
    '$name: $expected',
    ({ expected, explore }) => {
      const { violation, exhaustive } = explore()
      expect(violation?.what.split(':', 1)[0] ?? 'safe').toBe(expected)
      expect(exhaustive).toBe(expected === 'safe')
      expect(violation?.trace.length).toBe(violation?.depth)
    },
    120_000 * scale,
  )

  it('does not call a search exhaustive that met its limit', () => {
    const machine = decisionMachine(rivals({ ballots: ['0a', '1b'] }))
    expect(search(machine, 50)).toMatchObject({ states: 50, exhaustive: false, violation: undefined })
  })
})

describe('the reductions', () => {
  const bounds: readonly Partial<Rules>[] = [
    { ballots: ['0a', '1b'] },
    { ballots: ['0a', '0b'], faults: { restarts: 1 } },
    { ballots: ['0a', '1b'], faults: { wipes: 1 } },
    { ballots: ['0a', '1b'], without: 'adoption' },
  ]

  it.each(bounds)('reach the same votes, and the same verdict, with $ballots $faults $without', (some) => {
    const reduced = reachOf(rivals(some))
    const whole = reachOf(rivals({ ...some, unreduced: true }))
    expect(reduced.verdict).toBe(whole.verdict)
    expect(whole.states).toBeGreaterThan(2 * reduced.states)
    if (whole.verdict !== 'safe') return
    expect(reduced.votes.size).toBeGreaterThan(20)
    expect([...reduced.votes].toSorted()).toEqual([...whole.votes].toSorted())
  })
})

function rivals(some: Partial<Rules>): Rules {
  const charter = charterOf(['a', 'b', 'c'], 'c0')
  const plans = ['a', 'b'].map((initialiser) => grantTo(charter, [initialiser]))
  const drafts = (ballot: number) => plans.slice(ballot, ballot + 1)
  return {
    acceptors: 'abc',
    ballots: ['0a', '1b'],
    decision: { kind: 'successor', chain: [charter], drafts },
    ...some,
  }
}

/** What a search reaches: its verdict, and every combination of registers, votes and proposals, names apart. */
function reachOf(rules: Rules): { verdict: string; states: number; votes: ReadonlySet<string> } {
  const votes = new Set<string>()
  const { unreduced: _, ...plain } = rules
  const setup = setUp(plain)
  const { states, violation } = search(decisionMachine(rules), undefined, (state: State) => {
    const bare = state.acceptors.map((one) => ({ ...one, key: one.key.replace(/<[^,>]*/g, '') }))
    votes.add(keyOf(setup, { ...state, acceptors: bare }))
  })
  return { verdict: violation?.what ?? 'safe', states, votes }
}
