import { concludeBoot } from '../core/install/boot-record.ts'
import { entryName, parseEntryName, spentEntryName } from '../core/install/entry-name.ts'
import type { ImageRecords } from '../core/install/records.ts'
import { encodeRecords, withBlessing, withFailure, withRejection } from '../core/install/records.ts'
import type { BootFacts } from '../core/install/slots.ts'
import { isGood, isInstalledEntry, nextEntry } from '../core/install/slots.ts'
import type { BootEntries } from '../core/ports.ts'
import { MusterError } from '../errors.ts'
import type { KeptRecords } from './inspect.ts'
import { entriesOf, readEntries, readRecords } from './inspect.ts'

/** What boot records are kept in. */
export interface RecordComponents extends KeptRecords {
  readonly entries: BootEntries
}

/** What was concluded at the beginning of a boot. */
export interface BootReport {
  /** Restart at once: another image takes this one's place. */
  readonly restart: boolean
  /** For the log. */
  readonly notes: readonly string[]
  readonly records: ImageRecords
}

/**
 * To be called once at the beginning of each boot, with `/efi` and `/config` mounted: remembers a fallback, counts
 * again what lost its counter, and ends what a power cut left half done. Run twice, it changes nothing more.
 */
export async function recordBoot(components: RecordComponents, boot: BootFacts): Promise<BootReport> {
  const entries = await readEntries(components.entries)
  const { records: before, recordsLost } = await readRecords(components)
  const conclusion = concludeBoot(boot, entries, before)
  const notes = [
    ...(recordsLost ? ['the image records were damaged: every image proves itself again'] : []),
    ...conclusion.notes,
  ]
  if (recordsLost || conclusion.records !== before)
    await components.records.save(encodeRecords(conclusion.records))
  for (const { from, to } of conclusion.renames) await components.entries.rename(from, to)
  if (conclusion.renames.length > 0) await components.entries.sync()
  return { restart: conclusion.restart, notes, records: conclusion.records }
}

/**
 * Says that the running image is good: it is recorded first, and then its name loses the counter. Cut short between
 * them, the next boot ends it.
 */
export async function bless(components: RecordComponents, boot: BootFacts, epoch: number): Promise<void> {
  if (boot.mode !== 'installed') return
  const { records } = await readRecords(components)
  const blessed = withBlessing(records, boot.imageId, epoch)
  const isNew = records.trial?.imageId === boot.imageId || !records.blessed.includes(boot.imageId)
  if (isNew || blessed.highestEpoch !== records.highestEpoch)
    await components.records.save(encodeRecords(blessed))
  const entries = await readEntries(components.entries)
  const names = new Set(entries.map(({ name }) => name))
  let changed = false
  for (const { name, uki } of entriesOf(entries, boot.imageId)) {
    const trusted = entryName(uki!.version)
    if (parseEntryName(name)?.tries === undefined || names.has(trusted)) continue
    names.add(trusted)
    await components.entries.rename(name, trusted)
    changed = true
  }
  if (changed) await components.entries.sync()
}

/** Writes down why this boot was not healthy, before the machine restarts: it becomes the reason of a rejection. */
export async function recordFailure(components: KeptRecords, failure: string): Promise<void> {
  const { records } = await readRecords(components)
  const after = withFailure(records, failure)
  if (after !== records) await components.records.save(encodeRecords(after))
}

/** What a rollback goes back to. */
export interface RollbackResult {
  readonly from: string
  readonly to: string
}

/**
 * Makes the loader start the former image from the next boot on: the running one is recorded as rejected, and its
 * name gets no tries left. Cut short between them, the next boot ends it. Throws ERR_ROLLBACK_NONE.
 */
export async function rollback(
  components: RecordComponents,
  boot: BootFacts,
  reason: string,
): Promise<RollbackResult> {
  const entries = await readEntries(components.entries)
  const { records } = await readRecords(components)
  const none = (detail: string): MusterError => new MusterError('ERR_ROLLBACK_NONE', { detail })
  const away =
    boot.mode === 'installed' ? boot.imageId : nextEntry(entries.filter(isInstalledEntry))?.uki?.imageId
  const own = away === undefined ? [] : entriesOf(entries, away)
  const version = own[0]?.uki?.version
  if (away === undefined || version === undefined) throw none('no entry of the running image is known')
  const target = nextEntry(entries.filter((entry) => isGood(entry, records) && entry.uki?.imageId !== away))
  if (target === undefined) throw none('the other slot holds no image that is known to be good')
  await components.records.save(encodeRecords(withRejection(records, { imageId: away, version, reason })))
  const names = new Set(entries.map(({ name }) => name))
  for (const { name } of own) {
    if (parseEntryName(name)?.tries?.left === 0) continue
    const spent = spentEntryName(version, names)
    names.add(spent)
    await components.entries.rename(name, spent)
  }
  await components.entries.sync()
  return { from: version, to: target.uki!.version }
}
