import { createHash } from 'node:crypto'
import type { DiskGeometry, Gpt } from '../core/install/gpt.ts'
import { tableRegions } from '../core/install/gpt.ts'
import { configPaths, partitionNames } from '../core/install/layout.ts'
import type { InstallReceipt } from '../core/install/receipt.ts'
import { parseReceipt } from '../core/install/receipt.ts'
import type { ImageRecords } from '../core/install/records.ts'
import { parseRecords, recordsAfterLoss } from '../core/install/records.ts'
import type { BootFacts, EntryFacts, ImagePlace, SlotsState } from '../core/install/slots.ts'
import { isInstalledEntry, partitionOf } from '../core/install/slots.ts'
import type { FoundTable } from '../core/install/table-state.ts'
import { findTable } from '../core/install/table-state.ts'
import type { UkiFacts } from '../core/install/uki.ts'
import { readUki, ukiHeadBytes } from '../core/install/uki.ts'
import type { BootEntries, DiskRegion, DiskTarget, TextFile } from '../core/ports.ts'
import { MusterError } from '../errors.ts'

/** What is remembered of a machine's images, and what stands in where that is lost. */
export interface KeptRecords {
  readonly records: TextFile
  /** Epochs that this machine is known to have reached by other means than its records. */
  readonly knownEpochs: () => Promise<readonly number[]>
}

/** The parts of an installed machine that its images lie on. */
export interface InstalledComponents extends KeptRecords {
  readonly disk: DiskTarget
  readonly entries: BootEntries
}

/** What was found on the disk: nothing here is remembered, all is read. */
export interface InstalledMachine {
  readonly state: SlotsState
  readonly places: Readonly<Record<ImagePlace, DiskRegion>>
  /** Files with equal bytes: they may share their clusters, so that removing one destroys the other. */
  readonly twins: ReadonlySet<string>
  /** The records were damaged: every image proves itself again. */
  readonly recordsLost: boolean
}

const blockBytes = 4_096

/** Reads everything that decisions about images need. Throws ERR_NOT_INSTALLED. */
export async function inspectMachine(
  components: InstalledComponents,
  boot: BootFacts | undefined,
): Promise<InstalledMachine> {
  const table = await readTable(components.disk)
  const places = table === undefined ? undefined : placesOf(table, components.disk)
  if (places === undefined) {
    throw new MusterError('ERR_NOT_INSTALLED', {
      detail: `${components.disk.path} has no partition table of muster`,
    })
  }
  const entries = await readEntries(components.entries)
  const { records, recordsLost } = await readRecords(components)
  return {
    state: { boot, entries, held: await findImages(components.disk, places, entries), records },
    places,
    twins: await findTwins(components.entries, entries),
    recordsLost,
  }
}

/** The records, or none where they are damaged: then only the epochs that are known otherwise are kept. */
export async function readRecords({
  records: file,
  knownEpochs,
}: KeptRecords): Promise<{ readonly records: ImageRecords; readonly recordsLost: boolean }> {
  const text = await file.load()
  const records = text === undefined ? undefined : parseRecords(text)
  return {
    records: records ?? recordsAfterLoss(await knownEpochs()),
    recordsLost: text !== undefined && records === undefined,
  }
}

type ReadableDisk = Pick<DiskTarget, 'read'> & DiskGeometry

/** What both ends of a disk say of its partition table. */
export async function lookForTable(disk: ReadableDisk): Promise<FoundTable> {
  const { primary, backup } = tableRegions(disk)
  return findTable(
    {
      primary: await disk.read(primary.offset, primary.bytes),
      backup: await disk.read(backup.offset, backup.bytes),
    },
    disk,
  )
}

/** The partition table, or its copy where the first is damaged: on a disk that is known to be ours. */
export async function readTable(disk: ReadableDisk): Promise<Gpt | undefined> {
  const found = await lookForTable(disk)
  return found.kind === 'none' ? undefined : found.table
}

