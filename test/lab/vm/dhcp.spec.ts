// Proves that the switch answers a DHCP client as RFC 2131 wants it, byte by byte, and leaves every other frame alone.
import { describe, expect, it } from 'vitest'
import { leaseOf } from '../../../src/lab/vm/addresses.ts'
import { answerDhcp } from '../../../src/lab/vm/dhcp.ts'

const mac = '027800000005'

/** A client's frame: `type` 1 is DISCOVER, 3 is REQUEST. */
function asks(type: number, before: readonly number[] = []): Buffer {
  const bootp = Buffer.alloc(240)
  bootp.set([1, 1, 6, 0, 0xde, 0xad, 0xbe, 0xef])
  Buffer.from(mac, 'hex').copy(bootp, 28)
  bootp.writeUInt32BE(0x63_82_53_63, 236)
  const payload = Buffer.concat([bootp, Buffer.from([...before, 53, 1, type, 255])])
  const udp = Buffer.alloc(8)
  udp.writeUInt16BE(68, 0)
  udp.writeUInt16BE(67, 2)
  udp.writeUInt16BE(8 + payload.length, 4)
  const ip = Buffer.alloc(20)
  ip[0] = 0x45
  ip[9] = 17
  return Buffer.concat([Buffer.from(`ffffffffffff${mac}0800`, 'hex'), ip, udp, payload])
}

describe('answerDhcp', () => {
  it.each([
    { asked: 1, answered: 2 },
    { asked: 3, answered: 5 },
  ])('answers $asked with $answered', ({ asked, answered }) => {
    const answer = answerDhcp(asks(asked, [0, 61, 7, 1, 2, 3, 4, 5, 6, 7]), leaseOf(5))!
    expect(answer.toString('hex', 0, 14)).toBe(`${mac}0278000000fe0800`)
    const ip = answer.subarray(14, 34)
    let sum = 0
    for (let at = 0; at < 20; at += 2) sum += ip.readUInt16BE(at)
    // A header with its checksum adds up to all ones.
    expect((sum & 0xff_ff) + (sum >>> 16)).toBe(0xff_ff)
    expect(ip.readUInt16BE(2)).toBe(answer.length - 14)
    const udp = answer.subarray(34)
    expect([udp.readUInt16BE(0), udp.readUInt16BE(2), udp.readUInt16BE(4)]).toEqual([67, 68, udp.length])
    const bootp = udp.subarray(8)
    expect(bootp.toString('hex', 0, 8)).toBe('02010600deadbeef')
    expect([...bootp.subarray(16, 24)]).toEqual([10, 78, 0, 5, 10, 78, 0, 254])
    expect(bootp.toString('hex', 28, 34)).toBe(mac)
    const options = [...bootp.subarray(240)]
    expect(options.slice(0, 3)).toEqual([53, 1, answered])
    expect(options).toEqual([
      ...[53, 1, answered, 54, 4, 10, 78, 0, 254, 51, 4, 255, 255, 255, 255, 1, 4, 255, 255, 255, 0, 255],
    ])
  })

  it('leaves everything else alone', () => {
    const arp = Buffer.concat([Buffer.from(`ffffffffffff${mac}0806`, 'hex'), Buffer.alloc(300)])
    const release = asks(7)
    const short = asks(1).subarray(0, 100)
    const otherPort = Buffer.from(asks(1))
    otherPort.writeUInt16BE(5_353, 14 + 20 + 2)
    for (const frame of [arp, release, short, otherPort])
      expect(answerDhcp(frame, leaseOf(5))).toBeUndefined()
  })
})
