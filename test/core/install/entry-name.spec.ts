// Proves that versions and entries are ordered as systemd-boot 252 orders them: the table of its own source, and counted names.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  compareEntries,
  countedDown,
  entryName,
  freshEntryName,
  parseEntryName,
  versionPattern,
} from '../../../src/core/install/entry-name.ts'
import { compareVersions } from '../../../src/core/install/version.ts'

describe('compareVersions', () => {
  /** The list in the comment of strverscmp_improved, oldest first. */
  const ordered = [
    '122.1',
    '123~rc1-1',
    '123',
    '123-a',
    '123-a.1',
    '123-1',
    '123-1.1',
    '123^post1',
    '123.a-1',
    '123.1-1',
    '123a-1',
    '124-1',
  ]

  it('orders the list in the source of systemd', () => {
    for (const [i, a] of ordered.entries()) {
      for (const [j, b] of ordered.entries())
        expect(Math.sign(compareVersions(a, b)), `${a} ${b}`).toBe(Math.sign(i - j))
    }
  })

  it.each([
    ['1.10', '1.9', 1],
    ['00123', '123', 0],
    ['123_a', '123a', 0],
    ['123a', '123.a', 1],
    ['', '1', -1],
    ['1.0~', '1.0', -1],
    ['abc', 'abcde', -1],
    ['1.0.0+3', '1.0.0', 1],
  ])('%s against %s is %i', (a, b, order) => {
    expect(compareVersions(a, b)).toBe(order)
    expect(compareVersions(b, a)).toBe(order === 0 ? 0 : -order)
  })

  it('is an order', () => {
    const version = fc.stringMatching(/^[0-9a-c.~^_-]{0,6}$/)
    fc.assert(
      fc.property(version, version, version, (a, b, c) => {
        expect(compareVersions(a, b)).toBe(-compareVersions(b, a) + 0)
        if (compareVersions(a, b) <= 0 && compareVersions(b, c) <= 0)
          expect(compareVersions(a, c)).toBeLessThanOrEqual(0)
      }),
      { numRuns: 2_000 },
    )
  })
})

describe('names', () => {
  it('count down as the loader renames them', () => {
    const names = [
      'muster_1.2.3+3.efi',
      'muster_1.2.3+2-1.efi',
      'muster_1.2.3+1-2.efi',
      'muster_1.2.3+0-3.efi',
    ]
    for (const [index, name] of names.slice(0, 3).entries()) expect(countedDown(name)).toBe(names[index + 1])
    expect(countedDown('muster_1.2.3+0-3.efi')).toBe('muster_1.2.3+0-4.efi')
    expect(countedDown('muster_1.2.3.efi')).toBeUndefined()
    expect(freshEntryName('1.2.3')).toBe(names[0])
    expect(entryName('1.2.3')).toBe('muster_1.2.3.efi')
  })

  it('are read back, and others are not taken for counted ones', () => {
    fc.assert(
      fc.property(fc.stringMatching(versionPattern), fc.nat(9), fc.nat(9), (version, left, done) => {
        expect(parseEntryName(entryName(version, { left, done }))).toEqual({
          stem: `muster_${version}`,
          tries: { left, done },
        })
        expect(parseEntryName(entryName(version))?.tries).toBeUndefined()
      }),
    )
    expect(parseEntryName('muster_1+3.efi.part')).toBeUndefined()
    expect(parseEntryName('muster_1+x.efi')?.tries).toBeUndefined()
    expect(parseEntryName('MUSTER~1.EFI')?.tries).toBeUndefined()
  })

  it('sort: tries left before none, then the newest, and the recovery before what is used up', () => {
    const entry = (
      name: string,
      version: string,
      sortKey = 'muster',
    ): { name: string; version: string; sortKey: string } => ({
      name,
      version,
      sortKey,
    })
    const sorted = [
      entry('muster_2+0-3.efi', '2'),
      entry('muster-recovery.efi', '9', 'muster-recovery'),
      entry('muster_1.efi', '1'),
      entry('muster_1.10+2-1.efi', '1.10'),
      entry('muster_1.9.efi', '1.9'),
    ].toSorted(compareEntries)
    expect(sorted.map(({ name }) => name)).toEqual([
      'muster_1.10+2-1.efi',
      'muster_1.9.efi',
      'muster_1.efi',
      'muster-recovery.efi',
      'muster_2+0-3.efi',
    ])
  })
})
