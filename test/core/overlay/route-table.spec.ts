// Proves the route rule by random packets between random members: a packet is delivered if and only if its
// inner source belongs to its sender and its inner destination to this node.
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { RouteEntry } from '../../../src/core/overlay/route-table.ts'
import { RouteTable } from '../../../src/core/overlay/route-table.ts'
import { ipPacket } from './packets.ts'

// All share the last four bytes of a bucket in pairs, so that the whole address must be compared.
const members: readonly RouteEntry[] = Array.from({ length: 8 }, (_, index) => ({
  id: `node-${index}`,
  address4: `10.144.${index}.7`,
  address6: `fd77:0:0:0:${index}::0a90:${index}07`,
}))
const self = members[0]!
const strangers = ['10.144.9.7', '192.0.2.1', '10.144.0.8']
const strangers6 = ['fd77:0:0:0:9::0a90:007', 'fe80::1', 'fd78:0:0:0:0::0a90:007']
const addresses = [...members.map((member) => member.address4), ...strangers]
const addresses6 = [...members.map((member) => member.address6), ...strangers6]
const pair = fc.oneof(
  fc.record({ from: fc.constantFrom(...addresses), to: fc.constantFrom(...addresses) }),
  fc.record({ from: fc.constantFrom(...addresses6), to: fc.constantFrom(...addresses6) }),
)
const ownerOf = (address: string): string | undefined =>
  members.find((member) => member.address4 === address || member.address6 === address)?.id

describe('RouteTable', () => {
  const table = new RouteTable(self.id, members)

  it('delivers what the sender may say to this node, and nothing else', () => {
    fc.assert(
      fc.property(fc.constantFrom(...members.slice(1)), pair, (sender, { from, to }) => {
        const verdict = table.incoming(sender.id, ipPacket(from, to))
        if (ownerOf(from) !== sender.id) expect(verdict).toEqual({ kind: 'drop', reason: 'wrong-source' })
        else if (ownerOf(to) !== self.id)
          expect(verdict).toEqual({ kind: 'drop', reason: 'wrong-destination' })
        else expect(verdict).toEqual({ kind: 'deliver' })
      }),
      { numRuns: 1_000 },
    )
  })

  it('sends what is from this node to whom it is for', () => {
    fc.assert(
      fc.property(pair, ({ from, to }) => {
        const verdict = table.outgoing(ipPacket(from, to))
        const owner = ownerOf(to)
        if (ownerOf(from) !== self.id) expect(verdict).toEqual({ kind: 'drop', reason: 'wrong-source' })
        else if (owner === undefined || owner === self.id)
          expect(verdict).toEqual({ kind: 'drop', reason: 'no-route' })
        else expect(verdict).toEqual({ kind: 'peer', peer: owner })
      }),
      { numRuns: 1_000 },
    )
  })

  it('never throws on random bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 120 }), (packet) => {
        expect(table.incoming('node-1', packet).kind).toBe('drop')
        expect(table.outgoing(packet).kind).toBe('drop')
      }),
    )
  })

  it('drops groups', () => {
    const group = { kind: 'drop', reason: 'multicast' }
    expect(table.outgoing(ipPacket(self.address4, '224.0.0.251'))).toEqual(group)
    expect(table.incoming('node-1', ipPacket(members[1]!.address6, 'ff02::1'))).toEqual(group)
  })
})
