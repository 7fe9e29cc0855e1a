// Proves when a boot is a good one: by examples of what an image can and cannot be blamed for, and by properties: a
// machine that can do all it could before is good, and no loss that another image would not mend keeps it waiting.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { AgentHealth, HealthObservation } from '../../../src/core/install/health.ts'
import { baselineOf, judgeHealth } from '../../../src/core/install/health.ts'

const agent: AgentHealth = { connected: ['b', 'c'], k3sReady: true, servers: 3, serversAlive: 3, waiting: '' }
const well: HealthObservation = {
  configured: true,
  mounts: [{ path: '/config', fault: '', writable: true, freeShare: 0.5 }],
  wallClock: Date.UTC(2026, 0, 1),
  links: 1,
  linksOn: 1,
  linksUp: 1,
  addressed: true,
  routed: true,
  agent,
}
const before = baselineOf(well)
const state = (
  observation: HealthObservation,
  tier: string,
  baseline: typeof before | null = before,
): string | undefined => judgeHealth(observation, baseline).tiers.find((each) => each.tier === tier)?.state

describe('the first boot after the installation', () => {
  it('needs a disk and an agent, and neither others nor k3s', () => {
    const alone = { ...well, agent: { ...agent, connected: [], k3sReady: false } }
    expect(judgeHealth(alone, null).verdict).toBe('good')
    expect(judgeHealth({ ...alone, agent: undefined }, null).verdict).toBe('waiting')
    const readOnly = [{ path: '/config', fault: '', writable: false, freeShare: 0.5 }]
    expect(judgeHealth({ ...alone, mounts: readOnly }, null)).toMatchObject({
      verdict: 'waiting',
      awaited: 'machine: /config cannot be written to',
    })
  })

  it('is excused where the configuration keeps the agent from starting, for no other image would help', () => {
    const mute = { ...well, configured: false, agent: undefined }
    expect(judgeHealth(mute, null).verdict).toBe('excused')
    // The image of before could read it.
    expect(judgeHealth(mute, before).verdict).toBe('waiting')
  })
})

describe('a boot after an upgrade', () => {
  it('needs one of the machines known before, unless there were none', () => {
    expect(state({ ...well, agent: { ...agent, connected: ['stranger'] } }, 'network')).toBe('waiting')
    expect(state({ ...well, agent: { ...agent, connected: ['stranger', 'c'] } }, 'network')).toBe('good')
    const alone = baselineOf({ ...well, agent: { ...agent, connected: [] } })
    expect(state({ ...well, agent: { ...agent, connected: [] } }, 'network', alone)).toBe('good')
  })

  describe('of a machine that was alone', () => {
    const alone = { ...well, agent: { ...agent, connected: [], k3sReady: false } }
    const lonely = baselineOf(alone)
    const cut = { ...alone, linksUp: 0, addressed: false, routed: false }

    it('needs the carrier, the address and the default route that it had', () => {
      expect(judgeHealth(alone, lonely).verdict).toBe('good')
      expect(judgeHealth({ ...alone, routed: false }, lonely).awaited).toBe(
        'network: there is no default route, and there was one',
      )
      expect(judgeHealth({ ...alone, addressed: false, routed: false }, lonely).awaited).toBe(
        'network: no link has an address, and there was one; there is no default route, and there was one',
      )
      expect(judgeHealth({ ...cut, links: 0, linksOn: 0 }, lonely)).toMatchObject({
        verdict: 'waiting',
        awaited: expect.stringContaining('network: all 1 links are missing') as unknown,
      })
      // Left switched off: a cable would not be seen.
      expect(judgeHealth({ ...cut, linksOn: 0 }, lonely).verdict).toBe('waiting')
    })

    it('is excused where its cable is out, and asks for nothing that it did not have', () => {
      expect(judgeHealth(cut, lonely)).toMatchObject({
        verdict: 'excused',
        awaited: 'network: no link has a carrier: the cable or the switch is out',
      })
      expect(judgeHealth(cut, baselineOf(cut)).verdict).toBe('good')
      expect(judgeHealth(alone, baselineOf(cut)).verdict).toBe('good')
    })

    it('asks a baseline of an older version for links alone', () => {
      const old = { agent: true, peers: '', k3sReady: false, links: 1, full: '' }
      expect(judgeHealth(cut, old).verdict).toBe('good')
      expect(judgeHealth({ ...cut, links: 0, linksOn: 0 }, old).verdict).toBe('waiting')
      expect(judgeHealth(cut, { links: 'many', linksUp: '1' }).verdict).toBe('good')
    })
  })

  it('is excused without a carrier, and not without the link itself', () => {
    const silent = { ...well, linksUp: 0, agent: { ...agent, connected: [], k3sReady: false } }
    expect(judgeHealth(silent, before).verdict).toBe('excused')
    // An image that leaves the link switched off would not see a cable either.
    expect(judgeHealth({ ...silent, linksOn: 0 }, before).verdict).toBe('waiting')
    expect(judgeHealth({ ...silent, links: 0 }, before)).toMatchObject({
      verdict: 'waiting',
      awaited: expect.stringContaining('1 of 1 links are missing'),
    })
  })

  it('needs k3s only if it was ready before, and is excused without a majority of servers', () => {
    const waiting = { ...well, agent: { ...agent, k3sReady: false, waiting: 'etcd has no leader' } }
    expect(judgeHealth(waiting, before).awaited).toBe(
      'k3s: k3s was ready before and is not yet: etcd has no leader',
    )
    expect(judgeHealth(waiting, baselineOf(waiting)).verdict).toBe('good')
    expect(state({ ...waiting, agent: { ...waiting.agent, serversAlive: 1 } }, 'k3s')).toBe('excused')
  })

  it('is not good where a partition is not mounted, though its directory can be written to', () => {
    const [fault, path] = ['nothing is mounted there', '/persist']
    const lost = { ...well, mounts: [{ path, fault, writable: true, freeShare: 0.5 }] }
    for (const baseline of [null, before, baselineOf(lost)]) {
      expect(judgeHealth(lost, baseline)).toMatchObject({
        verdict: 'waiting',
        awaited:
          'machine: /persist is not mounted: nothing is mounted there; `journalctl -k -g muster` says why',
      })
    }
  })

  it('is not blamed for a disk that was full before, nor for a clock that nobody set', () => {
    const full = {
      ...well,
      mounts: [{ path: '/persist', fault: '', writable: true, freeShare: 0.001 }],
      wallClock: 86_400_000,
    }
    expect(state(full, 'machine')).toBe('waiting')
    expect(state(full, 'machine', baselineOf(full))).toBe('good')
    expect(judgeHealth(full, baselineOf(full)).tiers[0]?.reasons).toContain(
      'the clock is not set, which is no failure',
    )
  })
})

