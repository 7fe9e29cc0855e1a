// Proves that machines find and admit each other on every kind of link, with real hosts in network namespaces.
import { describe, expect, it } from 'vitest'
import { canNetns, createNetLab } from '../../support/netns.ts'
import type { HostPlan } from '../../support/netns.ts'
import { only, startHost } from './host.ts'
import type { ChildInit } from './network-child.ts'

const routed: readonly HostPlan[] = [
  { ipv4: '10.9.0.1/24', defaultRoute: true },
  { ipv4: '10.9.0.2/24', defaultRoute: true },
]
const unrouted: readonly HostPlan[] = [
  { ipv4: '10.9.0.1/24', linkLocal: false },
  { ipv4: '10.9.0.2/24', linkLocal: false },
]
const linkLocalOnly: readonly HostPlan[] = [{}, {}]

async function meet(plans: readonly HostPlan[], init: Partial<ChildInit>): Promise<string> {
  const lab = await createNetLab('muster-find', plans)
  try {
    const [a, b] = await Promise.all(lab.hosts.map((host, index) => startHost(host, index, init)))
    const [up] = await Promise.all([
      a!.event('peer-up', (event) => event.peer === b!.id),
      b!.event('peer-up', (event) => event.peer === a!.id),
    ])
    a!.tell({ do: 'send', to: b!.id, message: { kind: 'ping', nonce: 7, claims: [] } })
    const got = await b!.event('message')
    expect(got).toMatchObject({ from: a!.id, message: { kind: 'ping', nonce: 7 } })
    expect(a!.seen('peer-down')).toEqual([])
    return up.endpoint
  } finally {
    await lab.close()
  }
}

describe
  .skipIf(!canNetns)
  .concurrent('finding each other (skipped without root and network namespaces)', () => {
    it('by mDNS, with a default route', async () => {
      expect(await meet(routed, { discovery: only('mdns') })).toContain('/ip4/10.9.0.')
    })

    it('by the beacon, without any route', async () => {
      expect(await meet(unrouted, { discovery: only('beacon') })).toContain('/ip4/10.9.0.')
    })

    it('by the beacon, over IPv6 link-local addresses alone', async () => {
      expect(await meet(linkLocalOnly, {})).toContain('/ip6/fe80::')
    })

    it('when an address comes some seconds after the start', async () => {
      const lab = await createNetLab('muster-find', [{ linkLocal: false }, { ipv4: '10.9.0.2/24' }])
      try {
        const [late, other] = [await startHost(lab.host(0), 0), await startHost(lab.host(1), 1)]
        const start = await late.event('machine-changed')
        expect(start.endpoints).toEqual([])
        lab.host(0).ip('addr', 'add', '10.9.0.1/24', 'dev', 'eth0')
        const change = await late.event('machine-changed', (event) => event.endpoints.length > 0)
        expect(change).toMatchObject({ linkUp: true, localNetworks: ['10.9.0.1/24'] })
        await late.event('peer-up', (event) => event.peer === other.id)
      } finally {
        await lab.close()
      }
    })

    it('through one static peer and the DHT, all three', async () => {
      const plans = [1, 2, 3].map((n) => ({ ipv4: `10.9.0.${n}/24` }))
      const lab = await createNetLab('muster-find', plans)
      try {
        const first = await startHost(lab.host(0), 0, {
          discovery: only('dht'),
          // The first knows nobody but itself, as in a file that is the same on all machines.
          staticPeers: ['/ip4/10.9.0.1/tcp/4710'],
        })
        const others = await Promise.all(
          [1, 2].map((index) =>
            startHost(lab.host(index), index, {
              discovery: only('dht'),
              staticPeers:
                index === 1 ? ['/ip4/10.9.0.1/tcp/4710'] : [`/ip4/10.9.0.1/tcp/4710/p2p/${first.id}`],
            }),
          ),
        )
        await others[0]!.event('peer-up', (event) => event.peer === others[1]!.id, 25_000)
        await others[1]!.event('peer-up', (event) => event.peer === first.id)
        // One of the two finds the other in the DHT and dials it; for the other it is an inbound peer.
        const found = others.map((host) => host.event('peer-found', (event) => event.via === 'dht'))
        expect(others.map(({ id }) => id)).toContain((await Promise.any(found)).peer)
      } finally {
        await lab.close()
      }
    })

    it('never by an address of the overlay', async () => {
      const lab = await createNetLab('muster-find', [{ linkLocal: false }, { linkLocal: false }])
      try {
        for (const [index, host] of lab.hosts.entries()) {
          host.ip('link', 'set', 'eth0', 'down')
          host.ip('link', 'set', 'eth0', 'name', 'muster0')
          host.ip('link', 'set', 'muster0', 'up')
          host.ip('addr', 'add', `10.9.0.${index + 1}/24`, 'dev', 'muster0')
        }
        const [a, b] = [await startHost(lab.host(0), 0), await startHost(lab.host(1), 1)]
        expect(await a.event('machine-changed')).toMatchObject({
          endpoints: [],
          localNetworks: [],
          linkUp: false,
        })
        a.tell({ do: 'keep', peers: [{ id: b.id, endpoints: ['/ip4/10.9.0.2/tcp/4710'] }] })
        await a.status('a denied dial', (peers) => peers[0]?.lastError.includes('denied') === true)
        expect(b.seen('peer-up')).toEqual([])
      } finally {
        await lab.close()
      }
    })
  })
