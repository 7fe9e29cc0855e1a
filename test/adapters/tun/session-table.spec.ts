// Proves the sessions of a pair: sealed packets open once and at the other end alone, keys of a former start
// end after a while, and neither a nonce nor an old frame is used again when a peer comes back.
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Sealer } from '../../../src/adapters/tun/sealer.ts'
import { createSealer } from '../../../src/adapters/tun/sealer.ts'
import { SessionTable } from '../../../src/adapters/tun/session-table.ts'
import { readFrameHeader } from '../../../src/core/overlay/frame.ts'
import type { OverlayPeer } from '../../../src/core/overlay/intent.ts'

const psk = new Uint8Array(32).fill(1)
const packet = new Uint8Array(1_400).map((_, index) => index)

function peer(id: string, sealer: Pick<Sealer, 'publicKey'>): OverlayPeer {
  return { id, address4: '10.144.0.1', address6: 'fd77::1', key: sealer.publicKey, endpoint: undefined }
}

function pair(): { a: SessionTable; b: SessionTable; sealerA: Sealer; sealerB: Sealer } {
  const sealerA = createSealer(psk)
  const sealerB = createSealer(psk)
  const a = new SessionTable('a', sealerA)
  const b = new SessionTable('b', sealerB)
  a.setPeers([peer('b', sealerB)], 0)
  b.setPeers([peer('a', sealerA)], 0)
  return { a, b, sealerA, sealerB }
}

describe('SessionTable', () => {
  it('opens what the other end sealed, once', () => {
    const { a, b } = pair()
    const frame = a.seal('b', packet)!
    const opened = b.open(frame, 0)
    expect(opened).toMatchObject({ kind: 'packet', peer: 'a', isNewest: true })
    expect(opened.kind === 'packet' && Buffer.compare(opened.packet, packet)).toBe(0)
    expect(b.open(frame, 0)).toEqual({ kind: 'fault', fault: 'replayed', peer: 'a' })
    expect(a.open(frame, 0)).toEqual({ kind: 'fault', fault: 'unknown-key', peer: undefined })
  })

  it('opens no frame of which any bit was changed, and goes on afterwards', () => {
    const { a, b } = pair()
    const frame = a.seal('b', packet.subarray(0, 40))!
    fc.assert(
      fc.property(fc.nat(frame.length * 8 - 1), (bit) => {
        const changed = Uint8Array.from(frame)
        changed[bit >> 3]! ^= 1 << (bit & 7)
        expect(b.open(changed, 0).kind).toBe('fault')
      }),
    )
    expect(b.open(frame, 0).kind).toBe('packet')
  })

  it('never throws, whatever arrives', () => {
    const { b } = pair()
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (noise) => {
        expect(b.open(noise, 0).kind).toBe('fault')
      }),
    )
  })

  it('does not agree with one who has another network secret', () => {
    const { b, sealerB } = pair()
    const foreign = createSealer(new Uint8Array(32).fill(2))
    const c = new SessionTable('a', foreign)
    c.setPeers([peer('b', sealerB)], 0)
    b.setPeers([peer('a', foreign)], 0)
    expect(b.open(c.seal('b', packet)!, 0)).toMatchObject({ kind: 'fault', fault: 'unknown-key' })
  })

  it('has no session with a key that is none', () => {
    const { a } = pair()
    a.setPeers([peer('zero', { publicKey: '0'.repeat(64) }), peer('odd', { publicKey: 'abc' })], 0)
    expect(a.seal('zero', packet)).toBeUndefined()
    expect(a.seal('odd', packet)).toBeUndefined()
  })

  it('takes frames of a restarted peer’s former key for five seconds, but never its address', () => {
    const { a, b } = pair()
    const [first, second] = [a.seal('b', packet)!, a.seal('b', packet)!]
    b.setPeers([peer('a', createSealer(psk))], 1_000)
    expect(b.open(first, 5_999)).toMatchObject({ kind: 'packet', isNewest: false })
    expect(b.open(second, 6_000)).toMatchObject({ kind: 'fault', fault: 'unknown-key' })
  })

  it('goes on with counters and window when a peer comes back with the same key', () => {
    const { a, b, sealerA, sealerB } = pair()
    const early = a.seal('b', packet)!
    expect(b.open(early, 0).kind).toBe('packet')
    a.setPeers([], 0)
    b.setPeers([], 0)
    expect(a.seal('b', packet)).toBeUndefined()
    a.setPeers([peer('b', sealerB)], 1)
    b.setPeers([peer('a', sealerA)], 1)
    expect(b.open(early, 1)).toMatchObject({ fault: 'replayed' })
    const later = a.seal('b', packet)!
    expect(readFrameHeader(later)!.counter).toBe(1)
    expect(b.open(later, 1).kind).toBe('packet')
  })

  it('uses no nonce twice even for a peer whose session was forgotten', () => {
    const { a, sealerB } = pair()
    for (let count = 0; count < 5; count++) a.seal('b', packet)
    // More strangers than sessions are parked, each gone again at once.
    const { publicKey } = createSealer(psk)
    for (let index = 0; index < 1_100; index++) a.setPeers([peer(`stranger-${index}`, { publicKey })], 0)
    a.setPeers([peer('b', sealerB)], 0)
    expect(readFrameHeader(a.seal('b', packet)!)!.counter).toBeGreaterThanOrEqual(5)
  })
})
