// Proves the pieces that decide without a network: queues, admission, beacon packets, back-off, refusals, links.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { admit, decodeHello, encodeHello } from '../../../src/adapters/libp2p/admission.ts'
import type { AdmissionTerms, FrameStream } from '../../../src/adapters/libp2p/admission.ts'
import { dialAddress, openCall, sealCall } from '../../../src/adapters/libp2p/beacon.ts'
import { discoveryPace } from '../../../src/adapters/libp2p/discovery.ts'
import { isExcluded, localNetworks, ownEndpoints } from '../../../src/adapters/libp2p/interfaces.ts'
import type { LinkAddress, LinkScan } from '../../../src/adapters/libp2p/interfaces.ts'
import { backoffMs } from '../../../src/adapters/libp2p/reconnect.ts'
import { Refusals } from '../../../src/adapters/libp2p/refusals.ts'
import { SendQueue, sendQueueBytesMax } from '../../../src/adapters/libp2p/send-queue.ts'
import { isStreamFault } from '../../../src/adapters/libp2p/stream-fault.ts'
import { TokenBucket } from '../../../src/adapters/libp2p/token-bucket.ts'
import { sendQueueMax } from '../../../src/core/model/limits.ts'

const key = new Uint8Array(32).fill(3)

describe('SendQueue', () => {
  const item = fc.record({ bytes: fc.integer({ min: 0, max: 3_000_000 }), urgent: fc.boolean() })

  it('stays within its bounds and loses no urgent message while an ordinary one is there to drop', () => {
    fc.assert(
      fc.property(fc.array(item, { maxLength: 400 }), (items) => {
        const queue = new SendQueue()
        for (const { bytes, urgent } of items) queue.push(new Uint8Array(bytes), urgent)
        expect(queue.length).toBeLessThanOrEqual(sendQueueMax)
        expect(queue.length === 1 || queue.byteLength <= sendQueueBytesMax).toBe(true)
        expect(queue.length + queue.dropped).toBe(items.length)
        let drained = 0
        while (queue.shift() !== undefined) drained++
        expect(drained + queue.dropped).toBe(items.length)
        expect(queue.byteLength).toBe(0)
      }),
      { numRuns: 30 },
    )
  })

  it('drops the oldest gossip before anything urgent', () => {
    const queue = new SendQueue()
    queue.push(Uint8Array.of(1), true)
    for (let i = 0; i < sendQueueMax + 10; i++) queue.push(Uint8Array.of(2), false)
    expect(queue.shift()).toEqual(Uint8Array.of(1))
    expect(queue.dropped).toBe(11)
  })

  it('lets neither lane starve, and keeps the order within each', () => {
    const queue = new SendQueue()
    for (let i = 0; i < 10; i++) queue.push(Uint8Array.of(100 + i), true)
    for (let i = 0; i < 3; i++) queue.push(Uint8Array.of(i), false)
    const order = Array.from({ length: 13 }, () => queue.shift()?.[0])
    expect(order).toEqual([100, 101, 102, 103, 0, 104, 105, 106, 107, 1, 108, 109, 2])
  })
})

