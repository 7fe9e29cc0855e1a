import {
  entryName,
  freshEntryName,
  isDistrusted,
  parseEntryName,
  spentEntryName,
  versionPattern,
} from './entry-name.ts'
import type { ImageRecords } from './records.ts'
import { withoutBlessing, withRejection } from './records.ts'
import type { BootFacts, EntryFacts } from './slots.ts'
import { isInstalledEntry, nextEntry } from './slots.ts'

// What the beginning of a boot concludes from the names on the ESP. Names are the truth, records the memory:
//
//   name without counter, not blessed   -> it gets a counter again (a rename was cut short)
//   name with counter, blessed          -> the counter goes (a blessing was cut short)
//   rejected, tries left or uncounted   -> no tries left (a rollback was cut short)
//   trial with no tries left, not run   -> rejected for good, with what it failed at
//   blessed, and the initrd distrusted it   -> no longer known to be good: its slot may be written

/** A change of a name. */
export interface Rename {
  readonly from: string
  readonly to: string
}

/** What to do, in this order: save the records, then rename, then restart. */
export interface BootConclusion {
  readonly records: ImageRecords
  readonly renames: readonly Rename[]
  /** The running image was rejected, and another one boots next. */
  readonly restart: boolean
  /** For the log: what was found and why. */
  readonly notes: readonly string[]
}

/** Judges the names and the records at the beginning of a boot. Applied twice, it changes nothing more. */
export function concludeBoot(
  boot: BootFacts,
  entries: readonly EntryFacts[],
  before: ImageRecords,
): BootConclusion {
  const notes: string[] = []
  const records = endTrust(boot, entries, endTrial(boot, entries, before, notes), notes)
  const renames: Rename[] = []
  const names = new Set(entries.map(({ name }) => name))
  for (const entry of entries.filter(isInstalledEntry)) {
    const wanted = wantedName(entry, records, names)
    // A twin of that name is left by a rename that was cut short: both lie on the same clusters.
    if (wanted === undefined || names.has(wanted.name)) continue
    names.add(wanted.name)
    renames.push({ from: entry.name, to: wanted.name })
    notes.push(`${entry.name} becomes ${wanted.name}: ${wanted.reason}`)
  }
  const isRejected = records.rejected.some(({ imageId }) => imageId === boot.imageId)
  const next = nextEntry(entries.map((entry) => renamed(entry, renames)))
  const restart =
    boot.mode === 'installed' &&
    isRejected &&
    next?.uki !== undefined &&
    !records.rejected.some(({ imageId }) => imageId === next.uki?.imageId)
  if (restart) notes.push(`this image was rejected; ${next.name} is started instead`)
  return { records, renames, restart, notes }
}

function endTrial(
  boot: BootFacts,
  entries: readonly EntryFacts[],
  records: ImageRecords,
  notes: string[],
): ImageRecords {
  const { trial } = records
  if (trial === null || (boot.mode === 'installed' && trial.imageId === boot.imageId)) return records
  const own = entries.filter((entry) => isInstalledEntry(entry) && entry.uki?.imageId === trial.imageId)
  if (own.length === 0) {
    notes.push(`version ${trial.version} was never put in place: its installation was cut short`)
    return { ...records, trial: null, baseline: null }
  }
  if (own.some(({ name }) => parseEntryName(name)?.tries?.left !== 0)) return records
  const reason = `no boot of it was healthy${trial.failure === '' ? '' : `: ${trial.failure}`}`
  notes.push(`fell back from version ${trial.version}: ${reason}`)
  return withRejection(records, { imageId: trial.imageId, version: trial.version, reason })
}

/** What was good and would not start any more (its slot may have rotted) is not started again. */
function endTrust(
  boot: BootFacts,
  entries: readonly EntryFacts[],
  before: ImageRecords,
  notes: string[],
): ImageRecords {
  let records = before
  for (const { name, uki } of entries.filter(isInstalledEntry)) {
    const { imageId, version } = uki!
    const tries = parseEntryName(name)?.tries
    if (tries === undefined || !isDistrusted(tries) || imageId === boot.imageId) continue
    if (!records.blessed.includes(imageId)) continue
    records = withoutBlessing(records, imageId)
    notes.push(`fell back from version ${version}, which was good before and no longer starts`)
  }
  return records
}

function wantedName(
  { name, uki }: EntryFacts,
  records: ImageRecords,
  taken: ReadonlySet<string>,
): { readonly name: string; readonly reason: string } | undefined {
  const { imageId, version } = uki!
  const tries = parseEntryName(name)?.tries
  if (!versionPattern.test(version)) return undefined
  if (records.rejected.some((each) => each.imageId === imageId)) {
    return tries?.left === 0 ? undefined : { name: spentEntryName(version, taken), reason: 'it was rejected' }
  }
  if (records.blessed.includes(imageId)) {
    return tries === undefined ? undefined : { name: entryName(version), reason: 'it is known to be good' }
  }
  return tries === undefined
    ? { name: freshEntryName(version), reason: 'it is not known to be good' }
    : undefined
}

function renamed(entry: EntryFacts, renames: readonly Rename[]): EntryFacts {
  const rename = renames.find(({ from }) => from === entry.name)
  return rename === undefined ? entry : { ...entry, name: rename.to }
}
