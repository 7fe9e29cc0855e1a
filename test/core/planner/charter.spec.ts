// Proves what the first plan holds: voters, team, names and addresses, on hand-made sites and, by properties,
// whatever the order in which machines are known.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import type { ClusterPlan } from '../../../src/core/model/plan.ts'
import { defaultSpec } from '../../../src/core/model/spec.ts'
import { planCharter } from '../../../src/core/planner/charter.ts'
import { hostnameSlug } from '../../../src/core/planner/names.ts'
import { Site, clusterId, crypto, networkId, node, nodes, operatorKey, prefix6 } from './site.ts'

function charterOf(site: Site, promisers?: readonly string[]): ClusterPlan {
  const result = site.charter(promisers)
  if (result.kind === 'refused') throw new Error(result.message)
  return result.plan
}

describe('voters of the charter', () => {
  it.each([
    [1, 1],
    [2, 2],
    [3, 3],
    [4, 3],
    [6, 5],
    [7, 7],
    [10, 7],
  ])('of %i machines that promised, %i decide', (machines, voters) => {
    expect(charterOf(new Site(machines)).header.voters).toHaveLength(voters)
  })

  it('promised, all of them, although more machines wait', () => {
    const promisers = [node(2), node(5), node(9)]
    const plan = charterOf(new Site(10), promisers)
    expect(plan.header.voters).toEqual(promisers)
    expect(plan.body.assignments.map((one) => one.nodeId)).toEqual(nodes(10))
  })

  it('are spread over zones', () => {
    const zoneOf = (id: string): string => (nodes(7).includes(id) ? 'a' : node(8) === id ? 'b' : 'c')
    const plan = charterOf(
      new Site(9, {}, (id) => ({ zone: zoneOf(id) })),
      [node(1), node(2), node(3), node(8), node(9)].toSorted(),
    )
    expect(plan.header.voters).toContain(node(8))
    expect(plan.header.voters).toContain(node(9))
    const servers = plan.body.assignments
      .filter((one) => one.role === 'control-plane')
      .map((one) => zoneOf(one.nodeId))
    expect(servers.toSorted()).toEqual(['a', 'b', 'c'])
  })

  it('include a machine that can make the cluster, whatever its zone', () => {
    const site = new Site(9, {}, (id) => ({
      roles: id === node(9) ? ['control-plane', 'worker'] : ['worker'],
      zone: 'z',
    }))
    expect(charterOf(site).header.voters).toContain(node(9))
  })
})

describe('control plane of the charter', () => {
  it('takes the machines that carry it best', () => {
    const small = { cpus: 1, memoryMiB: 512 }
    const site = new Site(6, {}, (id) => ([node(2), node(4), node(6)].includes(id) ? {} : small))
    const servers = charterOf(site).body.assignments.filter((one) => one.role === 'control-plane')
    expect(servers.map((one) => one.nodeId)).toEqual([node(2), node(4), node(6)])
  })

  it('leaves out a live installer', () => {
    const site = new Site(3)
    site.set(node(4), { facts: { durable: false } })
    expect(charterOf(site, nodes(3)).body.assignments).toHaveLength(3)
  })
})

describe('names', () => {
  it('are the hostnames where those are unique', () => {
    const site = new Site(2, {}, (id) => ({ hostname: id === node(1) ? 'Rack1.Site_A' : 'edge-2' }))
    expect(charterOf(site).body.assignments.map((one) => one.name)).toEqual(['rack1-site-a', 'edge-2'])
  })

  it('tell two hosts with one hostname apart, also one that comes later', () => {
    const site = new Site(2, {}, () => ({ hostname: 'kairos' })).born()
    site.set(node(3), { facts: { hostname: 'kairos' } })
    site.settle()
    const names = site.certified().plan.body.assignments.map((one) => one.name)
    expect(new Set(names).size).toBe(3)
    for (const name of names) expect(name).toMatch(/^kairos-[a-z0-9]{8}$/)
  })

  it('are labels of RFC 1123 for any hostname', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 300 }), (hostname) => {
        expect(hostnameSlug(hostname)).toMatch(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/)
      }),
    )
  })
})

describe('refusals', () => {
  it('name the machine and the network that the overlay overlaps', () => {
    const site = new Site(3, {}, (id) => ({
      localNetworks: id === node(2) ? ['10.144.7.0/24'] : ['192.168.1.0/24'],
    }))
    const result = site.charter()
    expect(result).toMatchObject({ kind: 'refused', reason: 'AddressOverlap' })
    if (result.kind === 'refused') expect(result.message).toMatch(/10\.144\.7\.0\/24.*host-/)
  })

  it('name the range of k3s that the overlay overlaps', () => {
    expect(new Site(3, { addresses: { ipv4: '10.42.128.0/20' } }).charter()).toMatchObject({
      reason: 'AddressOverlap',
    })
  })

  it('come for a prefix that is too small, and for nobody', () => {
    expect(new Site(9, { addresses: { ipv4: '10.144.0.0/29' } }).charter()).toMatchObject({
      reason: 'AddressPoolFull',
    })
    expect(new Site(3).charter([])).toMatchObject({ reason: 'NoVoters' })
  })
})

it('is the same plan for any order of machines and promises', () => {
  const site = new Site(10, {}, (id) => ({ zone: id.charCodeAt(id.length - 1) % 2 === 0 ? 'a' : 'b' }))
  const expected = charterOf(site)
  const { members } = site.view()
  fc.assert(
    fc.property(
      fc.shuffledSubarray([...members], { minLength: members.length }),
      fc.shuffledSubarray(nodes(10), { minLength: 10 }),
      (shuffled, promisers) => {
        const result = planCharter({
          self: node(1),
          networkId,
          crypto,
          view: { self: node(1), members: shuffled },
          now: 1,
          graceUntil: 0,
          spec: defaultSpec,
          operatorKey,
          prefix6,
          clusterId,
          promisers,
        })
        expect(result).toEqual({ kind: 'plan', plan: expected })
      },
    ),
    { numRuns: 50 },
  )
})
