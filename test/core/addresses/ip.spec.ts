// Proves addresses and prefixes against ipaddr.js, an independent implementation, on random and odd texts.
import fc from 'fast-check'
import ipaddr from 'ipaddr.js'
import { describe, expect, it } from 'vitest'
import {
  formatAddress4,
  formatAddress6,
  parseAddress4,
  parseAddress6,
} from '../../../src/core/addresses/ip.ts'
import {
  address6,
  contains,
  formatPrefix,
  overlaps,
  parsePrefix,
  prefixesOverlap,
} from '../../../src/core/addresses/prefix.ts'

const bits128 = fc.bigInt({ min: 0n, max: 2n ** 128n - 1n })
/** Few distinct groups, so that runs of zeros are common. */
const sparse128 = fc
  .array(fc.constantFrom<bigint[]>(0n, 0n, 1n, 0xff_ffn), { minLength: 8, maxLength: 8 })
  .map((groups) => groups.reduce((value, group) => value * 65_536n + group, 0n))

/** The oracle takes the deprecated `::1.2.3.4` for the mapped `::ffff:1.2.3.4`; RFC 4291 does not. */
const oddForOracle = /^::\d+\.\d/

const addresses6 = fc.ipV6().filter((text) => !oddForOracle.test(text))

const bytesOf = (value: bigint): number[] =>
  Array.from({ length: 16 }, (_, index) => Number((value >> BigInt(120 - 8 * index)) & 255n))

describe('IPv4', () => {
  it('is read and written as the oracle does', () => {
    fc.assert(
      fc.property(fc.ipV4(), (text) => {
        const value = parseAddress4(text)!
        expect(formatAddress4(value)).toBe(text)
        expect(ipaddr.IPv4.parse(text).toByteArray()).toEqual(
          [24, 16, 8, 0].map((shift) => (value >>> shift) & 255),
        )
      }),
    )
  })

  it.each([
    '',
    '1.2.3',
    '1.2.3.4.5',
    '01.2.3.4',
    '256.1.1.1',
    '1.2.3.-4',
    ' 1.2.3.4',
    '1.2.3.4 ',
    '0x1.2.3.4',
    '1e1.2.3.4',
  ])('does not read %j', (text) => expect(parseAddress4(text)).toBeUndefined())
})

describe('IPv6', () => {
  it('is written as the oracle does (RFC 5952) and read back', () => {
    fc.assert(
      fc.property(fc.oneof(bits128, sparse128), (value) => {
        const text = formatAddress6(value)
        expect(text).toBe(new ipaddr.IPv6(bytesOf(value)).toRFC5952String())
        expect(parseAddress6(text)).toBe(value)
      }),
      { numRuns: 500 },
    )
  })

  it('is read as the oracle does, in every form', () => {
    fc.assert(
      fc.property(
        fc.ipV6().filter((text) => !oddForOracle.test(text)),
        (text) => {
          const bytes = ipaddr.IPv6.parse(text).toByteArray()
          expect(bytesOf(parseAddress6(text)!)).toEqual(bytes)
        },
      ),
      { numRuns: 500 },
    )
  })

  it.each([
    '',
    ':',
    ':::',
    '1',
    '1::2::3',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    '1:2:3:4:5:6:7:8::',
    'g::',
    '12345::',
    '::1.2.3',
    '1.2.3.4',
    'fe80::1%eth0',
    ' ::1',
  ])('does not read %j', (text) => expect(parseAddress6(text)).toBeUndefined())
})

describe('prefixes', () => {
  const prefixes4 = fc.tuple(fc.ipV4(), fc.integer({ min: 0, max: 32 })).map((pair) => pair.join('/'))
  const prefixes6 = fc.tuple(addresses6, fc.integer({ min: 0, max: 128 })).map((pair) => pair.join('/'))

  it('hold what the oracle says they hold', () => {
    fc.assert(
      fc.property(prefixes4, fc.ipV4(), fc.boolean(), (prefix, address, near) => {
        const parsed = parsePrefix(prefix)!
        const value = near ? parsed.value : BigInt(parseAddress4(address)!)
        const text = formatAddress4(Number(value))
        expect(contains(parsed, { family: 4, value })).toBe(
          ipaddr.IPv4.parse(text).match(ipaddr.IPv4.parseCIDR(prefix)),
        )
      }),
    )
  })

  it('begin where the oracle says', () => {
    fc.assert(
      fc.property(prefixes4, (prefix) => {
        const first = ipaddr.IPv4.networkAddressFromCIDR(prefix).toString()
        expect(formatPrefix(parsePrefix(prefix)!)).toBe(`${first}/${prefix.split('/')[1]}`)
      }),
    )
    fc.assert(
      fc.property(prefixes6, (prefix) => {
        const first = ipaddr.IPv6.networkAddressFromCIDR(prefix).toRFC5952String()
        expect(formatPrefix(parsePrefix(prefix)!)).toBe(`${first}/${prefix.split('/')[1]}`)
      }),
    )
  })

  it('overlap both ways or not at all, and never across families', () => {
    fc.assert(
      fc.property(fc.oneof(prefixes4, prefixes6), fc.oneof(prefixes4, prefixes6), (a, b) => {
        const [left, right] = [parsePrefix(a)!, parsePrefix(b)!]
        expect(prefixesOverlap(left, right)).toBe(prefixesOverlap(right, left))
        if (left.family !== right.family) expect(prefixesOverlap(left, right)).toBe(false)
        expect(prefixesOverlap(left, left)).toBe(true)
      }),
    )
  })

  it('of the machine that overlap the overlay are named; a default route is none', () => {
    const local = [
      '10.0.0.0/8',
      '192.168.1.7/24',
      '10.144.9.1/24',
      '0.0.0.0/0',
      'fd00::/8',
      'nonsense',
      '10.145.0.0/16',
    ]
    expect(overlaps('10.144.0.0/16', local)).toEqual(['10.0.0.0/8', '10.144.9.1/24'])
    expect(overlaps('fd12::/16', local)).toEqual(['fd00::/8'])
  })

  it.each(['10.0.0.0', '10.0.0.0/33', '::/129', '10.0.0.0/08', '10.0.0.0/8/8', '/8', '10.0.0.0/-1'])(
    'are not read from %j',
    (text) => expect(parsePrefix(text)).toBeUndefined(),
  )
})

describe('address6', () => {
  it('lies in the prefix, ends with the hash, and is never the router anycast address', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[0-9a-f]{64}$/), (hash) => {
        const value = parseAddress6(address6('fd00:1:2:3::/64', hash))!
        expect(value >> 64n).toBe(parseAddress6('fd00:1:2:3::')! >> 64n)
        expect(value & (2n ** 64n - 1n)).toBe(BigInt(`0x${hash.slice(0, 16)}`))
      }),
    )
    expect(address6('fd00:1:2:3::/64', '0'.repeat(64))).toBe('fd00:1:2:3::1')
  })
})
