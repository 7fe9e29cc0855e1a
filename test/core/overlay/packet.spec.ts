// Proves that packet and frame headers are read within bounds: random bytes never throw, written headers are
// read back, and every cut or padded packet is refused.
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  frameCounterMax,
  frameOverheadBytes,
  readFrameHeader,
  writeFrameHeader,
} from '../../../src/core/overlay/frame.ts'
import { isMulticast, readPacketHeader } from '../../../src/core/overlay/packet.ts'
import { ipPacket } from './packets.ts'

describe('readPacketHeader', () => {
  it('never throws and never points outside', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 100 }),
        fc.constantFrom(undefined, 0x45, 0x4f, 0x60),
        (packet, first) => {
          if (first !== undefined && packet.length > 0) packet[0] = first
          const header = readPacketHeader(packet)
          if (header === undefined) return
          expect(header.destinationOffset + header.addressBytes).toBeLessThanOrEqual(packet.length)
          expect(typeof isMulticast(packet, header)).toBe('boolean')
        },
      ),
    )
  })

  it.each([
    ['10.144.0.1', '10.144.0.2', 4],
    ['fd77::1', 'fd77::2', 6],
  ] as const)(
    'finds the addresses of %s to %s, and refuses any other length',
    (source, destination, version) => {
      const packet = ipPacket(source, destination)
      expect(readPacketHeader(packet)?.version).toBe(version)
      for (let cut = 0; cut < packet.length; cut++)
        expect(readPacketHeader(packet.subarray(0, cut))).toBeUndefined()
      expect(readPacketHeader(new Uint8Array([...packet, 0]))).toBeUndefined()
    },
  )

  it('knows groups', () => {
    const isGroup = (to: string, from: string): boolean => {
      const packet = ipPacket(from, to)
      return isMulticast(packet, readPacketHeader(packet)!)
    }
    expect(isGroup('224.0.0.251', '10.144.0.1')).toBe(true)
    expect(isGroup('255.255.255.255', '10.144.0.1')).toBe(true)
    expect(isGroup('ff02::2', 'fe80::1')).toBe(true)
    expect(isGroup('10.144.0.2', '10.144.0.1')).toBe(false)
    expect(isGroup('fd77::2', 'fd77::1')).toBe(false)
  })
})

describe('frame header', () => {
  it('is read back as written', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 2 ** 48 - 1 }),
        fc.integer({ min: 0, max: frameCounterMax }),
        (keyId, counter) => {
          const frame = new Uint8Array(frameOverheadBytes)
          writeFrameHeader(frame, { keyId, counter })
          expect(readFrameHeader(frame)).toEqual({ keyId, counter })
        },
      ),
    )
  })

  it('is refused where the bytes cannot be a frame, without throwing', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
        const header = readFrameHeader(bytes)
        if (bytes.length < frameOverheadBytes || bytes[0] !== 1 || bytes[1] !== 0)
          expect(header).toBeUndefined()
      }),
    )
    const beyond = new Uint8Array(frameOverheadBytes).fill(0xff)
    beyond.set([1, 0])
    expect(readFrameHeader(beyond)).toBeUndefined()
  })
})
