// Proves the rules of identity by tables and properties: which hardware change is a clone, what becomes of
// the key before and after the charter, how a quarantine ends, and what boot counters say.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { birthCodec, birthDigest, compareBirth, unknownBirth } from '../../../src/core/identity/birth.ts'
import type { BirthRecord } from '../../../src/core/identity/birth.ts'
import { compareBoots, nextBoot } from '../../../src/core/identity/boot.ts'
import { decideIdentity, resolveQuarantine } from '../../../src/core/identity/clone.ts'
import { nodeIdOf, publicKeyOf } from '../../../src/core/identity/peer-id.ts'

const born: BirthRecord = {
  machineId: 'c0ffee',
  productUuid: '4c4c4544-0042-3510-8054-b4c04f4d3132',
  macs: ['52:54:00:aa:00:01', '52:54:00:aa:00:02'],
  diskSerial: 'S3Z8NB0K',
}
const another: BirthRecord = {
  machineId: 'c0ffee',
  productUuid: '4c4c4544-0042-3510-8054-000000000000',
  macs: ['52:54:00:bb:00:01'],
  diskSerial: 'OTHER',
}

describe('compareBirth', () => {
  it.each<[string, BirthRecord, string]>([
    ['the same machine', born, 'same'],
    [
      'letter case and spaces of firmware',
      { ...born, productUuid: ` ${born.productUuid.toUpperCase()} ` },
      'same',
    ],
    ['a card taken out', { ...born, macs: born.macs.slice(1) }, 'same'],
    ['a machine id made anew', { ...born, machineId: 'new' }, 'same'],
    ['a machine that tells nothing', unknownBirth, 'same'],
    ['a firmware that went blank', { ...born, productUuid: 'Not Settable' }, 'same'],
    ['a new board with the old cards', { ...born, productUuid: another.productUuid }, 'repaired'],
    ['new cards', { ...born, macs: another.macs }, 'repaired'],
    ['an image restored to a new disk', { ...born, diskSerial: 'NEW' }, 'repaired'],
    ['the disk in another machine', { ...another, diskSerial: born.diskSerial }, 'moved'],
    ['a copy on another machine', another, 'elsewhere'],
  ])('calls %s what it is', (_, now, kind) => expect(compareBirth(born, now).kind).toBe(kind))

  it('takes no placeholder for a fingerprint', () => {
    const blank = {
      ...unknownBirth,
      productUuid: '03000200-0400-0500-0006-000700080009',
      diskSerial: 'QM00001',
    }
    const comparison = compareBirth({ ...blank, macs: ['aa:aa'] }, { ...blank, macs: ['bb:bb'] })
    expect(comparison).toEqual({ kind: 'elsewhere', agreeing: [], differing: ['MAC addresses'] })
  })

  it('names every part once, and is symmetric', () => {
    const value = fc.constantFrom('', 'x', 'y')
    const births = fc.record({
      machineId: value,
      productUuid: value,
      macs: fc.uniqueArray(value),
      diskSerial: value,
    })
    fc.assert(
      fc.property(births, births, (a, b) => {
        const there = compareBirth(a, b)
        expect(compareBirth(b, a)).toEqual(there)
        const parts = [...there.agreeing, ...there.differing]
        expect(new Set(parts).size).toBe(parts.length)
        expect(compareBirth(a, a).kind).toBe('same')
      }),
    )
  })

  it('digests what it compares, and reads back what was written', () => {
    const digest = (label: string, value: object): string => label + JSON.stringify(value)
    expect(birthDigest({ ...born, macs: born.macs.toReversed() }, { digest })).toBe(
      birthDigest(born, { digest }),
    )
    expect(birthDigest(another, { digest })).not.toBe(birthDigest(born, { digest }))
    expect(birthCodec.read(born, '')).toEqual(born)
  })
})

