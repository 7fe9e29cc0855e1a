// Proves that the overlay's intent follows from plan, records and connections alone, by examples of each rule
// and by permutation of the input.
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { MemberView } from '../../../src/core/model/member.ts'
import type { NodeAssignment, PlanBody } from '../../../src/core/model/plan.ts'
import type { OverlayIntentSource } from '../../../src/core/overlay/build-intent.ts'
import { buildOverlayIntent } from '../../../src/core/overlay/build-intent.ts'
import { overlayMtu, overlayMtuDefault, overlayMtuMin } from '../../../src/core/overlay/mtu.ts'
import { choosePath, isRoutable, multiaddrHost } from '../../../src/core/overlay/path.ts'

const assignments: readonly NodeAssignment[] = ['a', 'b', 'c'].map((nodeId, index) => ({
  nodeId,
  role: 'worker',
  name: nodeId,
  address4: `10.144.0.${index + 1}`,
  address6: `fd77::${index + 1}`,
  reason: '',
}))
const body = {
  spec: { addresses: { ipv4: '10.144.0.0/16' } },
  prefix6: 'fd77::/64',
  assignments,
} as unknown as PlanBody

function member(nodeId: string, endpoints: readonly string[], key = nodeId.repeat(64)): MemberView {
  const record = { nodeId, endpoints, overlayPort: 7_947, overlayKey: key }
  return { record, liveness: 'dead', since: 0 } as unknown as MemberView
}

function source(change: Partial<OverlayIntentSource> = {}): OverlayIntentSource {
  const members = [member('b', ['/ip4/192.0.2.2/tcp/7946']), member('c', ['/ip4/192.0.2.3/tcp/7946'])]
  const view = { self: 'a', members }
  return { self: 'a', body, view, connections: new Map(), device: 'muster0', mtu: 1_420, ...change }
}

/** The endpoint chosen for b. */
function hostOfB(endpoints: readonly string[], remote?: string): string | undefined {
  const connections = new Map(remote === undefined ? [] : [['b', remote]])
  const view = { self: 'a', members: [member('b', endpoints)] }
  return buildOverlayIntent(source({ connections, view }))!.peers[0]!.endpoint?.host
}

describe('buildOverlayIntent', () => {
  it('takes addresses from the plan, keys and ports from the records; silent peers stay', () => {
    expect(buildOverlayIntent(source())).toMatchObject({
      device: 'muster0',
      address4: '10.144.0.1',
      prefix4: 16,
      address6: 'fd77::1',
      prefix6: 64,
      mtu: 1_420,
      peers: [
        {
          id: 'b',
          address4: '10.144.0.2',
          key: 'b'.repeat(64),
          endpoint: { host: '192.0.2.2', port: 7_947 },
        },
        {
          id: 'c',
          address4: '10.144.0.3',
          key: 'c'.repeat(64),
          endpoint: { host: '192.0.2.3', port: 7_947 },
        },
      ],
    })
  })

  it('is nothing for a node without assignment', () => {
    expect(buildOverlayIntent(source({ self: 'z' }))).toBeUndefined()
  })

  it('leaves out peers without a record or without a key', () => {
    const view = { self: 'a', members: [member('b', [], 'not a key')] }
    expect(buildOverlayIntent(source({ view }))!.peers).toEqual([])
  })

  it('prefers the address that a connection proves', () => {
    expect(hostOfB(['/ip4/192.0.2.2/tcp/1'], '/ip4/198.51.100.9/tcp/1')).toBe('198.51.100.9')
    expect(hostOfB(['/ip4/192.0.2.2/tcp/1'], '/ip6zone/eth0/ip6/fe80::1/tcp/1')).toBe('fe80::1%eth0')
  })

  it('never goes through the overlay, a relay, a name, or to addresses that mean another machine', () => {
    const useless = [
      '/ip4/127.0.0.1/tcp/1',
      '/ip6/::1/tcp/1',
      '/ip6/fe80::1/tcp/1',
      '/dns4/example.org/tcp/1',
      '/ip4/203.0.113.1/tcp/1/p2p/x/p2p-circuit',
      '/ip4/10.144.0.2/tcp/1',
      '/ip6/fd77::2/tcp/1',
    ]
    expect(hostOfB([...useless, '/ip4/192.0.2.2/tcp/1'], '/ip4/10.144.0.2/tcp/1')).toBe('192.0.2.2')
    expect(hostOfB(useless)).toBeUndefined()
  })

  it('does not depend on the order of its input', () => {
    const { view } = source()
    const shuffled = <T>(items: readonly T[]): fc.Arbitrary<T[]> =>
      fc.shuffledSubarray([...items], { minLength: items.length })
    fc.assert(
      fc.property(shuffled(view.members), shuffled(assignments), (members, order) => {
        const intent = buildOverlayIntent(
          source({ view: { self: 'a', members }, body: { ...body, assignments: order } }),
        )
        expect(intent).toEqual(buildOverlayIntent(source()))
      }),
    )
  })
})

describe('path and MTU', () => {
  it('trusts what was lately heard, then what is announced, then what was ever heard', () => {
    const announced = { host: '192.0.2.2', port: 1 }
    const heard = { host: '198.51.100.9', port: 2, at: 1_000 }
    expect(choosePath(announced, heard, 16_000)).toBe(heard)
    expect(choosePath(announced, heard, 16_001)).toBe(announced)
    expect(choosePath(undefined, heard, 99_000)).toBe(heard)
    expect(choosePath(undefined, undefined, 0)).toBeUndefined()
  })

  it('reads hosts of multiaddrs and never throws', () => {
    expect(multiaddrHost('/ip6/2001:db8::1/tcp/1')).toBe('2001:db8::1')
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(['string', 'undefined']).toContain(typeof multiaddrHost(`/ip4/${text}`))
        expect(typeof isRoutable(text)).toBe('boolean')
      }),
    )
  })

  it('never falls under the minimum of IPv6', () => {
    expect(overlayMtuDefault).toBe(1_420)
    fc.assert(
      fc.property(fc.nat(65_535), (underlay) => {
        expect(overlayMtu(underlay)).toBe(Math.max(overlayMtuMin, underlay - 80))
      }),
    )
  })
})
