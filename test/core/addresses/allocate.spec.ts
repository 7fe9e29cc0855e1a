// Proves the promises of IPv4 allocation on random requests: unique, sticky, inside the prefix, the same for
// any order of the input, complete up to the prefix's capacity.
import { createHash } from 'node:crypto'
import fc from 'fast-check'
import ipaddr from 'ipaddr.js'
import { describe, expect, it } from 'vitest'
import type { Allocate4Request, Allocate4Result } from '../../../src/core/addresses/allocate.ts'
import { allocate4, capacity4 } from '../../../src/core/addresses/allocate.ts'

const hash = (nodeId: string): string => createHash('sha256').update(nodeId).digest('hex')

const ids = fc.uniqueArray(fc.stringMatching(/^[a-f]{1,4}$/), { maxLength: 60, size: 'max' })
const prefixes = fc.constantFrom('10.144.0.0/16', '192.168.0.0/24', '10.9.0.0/27', '172.16.4.0/23')

const requests: fc.Arbitrary<Allocate4Request> = fc
  .tuple(prefixes, ids, ids, fc.nat({ max: 1_000 }))
  .map(([prefix, wanted, others, skip]) => {
    const first = allocate4({ prefix, taken: [], held: [], wanted: others, hash })
    const all = first.kind === 'assigned' ? first.assignments : []
    return {
      prefix,
      taken: all
        .filter((_, index) => (index + skip) % 3 !== 0)
        .map(({ nodeId, address }) => ({ nodeId, address })),
      held: all.filter((_, index) => (index + skip) % 3 === 0).map(({ address }) => address),
      wanted,
      hash,
    }
  })

function assigned(result: Allocate4Result): Extract<Allocate4Result, { kind: 'assigned' }>['assignments'] {
  if (result.kind !== 'assigned') throw new Error(result.reason)
  return result.assignments
}

describe('allocate4', () => {
  it('gives every waiting node one address of its own, or says how many are missing', () => {
    let exhausted = 0
    fc.assert(
      fc.property(requests, (request) => {
        const result = allocate4(request)
        const known = new Set(request.taken.map(({ nodeId }) => nodeId))
        const newcomers = request.wanted.filter((nodeId) => !known.has(nodeId)).length
        const free = capacity4(request.prefix) - request.taken.length - request.held.length
        if (result.kind === 'exhausted') {
          exhausted += 1
          expect(result.missing).toBe(newcomers - free)
          return
        }
        expect(newcomers).toBeLessThanOrEqual(free)
        expect(result.assignments.map(({ nodeId }) => nodeId)).toEqual(request.wanted.toSorted())
        const others = request.taken.filter(({ nodeId }) => !request.wanted.includes(nodeId))
        const all = [...result.assignments, ...others].map(({ address }) => address)
        expect(new Set(all).size).toBe(all.length)
        for (const { nodeId, address } of result.assignments) {
          if (known.has(nodeId)) continue
          expect(request.held).not.toContain(address)
          expect(ipaddr.IPv4.parse(address).match(ipaddr.IPv4.parseCIDR(request.prefix))).toBe(true)
          expect(address).not.toMatch(/\.(0|255)$/)
          expect(address).not.toBe(ipaddr.IPv4.broadcastAddressFromCIDR(request.prefix).toString())
        }
      }),
      { numRuns: 300 },
    )
    expect(exhausted).toBeGreaterThan(0)
  })

  it('never moves a node that has an address', () => {
    fc.assert(
      fc.property(requests, (request) => {
        const wanted = [...new Set([...request.wanted, ...request.taken.map(({ nodeId }) => nodeId)])]
        const result = allocate4({ ...request, wanted })
        if (result.kind === 'exhausted') return
        for (const { nodeId, address } of request.taken) {
          expect(result.assignments.find((line) => line.nodeId === nodeId)?.address).toBe(address)
        }
      }),
    )
  })

  it('gives the same answer whatever the order of the input, and repeats', () => {
    fc.assert(
      fc.property(requests, fc.func(fc.integer()), (request, weight) => {
        const shuffle = <T>(items: readonly T[]): T[] => items.toSorted((a, b) => weight(a) - weight(b))
        const mixed: Allocate4Request = {
          ...request,
          taken: shuffle(request.taken),
          held: shuffle(request.held),
          wanted: shuffle([...request.wanted, ...request.wanted.slice(0, 3)]),
        }
        expect(allocate4(mixed)).toEqual(allocate4(request))
      }),
    )
  })

  it('prefers the hashed slot, and then the lowest free one', () => {
    const prefix = '10.0.0.0/29'
    // Slots 2 to 6 are usable: .0 network, .1 first host, .7 broadcast.
    const at = (slot: number): string => slot.toString(16).padStart(12, '0').padEnd(64, '0')
    const slots: Record<string, number> = { a: 4, b: 4, c: 0, d: 2 }
    const result = allocate4({
      prefix,
      taken: [],
      held: [],
      wanted: ['d', 'c', 'b', 'a'],
      hash: (id) => at(slots[id]!),
    })
    expect(assigned(result)).toEqual([
      { nodeId: 'a', address: '10.0.0.4', preferred: true },
      { nodeId: 'b', address: '10.0.0.3', preferred: false },
      { nodeId: 'c', address: '10.0.0.5', preferred: false },
      { nodeId: 'd', address: '10.0.0.2', preferred: true },
    ])
  })

  it('fills a prefix to its last address', () => {
    const wanted = Array.from({ length: 253 }, (_, index) => `node-${index}`)
    const request = { prefix: '10.1.2.0/24', taken: [], held: [], wanted, hash }
    expect(assigned(allocate4(request)).map(({ address }) => address)).toContain('10.1.2.254')
    expect(allocate4({ ...request, wanted: [...wanted, 'one-more'] })).toMatchObject({
      kind: 'exhausted',
      missing: 1,
    })
  })

  it.each([
    ['10.0.0.0/24', 253],
    ['10.0.0.0/16', 65_023],
    ['10.0.0.0/30', 1],
    ['10.0.0.4/30', 1],
    ['10.0.0.0/31', 0],
    ['10.0.0.0/32', 0],
  ])('knows that %s has %i addresses', (prefix, capacity) => {
    expect(capacity4(prefix)).toBe(capacity)
    if (capacity === 0) {
      expect(allocate4({ prefix, taken: [], held: [], wanted: ['a'], hash })).toMatchObject({
        kind: 'exhausted',
      })
    }
  })
})