describe('decideIdentity', () => {
  it('re-keys a clone before the charter and quarantines it after', () => {
    expect(decideIdentity(born, another, false)).toMatchObject({ kind: 're-key' })
    expect(decideIdentity(born, another, true)).toMatchObject({ kind: 'quarantine' })
    const moved = { ...another, diskSerial: born.diskSerial }
    expect(decideIdentity(born, moved, false)).toMatchObject({ kind: 're-key' })
    expect(decideIdentity(born, moved, true).reason).toContain('the disk is in another machine')
  })

  it('keeps the key of the same and of a repaired machine, charter or not', () => {
    for (const chartered of [false, true]) {
      expect(decideIdentity(born, born, chartered)).toMatchObject({ kind: 'keep', rewriteBirth: false })
      const repaired = { ...born, macs: another.macs }
      expect(decideIdentity(born, repaired, chartered)).toMatchObject({ kind: 'keep', rewriteBirth: true })
    }
  })
})

describe('resolveQuarantine', () => {
  const nothing = { originalHeard: false, silenceAttested: 0, voters: 3, operatorConfirmed: false }

  it.each([
    ['waits without evidence', nothing, 'quarantine'],
    ['waits for a majority', { ...nothing, silenceAttested: 1 }, 'quarantine'],
    ['keeps with a majority', { ...nothing, silenceAttested: 2 }, 'keep'],
    ['needs three of four', { ...nothing, silenceAttested: 2, voters: 4 }, 'quarantine'],
    ['keeps on the operator’s word', { ...nothing, operatorConfirmed: true }, 'keep'],
    ['re-keys when the original lives', { ...nothing, originalHeard: true }, 're-key'],
    ['takes no majority of nobody', { ...nothing, voters: 0 }, 'quarantine'],
  ] as const)('%s', (_, evidence, kind) => expect(resolveQuarantine(evidence).kind).toBe(kind))

  it('never keeps the key while the original lives', () => {
    const evidence = fc.record({
      originalHeard: fc.constant(true),
      silenceAttested: fc.nat(9),
      voters: fc.nat(7),
      operatorConfirmed: fc.boolean(),
    })
    fc.assert(
      fc.property(evidence, (given) => {
        expect(resolveQuarantine(given).kind).toBe('re-key')
      }),
    )
  })
})

describe('boots', () => {
  const first = nextBoot(undefined, 'aaaaaaaaaaaaaaaa')

  it('count from one', () => {
    expect(first.counter).toBe(1)
    expect(nextBoot(first, 'bbbbbbbbbbbbbbbb')).toEqual({ counter: 2, nonce: 'bbbbbbbbbbbbbbbb' })
  })

  it('tell a twin and a rolled-back disk from an old memory', () => {
    const now = nextBoot(first, 'bbbbbbbbbbbbbbbb')
    expect(compareBoots(now, now)).toBe('self')
    expect(compareBoots(now, first)).toBe('earlier')
    expect(compareBoots(now, { ...now, nonce: 'cccccccccccccccc' })).toBe('twin')
    expect(compareBoots(now, { ...now, counter: 3 })).toBe('later')
  })
})

describe('peer ids', () => {
  it('give back the key that they are, and nothing else is one', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), fc.nat(51), (key, at) => {
        const id = nodeIdOf(key)
        expect(id).toMatch(/^12D3KooW/)
        expect(publicKeyOf(id)).toEqual(key)
        // One changed character is another key or no id, never a second name of this key.
        const changed = id.slice(0, at) + (id[at] === 'z' ? 'y' : 'z') + id.slice(at + 1)
        expect(publicKeyOf(changed)).not.toEqual(key)
      }),
    )
  })

  it.each([
    '',
    '1',
    'Qm'.padEnd(46, 'a'),
    '12D3KooW',
    `1${nodeIdOf(new Uint8Array(32))}`,
    '0OIl',
    '1'.repeat(10_000),
  ])('are not read from %j', (text) => expect(publicKeyOf(text)).toBeUndefined())
})
