// Proves S3, S4, S5, S13 and S14 over random histories: five machines with a modelled k3s and etcd follow
// `decideK3s` through crashes between persisting and acting, lost data, revocations and changes of role.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { nodes } from './support.ts'
import type { Event } from './world.ts'
import { World } from './world.ts'

const node = fc.constantFrom(...nodes)
const event: fc.Arbitrary<Event> = fc.oneof(
  { weight: 30, arbitrary: fc.record({ kind: fc.constant('turn' as const), node, crash: fc.boolean() }) },
  {
    weight: 30,
    arbitrary: fc.record({ kind: fc.constant('turn' as const), node, crash: fc.constant(false) }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('crash' as const), node }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('wipe' as const), node }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('revoke' as const), by: fc.nat(4) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('demote' as const) }) },
)

describe('random histories', () => {
  it('break no invariant, and do meet revocations, activations and removals', () => {
    const met = { active: 0, cleared: 0, removed: 0, revoked: 0 }
    fc.assert(
      fc.property(fc.array(event, { minLength: 20, maxLength: 250 }), (events) => {
        const world = new World()
        for (const entry of events) world.apply(entry)
        met.active += world.activeGrants.length
        met.cleared += world.cleared
        met.removed += world.plan.header.openChange === null ? 0 : 1
        met.revoked += world.grant.number > 1 ? 1 : 0
      }),
      { numRuns: 400, seed: 11 },
    )
    for (const [what, times] of Object.entries(met)) expect(times, what).toBeGreaterThan(0)
  })

  it('end with every node ready if no data are lost', () => {
    const gentle = event.filter((entry) => entry.kind !== 'wipe')
    fc.assert(
      fc.property(fc.array(gentle, { maxLength: 150 }), (events) => {
        const world = new World()
        for (const entry of events) world.apply(entry)
        world.settle()
        const { phase, openChange } = world.plan.header
        expect(phase).toBe('active')
        const voters = world.etcd.get(world.grant.number)?.map((member) => member.address)
        const servers = world.plan.body.assignments.filter((entry) => entry.role === 'control-plane')
        expect(voters?.toSorted()).toEqual(servers.map((server) => server.address4).toSorted())
        for (const id of nodes) {
          const server = servers.some((entry) => entry.nodeId === id)
          expect(world.machine(id).unit, `${id} with ${openChange?.kind ?? 'no'} change`).toMatch(
            server ? /^server/ : /^agent$/,
          )
          expect(world.machine(id).access).toBe('all')
        }
      }),
      { numRuns: 200, seed: 12 },
    )
  })
})