describe('admission', () => {
  const base = { key, version: 1, session: '0011223344556677' }
  const opener: AdmissionTerms = { ...base, self: 'A', peer: 'B', role: 'opener' }
  const answerer: AdmissionTerms = { ...base, self: 'B', peer: 'A', role: 'answerer' }

  it('admits two that know the key, and tells each the session of the other', async () => {
    const [a, b] = wire()
    const results = await Promise.all([admit(a, opener), admit(b, { ...answerer, session: 'ff'.repeat(8) })])
    expect(results).toEqual([
      { kind: 'admitted', session: 'ff'.repeat(8) },
      { kind: 'admitted', session: base.session },
    ])
  })

  it.each([
    { wrong: 'key', change: { key: new Uint8Array(32) }, code: 'ForeignNetwork' },
    { wrong: 'id of the peer (a relayed proof)', change: { peer: 'C' }, code: 'ForeignNetwork' },
    { wrong: 'version', change: { version: 2 }, code: 'ProtocolVersion' },
    { wrong: 'record', change: { barred: { code: 'Flood', detail: 'x' } as const }, code: 'Flood' },
  ])('refuses on both ends for a wrong $wrong', async ({ change, code }) => {
    const [a, b] = wire()
    const results = await Promise.all([admit(a, opener), admit(b, { ...answerer, ...change })])
    for (const result of results) expect(result).toMatchObject({ kind: 'refused', code })
  })

  it('is not fooled by its own words sent back', async () => {
    let echoed: Uint8Array = new Uint8Array()
    const mirror: FrameStream = {
      write: async (frame) => void (echoed = frame),
      read: async () => echoed,
    }
    expect(await admit(mirror, opener)).toMatchObject({ kind: 'refused', by: 'us', code: 'ForeignNetwork' })
  })

  it('reads the hello of a later version, which may be longer', () => {
    const hello = { version: 9, session: base.session, nonce: new Uint8Array(32).fill(8) }
    expect(decodeHello(Buffer.concat([encodeHello(hello), Buffer.from('more')]))).toEqual(hello)
    fc.assert(fc.property(fc.uint8Array({ maxLength: 47 }), (frame) => decodeHello(frame) === undefined))
  })
})

describe('beacon packets', () => {
  const call = { peer: '12D3KooWxyz', port: 4710, session: '0011223344556677', counter: 41 }

  it('say who calls to those who have the key, and nothing to others', () => {
    const packet = sealCall(key, call, '10.0.0.9')
    expect(openCall(key, packet, '10.0.0.9')).toEqual(call)
    expect(openCall(new Uint8Array(32), packet, '10.0.0.9')).toBeUndefined()
    expect(packet.includes(call.peer)).toBe(false)
  })

  it('are worth nothing when somebody else sends them again', () => {
    expect(openCall(key, sealCall(key, call, '10.0.0.9'), '10.0.0.66')).toBeUndefined()
  })

  it('are refused when a single bit differs, or when they are anything else', () => {
    const packet = sealCall(key, call, '10.0.0.9')
    fc.assert(
      fc.property(fc.nat(packet.length * 8 - 1), (bit) => {
        const forged = Uint8Array.from(packet)
        forged[bit >> 3] = (forged[bit >> 3] ?? 0) ^ (1 << (bit & 7))
        return openCall(key, forged, '10.0.0.9') === undefined
      }),
    )
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (junk) => openCall(key, junk, '10.0.0.9') === undefined),
    )
  })

  it('are answered where they came from, with the zone of a link-local address', () => {
    expect(dialAddress({ address: '10.0.0.9', family: 'IPv4' }, 1)).toBe('/ip4/10.0.0.9/tcp/1')
    expect(dialAddress({ address: 'fe80::9%eth1', family: 'IPv6' }, 1)).toBe(
      '/ip6zone/eth1/ip6/fe80::9/tcp/1',
    )
  })
})

describe('pace', () => {
  it('backs off within half and all of a doubling wait, up to the limit', () => {
    const limits = { backoffMinMs: 500, backoffMaxMs: 30_000 }
    fc.assert(
      fc.property(fc.nat(100), fc.double({ min: 0, max: 0.999, noNaN: true }), (attempts, unit) => {
        const whole = Math.min(30_000, 500 * 2 ** attempts)
        const wait = backoffMs(attempts, limits, unit)
        return wait >= whole / 2 && wait < whole
      }),
    )
  })

  it('keeps multicast of a settled network of any size under 8 kbit/s a node', () => {
    // Each query makes every member answer: about 600 bytes each on the wire. A beacon call has 150 bytes, twice.
    for (const members of [1, 15, 16, 50, 300, 1_000]) {
      const { mdnsMs, beaconMs } = discoveryPace('settled', members)
      const bits = (members * 600 * 8) / (mdnsMs / 1_000) + (300 * 8) / (beaconMs / 1_000)
      expect(bits).toBeLessThan(8_000)
    }
  })

  it('allows a burst and a steady rate, and no more', () => {
    const bucket = new TokenBucket(10, 100, 0)
    expect(bucket.take(100, 0)).toBe(true)
    expect(bucket.take(1, 0)).toBe(false)
    expect(bucket.take(10, 1_000)).toBe(true)
    expect(bucket.take(101, 1_000_000)).toBe(false)
  })
})

