// Proves that the power may fail at any moment of an installation and of an upgrade, on a disk that loses what was not flushed:
// first in real boots, cut at moments drawn by lot; then for each of many moments of one recorded upgrade, sector by sector.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { partitionNames } from '../../src/core/install/layout.ts'
import { readTable, regionOf } from '../../src/install/inspect.ts'
import { NbdServer } from '../../src/lab/vm/nbd.ts'
import { readConsole, viewConsole } from '../../src/lab/vm/stage.ts'
import { type DiskEvent, VolatileDisk } from '../../src/lab/vm/volatile-disk.ts'
import type { VmLab } from '../../src/lab/vm/vm-lab.ts'
import { remainsAfter, WriteLog } from '../../src/lab/vm/write-log.ts'
import { timeFactor } from '../support/site.ts'
import { bootFrom, EspCopy, knownImage, trust } from './support/esp.ts'
import { isoOf, versionOf } from './support/images.ts'
import { patienceMs, vmUntil, withVms } from './support/machines.ts'
import { isSkipped, skipNote } from './support/obstacle.ts'
import { readSlots, runningVersion, upgrade } from './support/slots.ts'

const seed = Number(process.env['MUSTER_TEST_SEED'] ?? Math.floor(Math.random() * 2 ** 31))
const random = lots(seed)
const diskBytes = 8 * 2 ** 30

it.skipIf(isSkipped)(
  `a power cut at any moment leaves a machine that starts a verified image${skipNote}`,
  async () => {
    process.stdout.write(`MUSTER_TEST_SEED=${seed}\n`)
    const directory = mkdtempSync(join(tmpdir(), 'muster-power-'))
    const listeners = new Set<(event: DiskEvent) => void>()
    const disk = new VolatileDisk(join(directory, 'disk.raw'), diskBytes, (event) => {
      for (const listener of listeners) listener(event)
    })
    const server = new NbdServer(join(directory, 'nbd.sock'), disk)
    await server.listen()
    try {
      await withVms({ name: 'power', nodes: 1, iso: isoOf('a'), start: false }, async (lab) => {
        const powerCut = async (): Promise<void> => {
          await lab.cut('m1')
          disk.losePower(random)
          await lab.start('m1', { disk: server.url })
        }
        await lab.start('m1', { disk: server.url })
        await cutWhileInstalling(lab, powerCut)
        await runs(lab, [versionOf('a')])
        await cutAtEveryMoment(lab, disk, listeners, directory)
        // Straight after the upgrade said that it is done: the new image may not be lost.
        await powerCut()
        await runs(lab, [versionOf('b')])
      })
    } finally {
      await server.close()
      disk.close()
      rmSync(directory, { recursive: true, force: true })
    }
  },
  3_600_000 * timeFactor,
)

/** Cuts the power at two moments of the installation, and lets it begin anew each time. */
async function cutWhileInstalling(lab: VmLab, powerCut: () => Promise<void>): Promise<void> {
  for (let cut = 1; cut <= 2; cut++) {
    const step = 1 + Math.floor(random() * 8)
    const note = await noteOfStep(lab, step)
    await sleep(random() * 3_000)
    process.stdout.write(`power cut while installing: ${note}\n`)
    await powerCut()
  }
}

/** Waits until this boot's installation has come to a step. Only the console is read: a step may last no longer than a moment. */
async function noteOfStep(lab: VmLab, step: number): Promise<string> {
  const before = viewConsole(readConsole(lab.paths('m1').console)).boots
  const end = performance.now() + patienceMs(lab, 240)
  for (;;) {
    const { stage, note, boots } = viewConsole(readConsole(lab.paths('m1').console))
    const at = Number(/^\[(\d+)\/\d+\]/.exec(note)?.[1] ?? 0)
    // Until the firmware has begun anew the console still shows the boot of before.
    if (boots > before) {
      if (stage === 'installing' && (at >= step || note.startsWith('next:'))) return note
      if (stage === 'installed') return 'it is done already'
    }
    if (performance.now() > end) throw new Error(`step ${step} of the installation: not in time: ${note}`)
    await sleep(100)
  }
}

