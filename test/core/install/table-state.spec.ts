// Proves whose a disk is: its table at both ends, with every sector of the beginning missing or taken by something else.
import { randomUUID } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { encodeGpt, tableRegions } from '../../../src/core/install/gpt.ts'
import { asGptPartitions, planPartitions } from '../../../src/core/install/partitions.ts'
import type { TableBytes } from '../../../src/core/install/table-state.ts'
import { findTable } from '../../../src/core/install/table-state.ts'

describe.each([512, 4_096])('a table in sectors of %i bytes', (sectorBytes) => {
  const disk = { sizeBytes: 8 * 2 ** 30, sectorBytes }
  const plan = planPartitions(disk, { rootBytes: 2 ** 27, entryBytes: 2 ** 24 }, { extra: [] })
  if (!plan.ok) throw new Error(plan.detail)
  const table = { diskId: randomUUID(), partitions: asGptPartitions(plan.partitions, disk, randomUUID) }
  const regions = tableRegions(disk)
  const sectors = regions.primary.bytes / sectorBytes

  function written(): TableBytes {
    const ends = {
      primary: new Uint8Array(regions.primary.bytes),
      backup: new Uint8Array(regions.backup.bytes),
    }
    for (const { offset, bytes } of Object.values(encodeGpt(table, disk))) {
      const isBackup = offset >= regions.backup.offset
      ends[isBackup ? 'backup' : 'primary'].set(bytes, offset - (isBackup ? regions.backup.offset : 0))
    }
    return ends
  }
  const fillSector = ({ primary }: TableBytes, sector: number, value: number): void =>
    void primary.fill(value, sector * sectorBytes, (sector + 1) * sectorBytes)

  it('is whole where both copies are, and where only the second is gone', () => {
    expect(findTable(written(), disk)).toEqual({ kind: 'whole', table })
    const { primary } = written()
    const backup = new Uint8Array(regions.backup.bytes).fill(7)
    expect(findTable({ primary, backup }, disk)).toEqual({ kind: 'whole', table })
  })

  it('is cut where sectors of the first copy are empty, and what is missing makes it whole', () => {
    const full = written()
    for (let first = 0; first < sectors; first++) {
      for (let last = first; last < sectors; last++) {
        const ends = written()
        for (let sector = first; sector <= last; sector++) fillSector(ends, sector, 0)
        const found = findTable(ends, disk)
        // Sectors of the entries that hold none are empty anyway.
        if (Buffer.compare(ends.primary, full.primary) === 0) continue
        expect(found).toMatchObject({ kind: 'cut', table })
        if (found.kind !== 'cut') continue
        for (const { offset, bytes } of found.missing.flat()) ends.primary.set(bytes, offset)
        expect(Buffer.compare(ends.primary, full.primary)).toBe(0)
      }
    }
  })

  it('is stale where only the copy is left and any sector before it holds something else', () => {
    for (let sector = 0; sector < sectors; sector++) {
      for (const rest of ['empty', 'ours'] as const) {
        const ends = written()
        if (rest === 'empty') ends.primary.fill(0)
        fillSector(ends, sector, 1)
        expect(findTable(ends, disk), `sector ${sector}, the rest ${rest}`).toEqual({ kind: 'stale', table })
      }
    }
  })

  it('is stale where it is whole, and the first sector leads to another system', () => {
    const ends = written()
    fillSector(ends, 0, 0)
    ends.primary.set([0x80, 0, 0, 0, 0x83], 446)
    ends.primary.set([0x55, 0xaa], 510)
    expect(findTable(ends, disk)).toEqual({ kind: 'stale', table })
  })

  it('is none where neither copy can be read', () => {
    const ends = written()
    fillSector(ends, 2, 0)
    ends.backup.fill(0, 0, sectorBytes)
    expect(findTable(ends, disk)).toEqual({ kind: 'none' })
    ends.primary.fill(0)
    expect(findTable(ends, disk)).toEqual({ kind: 'none' })
  })
})
