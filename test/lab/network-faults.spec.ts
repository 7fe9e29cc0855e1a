// Proves that partitions are read as written and become the rules that lose just those frames, by examples and properties.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  type Fault,
  faultRules,
  faultsBetween,
  mergeFaults,
  parsePartition,
} from '../../src/lab/network-faults.ts'

describe('parsePartition', () => {
  it('reads both directions, one direction, and any spacing', () => {
    const both = { left: ['h1', 'h2'], right: ['h3'], direction: 'both' }
    expect(parsePartition(['h1,h2', '/', 'h3'])).toEqual(both)
    expect(parsePartition(['h2, h1/h3'])).toEqual(both)
    expect(parsePartition(['h1 > h2,h3'])).toEqual({
      left: ['h1'],
      right: ['h2', 'h3'],
      direction: 'left-to-right',
    })
  })

  it.each([[[]], [['h1']], [['h1', '/']], [['h1 / h2 / h3']], [['h1 / h1,h2']]])('refuses %j', (words) => {
    expect(() => parsePartition(words)).toThrow(expect.objectContaining({ code: 'ERR_USAGE' }))
  })
})

describe('faultRules', () => {
  it('drops by sender, below IP, on the hosts that receive', () => {
    const faults = faultsBetween([1], [2, 3], 'left-to-right', 100)
    expect(faultRules(faults, 2)).toBe(`table netdev muster_lab
delete table netdev muster_lab
table netdev muster_lab {
  chain arriving {
    type filter hook ingress device "eth0" priority 0; policy accept;
    ether saddr 02:77:00:00:00:01 drop
  }
}
`)
    expect(faultRules(faults, 1)).not.toContain('drop')
  })

  it('drops a share', () => {
    expect(faultRules(faultsBetween([10], [2], 'both', 20), 2)).toContain(
      'ether saddr 02:77:00:00:00:0a numgen random mod 100 < 20 drop',
    )
  })

  it('names each lost sender once on each receiver, for any partition', () => {
    const side = fc.uniqueArray(fc.integer({ min: 1, max: 200 }), { minLength: 2, maxLength: 12 })
    fc.assert(
      fc.property(side, fc.boolean(), (hosts, isBoth) => {
        const left = hosts.slice(0, 1)
        const right = hosts.slice(1)
        const faults = faultsBetween(left, right, isBoth ? 'both' : 'left-to-right')
        const drops = (host: number): number => faultRules(faults, host).match(/ drop$/gm)?.length ?? 0
        for (const host of right) expect(drops(host)).toBe(1)
        expect(drops(left[0]!)).toBe(isBoth ? right.length : 0)
      }),
    )
  })
})

describe('mergeFaults', () => {
  it('lets the last word about a pair count, and no order of words about others', () => {
    const first: Fault[] = [
      { from: 1, to: 2, lossPercent: 100 },
      { from: 2, to: 1, lossPercent: 100 },
    ]
    const second: Fault[] = [{ from: 1, to: 2, lossPercent: 5 }]
    expect(mergeFaults(first, second)).toEqual([
      { from: 2, to: 1, lossPercent: 100 },
      { from: 1, to: 2, lossPercent: 5 },
    ])
  })
})