/** Waits until the machine runs one of these versions from its disk, and its agent's early part is over. */
async function runs(lab: VmLab, versions: readonly string[]): Promise<string> {
  return vmUntil(lab, `the machine runs ${versions.join(' or ')}`, 360, async () => {
    const [seen] = await lab.status()
    if (seen?.console.stage !== 'installed') return undefined
    const version = await readSlots(lab, 'm1').then(runningVersion, () => '')
    return versions.includes(version) ? version : undefined
  })
}

/** Records what an upgrade writes to the boot partition and judges what a power cut leaves of it, moment by moment. */
async function cutAtEveryMoment(
  lab: VmLab,
  disk: VolatileDisk,
  listeners: Set<(event: DiskEvent) => void>,
  directory: string,
): Promise<void> {
  const table = await readTable({
    sizeBytes: disk.bytes,
    sectorBytes: 512,
    read: async (offset, bytes) => disk.read(offset, bytes),
  })
  const range = (name: string): { offset: number; bytes: number } =>
    regionOf(table!, name, { sectorBytes: 512 })!
  const esp = range(partitionNames.esp)
  const slot = range(partitionNames.slotB)
  const log = new WriteLog(esp)
  const slotLog = new WriteLog(slot)
  // Moment of the boot partition's log at which the last write to the slot was on stable storage.
  let slotFlushedAt = 0
  let slotWrites = 0
  const copy = new EspCopy(join(directory, 'esp.img'), disk.read(esp.offset, esp.bytes))
  const listener = (event: DiskEvent): void => {
    log.record(event)
    if (event.kind === 'flush') {
      if (slotLog.events.length !== slotWrites) slotFlushedAt = log.events.length
      slotWrites = slotLog.events.length
      return
    }
    // The slot's bytes themselves are not kept.
    slotLog.record({ ...event, data: event.data })
  }
  listeners.add(listener)
  expect(await upgrade(lab, 'm1', 'b')).toMatchObject({ code: 0 })
  listeners.delete(listener)

  const [a, b] = [knownImage('a'), knownImage('b')]
  trust(a, b)
  const { events } = log
  expect(events.length).toBeGreaterThan(20)
  const found = new Map<string, number>()
  for (const count of momentsOf(events.length)) {
    for (let draw = 0; draw < 2; draw++) {
      const remains = remainsAfter(events, count, random)
      const outcome = copy.with(remains, (path) =>
        bootFrom(path, { a, b: count > slotFlushedAt ? b : undefined }),
      )
      expect({ count, of: events.length, ...outcome }).toMatchObject({ kind: 'system', mode: 'installed' })
      const imageId = outcome.kind === 'system' ? outcome.imageId : ''
      found.set(imageId, (found.get(imageId) ?? 0) + 1)
    }
  }
  // Both came up: before the rename the old image, after it the new one.
  expect([...found.keys()].toSorted()).toEqual([a.imageId, b.imageId].toSorted())
  process.stdout.write(
    `${events.length} writes and flushes; ${found.get(a.imageId)} cuts start A, ${found.get(b.imageId)} B\n`,
  )
}

/** Every moment of the last 40, in which the rename is, and some of the others. */
function momentsOf(count: number): number[] {
  const last = Array.from({ length: Math.min(40, count) }, (_, index) => count - index)
  const others = Array.from({ length: 40 }, () => Math.floor(random() * count))
  return [...new Set([...last, ...others])].toSorted((x, y) => x - y)
}

/** Lots from 0 to 1 that a seed decides (mulberry32). */
function lots(start: number): () => number {
  let state = start
  return () => {
    state = (state + 0x6d_2b_79_f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
