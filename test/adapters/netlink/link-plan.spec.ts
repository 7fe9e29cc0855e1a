// Proves that the changes of a link are those that differ and no others: carrying them out on a model of a
// link makes it match, and then nothing is left to do.
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { LinkState } from '../../../src/adapters/netlink/link-plan.ts'
import { planLinkChanges } from '../../../src/adapters/netlink/link-plan.ts'

const intent = {
  device: 'muster0',
  address4: '10.144.3.4',
  prefix4: 16,
  address6: 'fd77:0:0:1::2',
  prefix6: 64,
  mtu: 1_420,
}
const right: LinkState = {
  device: 'muster0',
  up: true,
  mtu: 1_420,
  addresses: [
    { address: '10.144.3.4', prefixLength: 16 },
    { address: 'fd77:0:0:1::2', prefixLength: 64 },
  ],
  routes: ['10.144.0.0/16', 'fd77:0:0:1::/64', 'multicast'],
}

const anyAddress = fc.constantFrom(
  ...right.addresses,
  { address: '10.144.3.4', prefixLength: 24 },
  {
    address: '10.144.9.9',
    prefixLength: 16,
  },
)
const anyState: fc.Arbitrary<LinkState> = fc.record({
  device: fc.constant('muster0'),
  up: fc.boolean(),
  mtu: fc.constantFrom(1_280, 1_420, 1_500),
  addresses: fc.uniqueArray(anyAddress, { selector: (entry) => JSON.stringify(entry) }),
  routes: fc.subarray([...right.routes]),
})

/** What the kernel would make of the changes. */
function carryOut(state: LinkState): LinkState {
  let next = state
  for (const { arguments: words } of planLinkChanges(state, intent)) {
    const [address = '', length = ''] = (words[2] ?? '').split('/')
    const entry = { address, prefixLength: Number(length) }
    const others = next.addresses.filter((found) => JSON.stringify(found) !== JSON.stringify(entry))
    if (words[0] === 'addr' && words[1] === 'del') next = { ...next, addresses: others }
    else if (words[0] === 'addr') next = { ...next, addresses: [...others, entry] }
    else if (words.includes('up')) next = { ...next, up: true }
    else if (words.includes('mtu')) next = { ...next, mtu: Number(words.at(-1)) }
    else next = { ...next, routes: [...next.routes, words[3]!] }
  }
  // The kernel makes prefix routes with addresses and when a link comes up; here the second look does it.
  const routes = [...next.routes, ...(state.addresses.length === 2 && state.up ? [] : right.routes)]
  return { ...next, routes }
}

describe('planLinkChanges', () => {
  it('changes nothing on a link that is right', () => {
    expect(planLinkChanges(right, intent)).toEqual([])
    expect(planLinkChanges({ ...right, addresses: right.addresses.toReversed() }, intent)).toEqual([])
  })

  it('makes any link right, whatever is on it', () => {
    fc.assert(
      fc.property(anyState, (state) => {
        const after = carryOut(carryOut(state))
        expect(planLinkChanges(after, intent)).toEqual([])
        expect(after.addresses).toHaveLength(2)
      }),
    )
  })

  it('restores a deleted route in place, without touching the address', () => {
    expect(planLinkChanges({ ...right, routes: ['fd77:0:0:1::/64'] }, intent)).toEqual([
      {
        what: 'added route to 10.144.0.0/16',
        arguments: '-4 route replace 10.144.0.0/16 dev muster0 proto kernel scope link src 10.144.3.4'.split(
          ' ',
        ),
      },
    ])
  })
})