describe('for every machine', () => {
  const observations: fc.Arbitrary<HealthObservation> = fc.record({
    configured: fc.boolean(),
    mounts: fc.array(
      fc.record({
        path: fc.constantFrom('/config', '/persist'),
        fault: fc.constantFrom('', 'nothing is mounted there'),
        writable: fc.boolean(),
        freeShare: fc.double({ min: 0, max: 1, noNaN: true }),
      }),
      { maxLength: 3 },
    ),
    wallClock: fc.integer({ min: 0, max: 2_000_000_000_000 }),
    links: fc.nat(3),
    linksOn: fc.nat(3),
    linksUp: fc.nat(3),
    addressed: fc.boolean(),
    routed: fc.boolean(),
    agent: fc.option(
      fc.record({
        connected: fc.uniqueArray(fc.constantFrom('a', 'b', 'c', 'd'), { maxLength: 4 }),
        k3sReady: fc.boolean(),
        servers: fc.nat(3),
        serversAlive: fc.nat(3),
        waiting: fc.constant(''),
      }),
      { nil: undefined },
    ),
  })

  const isKept = ({ mounts }: HealthObservation): boolean =>
    mounts.every(({ fault, writable }) => fault === '' && writable)

  it('one that is as it was before is good, if it can be written to and its agent answers', () => {
    fc.assert(
      fc.property(observations, (observation) => {
        fc.pre(observation.agent !== undefined && isKept(observation))
        expect(judgeHealth(observation, baselineOf(observation)).verdict).toBe('good')
      }),
    )
  })

  it('what is awaited is named, and nothing is awaited where all is good', () => {
    fc.assert(
      fc.property(observations, fc.option(observations), (observation, earlier) => {
        const { verdict, awaited, tiers } = judgeHealth(
          observation,
          earlier === null ? null : baselineOf(earlier),
        )
        expect(awaited === '').toBe(verdict === 'good')
        expect(tiers.every(({ reasons }) => reasons.length > 0)).toBe(true)
      }),
    )
  })

  it('a machine that cannot keep its state, or lost its agent with the upgrade, is never good nor excused', () => {
    fc.assert(
      fc.property(observations, observations, (observation, earlier) => {
        const baseline = { ...baselineOf(earlier), agent: true }
        fc.pre(observation.agent === undefined || !isKept(observation))
        expect(judgeHealth(observation, baseline).verdict).toBe('waiting')
      }),
    )
  })
})
