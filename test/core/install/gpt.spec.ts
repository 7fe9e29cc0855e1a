// Proves the partition table: sfdisk reads what is written, every changed byte is noticed, and partitions fit the disk without overlapping.
import { spawnSync } from 'node:child_process'
import { closeSync, ftruncateSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { randomUUID } from 'node:crypto'
import fc from 'fast-check'
import { skipNote } from '../../support/skip-note.ts'
import { describe, expect, it } from 'vitest'
import {
  decodeGpt,
  encodeGpt,
  primaryTable,
  tableRegions,
  usableSectors,
} from '../../../src/core/install/gpt.ts'
import { partitionNames, partitionTypes } from '../../../src/core/install/layout.ts'
import { asGptPartitions, planPartitions } from '../../../src/core/install/partitions.ts'

const mebibyte = 2 ** 20
const image = { rootBytes: 150 * mebibyte, entryBytes: 30 * mebibyte }
const disk = { sizeBytes: 8 * 2 ** 30, sectorBytes: 512 }

function tableOf(geometry: typeof disk): ReturnType<typeof encodeGpt> & { readonly diskId: string } {
  const plan = planPartitions(geometry, image, { extra: [] })
  if (!plan.ok) throw new Error(plan.detail)
  const diskId = randomUUID()
  return {
    ...encodeGpt({ diskId, partitions: asGptPartitions(plan.partitions, geometry, randomUUID) }, geometry),
    diskId,
  }
}

describe('the partition table', () => {
  const hasSfdisk = spawnSync('sfdisk', ['--version']).status === 0

  it.skipIf(!hasSfdisk)(`is what sfdisk reads${skipNote(hasSfdisk ? '' : 'no sfdisk here')}`, () => {
    const geometry = disk
    const directory = mkdtempSync(join(tmpdir(), 'muster-gpt-'))
    try {
      const path = join(directory, 'disk')
      const file = openSync(path, 'w')
      ftruncateSync(file, geometry.sizeBytes)
      const { diskId, ...pieces } = tableOf(geometry)
      for (const { offset, bytes } of Object.values(pieces)) writeSync(file, bytes, 0, bytes.length, offset)
      closeSync(file)
      const read = spawnSync('sfdisk', ['--json', path], {
        encoding: 'utf8',
      })
      expect(read.stderr).toBe('')
      const { partitiontable } = JSON.parse(read.stdout)
      expect(partitiontable).toMatchObject({ label: 'gpt', id: diskId.toUpperCase() })
      expect(partitiontable.partitions.map((each: { name: string }) => each.name)).toEqual(
        Object.values(partitionNames),
      )
      expect(partitiontable.partitions[1]).toMatchObject({ type: partitionTypes.slot.toUpperCase() })
      const verified = spawnSync('sfdisk', ['--verify', path], {
        encoding: 'utf8',
      })
      expect(verified.stdout + verified.stderr).toContain('No errors detected')
    } finally {
      rmSync(directory, { recursive: true })
    }
  })

  it('is read back, and not with any byte of it changed', () => {
    const table = tableOf(disk)
    const { primaryHeader: header, primaryEntries: entries } = table
    const read = decodeGpt(header.bytes, entries.bytes, 1)
    expect(read?.diskId).toBe(table.diskId)
    expect(read?.partitions.map(({ name }) => name)).toEqual(Object.values(partitionNames))
    const lastLba = disk.sizeBytes / 512 - 1
    expect(decodeGpt(table.backupHeader.bytes, table.backupEntries.bytes, lastLba)).toEqual(read)
    expect(decodeGpt(table.backupHeader.bytes, table.backupEntries.bytes, 1)).toBeUndefined()
    for (let at = 0; at < 92; at++) {
      const changed = header.bytes.slice()
      changed[at]! ^= 0x10
      expect(decodeGpt(changed, entries.bytes, 1), `header byte ${at}`).toBeUndefined()
    }
    for (let at = 0; at < entries.bytes.length; at += 97) {
      const changed = entries.bytes.slice()
      changed[at]! ^= 1
      expect(decodeGpt(header.bytes, changed, 1), `entry byte ${at}`).toBeUndefined()
    }
  })

  it('lies in the regions that are erased before an installation', () => {
    const table = tableOf(disk)
    const { primary, backup } = tableRegions(disk)
    const within = (
      piece: { offset: number; bytes: Uint8Array },
      region: { offset: number; bytes: number },
    ): boolean =>
      piece.offset >= region.offset && piece.offset + piece.bytes.length <= region.offset + region.bytes
    for (const piece of [table.protectiveMbr, table.primaryHeader, table.primaryEntries])
      expect(within(piece, primary)).toBe(true)
    for (const piece of [table.backupHeader, table.backupEntries]) expect(within(piece, backup)).toBe(true)
    expect(backup.offset + backup.bytes).toBe(disk.sizeBytes)
    expect(primaryTable(disk).header.offset).toBe(table.primaryHeader.offset)
  })
})

describe('partitions', () => {
  it('are aligned, in order, apart from one another and within the disk, or there is a reason', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 64 * 1_024 }),
        fc.constantFrom(512, 4_096),
        fc.integer({ min: 1, max: 4_096 }),
        fc.array(fc.integer({ min: 0, max: 2_048 }), { maxLength: 3 }),
        (sizeMebibytes, sectorBytes, rootMebibytes, extra) => {
          const geometry = { sizeBytes: sizeMebibytes * mebibyte, sectorBytes }
          const wishes = {
            extra: extra.map((size, index) => ({
              name: `extra-${index}`,
              bytes: size * mebibyte,
              fileSystem: undefined,
              label: '',
            })),
          }
          const plan = planPartitions(geometry, { ...image, rootBytes: rootMebibytes * mebibyte }, wishes)
          if (!plan.ok) {
            expect(plan.detail).not.toBe('')
            return
          }
          const rows = asGptPartitions(plan.partitions, geometry, randomUUID)
          const { first, last } = usableSectors(geometry)
          let after = first
          for (const row of rows) {
            expect((row.firstLba * sectorBytes) % mebibyte).toBe(0)
            expect(row.firstLba).toBeGreaterThanOrEqual(after)
            expect(row.lastLba).toBeGreaterThan(row.firstLba)
            after = row.lastLba + 1
          }
          expect(after - 1).toBeLessThanOrEqual(last)
          expect(rows.at(-1)?.name).toBe(partitionNames.persistent)
        },
      ),
    )
  })

  it('say how large a disk must be, and a disk of that size will do', () => {
    const small = planPartitions({ sizeBytes: 2 ** 30, sectorBytes: 512 }, image, { extra: [] })
    expect(small).toMatchObject({ ok: false, detail: 'the disk is too small' })
    if (small.ok) return
    const sizeBytes = Math.ceil(small.neededBytes / mebibyte) * mebibyte
    expect(planPartitions({ sizeBytes, sectorBytes: 512 }, image, { extra: [] }).ok).toBe(true)
  })

  it('refuse a boot partition or a slot that an image does not fit into', () => {
    expect(planPartitions(disk, image, { espBytes: 64 * mebibyte, extra: [] })).toMatchObject({ ok: false })
    expect(planPartitions(disk, image, { recoveryBytes: 100 * mebibyte, extra: [] })).toMatchObject({
      ok: false,
    })
  })
})