describe('refusals', () => {
  it('last twice as long each time, end, and are told once a while', () => {
    const refusals = new Refusals(10, 35, 100)
    expect(refusals.bar('p', 'Flood', 'x', 0)).toBe(10)
    expect(refusals.barred('p', 9)).toMatchObject({ code: 'Flood', leftMs: 1 })
    expect(refusals.barred('p', 10)).toBeUndefined()
    expect(refusals.bar('p', 'Flood', 'x', 20)).toBe(20)
    expect(refusals.bar('p', 'Flood', 'x', 50)).toBe(35)
    expect(refusals.bar('p', 'Flood', 'x', 10_000)).toBe(10)
    expect([0, 50, 99, 100].map((at) => refusals.worthTelling('p', 'Flood', at))).toEqual([
      true,
      false,
      false,
      true,
    ])
  })
})

describe('links of the machine', () => {
  const address = (device: string, cidr: string): LinkAddress => ({
    device,
    family: cidr.includes(':') ? 6 : 4,
    address: cidr.split('/')[0] ?? '',
    cidr,
    linkLocal: cidr.startsWith('fe80'),
  })
  const scan: LinkScan = {
    addresses: [
      address('eth0', '192.168.1.5/24'),
      address('eth0', 'fe80::5/64'),
      address('eth0', '2001:db8::5/64'),
    ],
    excluded: [
      address('muster0', '10.144.0.1/16'),
      address('muster0', 'fe80::1/64'),
      address('muster0', 'fd77::1/64'),
    ],
    linkUp: true,
  }

  it('are announced without link-local addresses and without the overlay', () => {
    expect(ownEndpoints(scan, 4710, 16)).toEqual(['/ip4/192.168.1.5/tcp/4710', '/ip6/2001:db8::5/tcp/4710'])
    expect(localNetworks(scan, 16)).toEqual(['192.168.1.5/24', '2001:db8::5/64'])
  })

  it('exclude the networks of the overlay, and not link-local addresses, which every device has', () => {
    const excluded = ['10.144.200.3', 'fd77::9', '192.168.1.7', 'fe80::7', '2001:db8::7'].map((ip) =>
      isExcluded(scan, ip),
    )
    expect(excluded).toEqual([true, true, false, false, false])
  })
})

it('calls an error a stream fault only if libp2p threw it', () => {
  const named = (name: string, stack: string): Error => Object.assign(new Error('x'), { name, stack })
  expect(isStreamFault(named('StreamStateError', 'at node_modules/@libp2p/utils/x.js'))).toBe(true)
  expect(isStreamFault(named('StreamStateError', 'at src/agent.ts'))).toBe(false)
  expect(isStreamFault(named('TypeError', 'at node_modules/@libp2p/utils/x.js'))).toBe(false)
})

/** Two ends of a lossless wire. */
function wire(): readonly [FrameStream, FrameStream] {
  const [left, right] = [pipe(), pipe()]
  return [
    { read: right.read, write: left.write },
    { read: left.read, write: right.write },
  ]
}

function pipe(): FrameStream {
  const frames: Uint8Array[] = []
  const readers: ((frame: Uint8Array) => void)[] = []
  return {
    write: async (frame) => {
      const reader = readers.shift()
      if (reader === undefined) frames.push(frame)
      else reader(frame)
    },
    read: () =>
      new Promise((resolve) => {
        const frame = frames.shift()
        if (frame === undefined) readers.push(resolve)
        else resolve(frame)
      }),
  }
}
