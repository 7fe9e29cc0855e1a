// Proves by random histories of machines that come, die, return and leave: every plan is acceptable to a voter,
// changes the control plane by one node at most, keeps names and addresses for life, and planning comes to rest.
import fc from 'fast-check'
import { expect, it } from 'vitest'

import type { ClusterPlan } from '../../../src/core/model/plan.ts'
import { defaultSpec } from '../../../src/core/model/spec.ts'
import { Site, node } from './site.ts'

type Happening =
  | { readonly kind: 'join' | 'die' | 'return' | 'leave'; readonly who: number }
  | { readonly kind: 'order'; readonly controlPlane: number }

const happening: fc.Arbitrary<Happening> = fc.oneof(
  fc.record({
    kind: fc.constantFrom('join', 'die', 'return', 'leave'),
    who: fc.integer({ min: 1, max: 12 }),
  }),
  fc.record({ kind: fc.constant('order'), controlPlane: fc.integer({ min: 1, max: 7 }) }),
)

/** Keeps most machines alive, as the protocol promises progress only then. */
function apply(site: Site, incarnations: Map<string, number>, what: Happening): void {
  if (what.kind === 'order') return site.order({ ...defaultSpec, controlPlane: what.controlPlane })
  const id = node(what.who)
  const known = site.view().members.find((member) => member.record.nodeId === id)
  const alive = known?.liveness === 'alive'
  if (what.kind === 'join' && known === undefined) site.set(id, {})
  if (what.kind === 'die' && alive) site.kill(id)
  if (what.kind === 'leave' && alive) site.leave(id)
  if (what.kind === 'return' && known !== undefined && !alive) {
    const incarnation = (incarnations.get(id) ?? 1) + 1
    incarnations.set(id, incarnation)
    site.set(id, { liveness: 'alive', left: false, since: 0, incarnation })
  }
}

function servers(plan: ClusterPlan): readonly string[] {
  return plan.body.assignments.filter((one) => one.role === 'control-plane').map((one) => one.nodeId)
}

it('holds over random histories', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 5 }),
      fc.array(happening, { maxLength: 25 }),
      (machines, history) => {
        const site = new Site(machines).born()
        const incarnations = new Map<string, number>()
        site.settle()
        for (const what of history) {
          apply(site, incarnations, what)
          site.settle()
        }
        const lastOf = new Map<string, string>()
        for (const [index, plan] of site.history.entries()) {
          const before = site.history[index - 1]
          if (before?.header.phase === 'active') {
            const gained = servers(plan).filter((id) => !servers(before).includes(id))
            const lost = servers(before).filter((id) => !servers(plan).includes(id))
            expect(gained.length).toBeLessThanOrEqual(1)
            expect(lost.length).toBeLessThanOrEqual(1)
          }
          for (const one of plan.body.assignments) {
            const now = `${one.name} ${one.address4}`
            expect(lastOf.get(one.nodeId) ?? now).toBe(now)
            lastOf.set(one.nodeId, now)
          }
          for (const one of plan.body.retired) lastOf.set(one.nodeId, `${one.name} ${one.address4}`)
          for (const [id] of lastOf) {
            const known = [...plan.body.assignments, ...plan.body.retired].some((one) => one.nodeId === id)
            expect(known).toBe(true)
          }
        }
        // At rest the same question has the same answer.
        expect(site.next()).toEqual(site.next())
        expect(site.next().kind).toBe('nothing')
      },
    ),
    { numRuns: 60 },
  )
})

it('gives one answer for any order of members and statements', () => {
  const site = new Site(10, { controlPlane: 5 }).born()
  site.settle()
  site.kill(site.servers()[0] as string)
  site.leave(node(10))
  site.set(node(20), {})
  site.report()
  const expected = site.next()
  expect(expected.kind).toBe('propose')
  const { self, members } = site.view()
  fc.assert(
    fc.property(
      fc.shuffledSubarray([...members], { minLength: members.length }),
      fc.shuffledSubarray(site.statements, { minLength: site.statements.length }),
      (shuffled, statements) => {
        expect(site.next({ view: { self, members: shuffled }, statements })).toEqual(expected)
      },
    ),
    { numRuns: 50 },
  )
})

it('serves a thousand machines that wait in one plan', () => {
  const site = new Site(3).born()
  site.settle()
  for (let number = 10; number < 1_010; number++) site.set(node(number), {})
  const planned = site.next()
  if (planned.kind !== 'propose') throw new Error('nobody was served')
  site.certify(planned.plan)
  expect(site.certified().plan.body.assignments).toHaveLength(1_003)
})

it('serves the same machines from a small prefix, whatever their order', () => {
  const site = new Site(3, { addresses: { ipv4: '10.144.0.0/28' } }).born()
  for (let number = 4; number <= 30; number++) site.set(node(number), {})
  const expected = site.next()
  if (expected.kind !== 'propose') throw new Error('nobody was served')
  const served = expected.plan.body.assignments.length
  expect(served).toBeGreaterThan(3)
  expect(served).toBeLessThan(16)
  const { self, members } = site.view()
  fc.assert(
    fc.property(fc.shuffledSubarray([...members], { minLength: members.length }), (shuffled) => {
      expect(site.next({ view: { self, members: shuffled } })).toEqual(expected)
    }),
    { numRuns: 20 },
  )
})