/** The installation that a disk carries: every partition of ours is there, and nothing else lies where the table belongs. */
export async function findInstallation(
  disk: ReadableDisk & Pick<DiskTarget, 'readTextFile'>,
): Promise<{ readonly receipt: InstallReceipt | undefined } | undefined> {
  const found = await lookForTable(disk)
  if (found.kind === 'none' || found.kind === 'stale' || !hasOurPartitions(found.table)) return undefined
  const config = regionOf(found.table, partitionNames.config, disk)!
  // Damaged files make it no other system's: it would be wiped as one.
  const text = await disk.readTextFile(config, configPaths.receipt).catch(() => undefined)
  return { receipt: text === undefined ? undefined : parseReceipt(text) }
}

function hasOurPartitions(table: Gpt): boolean {
  const names = new Set(table.partitions.map(({ name }) => name))
  return Object.values(partitionNames).every((name) => names.has(name))
}

/** Where a partition lies. */
export function regionOf(
  table: Gpt,
  name: string,
  { sectorBytes }: Pick<DiskGeometry, 'sectorBytes'>,
): DiskRegion | undefined {
  const found = table.partitions.find((partition) => partition.name === name)
  if (found === undefined) return undefined
  return { offset: found.firstLba * sectorBytes, bytes: (found.lastLba - found.firstLba + 1) * sectorBytes }
}

function placesOf(table: Gpt, disk: DiskGeometry): InstalledMachine['places'] | undefined {
  if (!hasOurPartitions(table)) return undefined
  const region = (place: ImagePlace): DiskRegion => regionOf(table, partitionOf(place), disk)!
  return { a: region('a'), b: region('b'), recovery: region('recovery') }
}

/** The entries with what they say of themselves. */
export async function readEntries(directory: BootEntries): Promise<readonly EntryFacts[]> {
  const found: EntryFacts[] = []
  for (const { name, bytes } of await directory.list()) {
    const isEntry = name.toLowerCase().endsWith('.efi') && bytes > 0
    found.push({ name, bytes, uki: isEntry ? readUki(await directory.read(name, ukiHeadBytes)) : undefined })
  }
  return found
}

/** Which image lies in which place, as far as an entry names it: the top of its hash tree says so. */
async function findImages(
  disk: DiskTarget,
  places: InstalledMachine['places'],
  entries: readonly EntryFacts[],
): Promise<SlotsState['held']> {
  const held: Partial<Record<ImagePlace, string>> = {}
  const images = new Map(
    entries.flatMap(({ uki }) => (uki === undefined ? [] : [[uki.imageId, uki] as const])),
  )
  for (const [place, region] of Object.entries(places) as [ImagePlace, DiskRegion][]) {
    for (const uki of images.values()) {
      if (await holds(disk, region, uki)) held[place] = uki.imageId
    }
  }
  return held
}

async function holds(
  disk: DiskTarget,
  region: DiskRegion,
  { blocks, salt, imageId }: UkiFacts,
): Promise<boolean> {
  const at = (blocks + 1) * blockBytes
  if (blocks === 0 || at + blockBytes > region.bytes) return false
  const top = await disk.read(region.offset + at, blockBytes)
  return createHash('sha256').update(Buffer.from(salt, 'hex')).update(top).digest('hex') === imageId
}

async function findTwins(
  directory: BootEntries,
  entries: readonly EntryFacts[],
): Promise<ReadonlySet<string>> {
  const bySize = Map.groupBy(
    entries.filter(({ bytes }) => bytes > 0),
    ({ bytes }) => bytes,
  )
  const twins = new Set<string>()
  for (const same of bySize.values()) {
    if (same.length === 1) continue
    const hashes = new Map<string, string>()
    for (const { name } of same) {
      const hash = createHash('sha256')
        .update(await directory.read(name))
        .digest('hex')
      const first = hashes.get(hash)
      if (first === undefined) hashes.set(hash, name)
      else twins.add(first).add(name)
    }
  }
  return twins
}

/** The entry that a running image was started from, and others of the same image. */
export function entriesOf(entries: readonly EntryFacts[], imageId: string): readonly EntryFacts[] {
  return entries.filter((entry) => isInstalledEntry(entry) && entry.uki?.imageId === imageId)
}
