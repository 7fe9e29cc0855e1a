import type { SortedEntry } from './entry-name.ts'
import { compareEntries, parseEntryName, unfinishedEnding } from './entry-name.ts'
import { espPaths, partitionNames } from './layout.ts'
import type { ImageRecords } from './records.ts'
import type { UkiFacts } from './uki.ts'

// What is on an installed disk, and which slot may be written.

/** A slot that upgrades write. */
export type SlotName = 'a' | 'b'

/** A place on the disk that holds an image. */
export type ImagePlace = SlotName | 'recovery'

/** Name of a place's partition. */
export function partitionOf(place: ImagePlace): string {
  return { a: partitionNames.slotA, b: partitionNames.slotB, recovery: partitionNames.recovery }[place]
}

/** A file of the entries' directory. */
export interface EntryFacts {
  readonly name: string
  readonly bytes: number
  /** Undefined: the loader takes no notice of it, or it is no UKI. */
  readonly uki: UkiFacts | undefined
}

/** What the initrd wrote about this boot. */
export interface BootFacts {
  readonly mode: 'installed' | 'live' | 'recovery'
  readonly imageId: string
  /** Which of the disk's places the image came from; undefined: from a medium. */
  readonly place: ImagePlace | undefined
}

/** Everything known about the images of a disk. */
export interface SlotsState {
  readonly boot: BootFacts | undefined
  readonly entries: readonly EntryFacts[]
  /** Image whose hash tree lies in a place, as far as an entry names it. */
  readonly held: Readonly<Partial<Record<ImagePlace, string>>>
  readonly records: ImageRecords
}

/** One line of `muster slots`. */
export interface SlotStatus {
  readonly slot: ImagePlace
  readonly version: string
  readonly imageId: string
  readonly entry: string
  readonly running: boolean
  readonly good: boolean
  /** Null: the loader does not count it. */
  readonly triesLeft: number | null
  /** Why it is never tried again; empty: it is not rejected. */
  readonly rejected: string
  /** What the loader starts next. */
  readonly next: boolean
}

/** The state of each place, in the order of the disk. */
export function slotStatuses(state: SlotsState): readonly SlotStatus[] {
  const next = nextEntry(state.entries)
  return (['a', 'b', 'recovery'] as const).map((slot) => {
    const imageId = state.held[slot] ?? ''
    const entry = entryOf(state.entries, slot, imageId)
    return {
      slot,
      version: entry?.uki?.version ?? '',
      imageId,
      entry: entry?.name ?? '',
      running: state.boot?.place === slot,
      good: entry !== undefined && slot !== 'recovery' && isGood(entry, state.records),
      triesLeft: (entry === undefined ? undefined : parseEntryName(entry.name)?.tries?.left) ?? null,
      rejected: state.records.rejected.find((each) => each.imageId === imageId)?.reason ?? '',
      next: entry !== undefined && entry === next,
    }
  })
}

/** What the loader starts first. */
export function nextEntry(entries: readonly EntryFacts[]): EntryFacts | undefined {
  return entries
    .flatMap((entry): { readonly entry: EntryFacts; readonly sorted: SortedEntry }[] =>
      entry.uki === undefined || parseEntryName(entry.name) === undefined
        ? []
        : [{ entry, sorted: { name: entry.name, sortKey: entry.uki.sortKey, version: entry.uki.version } }],
    )
    .toSorted((a, b) => compareEntries(a.sorted, b.sorted))[0]?.entry
}

/** Whether an entry starts a slot's image. */
export function isInstalledEntry(entry: EntryFacts): boolean {
  return entry.uki?.mode === 'installed' && parseEntryName(entry.name) !== undefined
}

/** An entry whose image proved itself, and that the loader still trusts. */
export function isGood(entry: EntryFacts, records: ImageRecords): boolean {
  return (
    isInstalledEntry(entry) &&
    records.blessed.includes(entry.uki!.imageId) &&
    parseEntryName(entry.name)?.tries?.left !== 0 &&
    !records.rejected.some(({ imageId }) => imageId === entry.uki!.imageId)
  )
}

function entryOf(entries: readonly EntryFacts[], slot: ImagePlace, imageId: string): EntryFacts | undefined {
  if (imageId === '') return undefined
  const recoveryName = espPaths.recovery.slice(espPaths.entries.length + 1)
  return entries.find((entry) =>
    slot === 'recovery'
      ? entry.name === recoveryName
      : isInstalledEntry(entry) && entry.uki?.imageId === imageId,
  )
}

/** Which slot an upgrade writes, and which entries name it; or why none may be written. */
export type SlotChoice =
  | { readonly ok: true; readonly slot: SlotName; readonly reason: string }
  | { readonly ok: false; readonly reason: string }

/** The slot that neither runs nor holds the last good image: there is always one that boots. */
export function chooseSlot(state: SlotsState): SlotChoice {
  const running = state.boot?.place
  const good = lastGood(state)
  const free = (['a', 'b'] as const).filter((slot) => slot !== running && slot !== good)
  const slot = free.find((each) => state.held[each] === undefined) ?? free[0]
  if (slot === undefined) {
    return {
      ok: false,
      reason: `slot ${running} runs an image that is not known to be good yet, and slot ${good} holds the last good one`,
    }
  }
  return { ok: true, slot, reason: `slot ${slot} neither runs nor holds the last good image` }
}

/** The slot whose image was good last: the running one if it is good, else what the loader would fall back to. */
function lastGood(state: SlotsState): SlotName | undefined {
  const good = state.entries.filter((entry) => isGood(entry, state.records))
  const slotOf = (imageId: string): SlotName | undefined =>
    (['a', 'b'] as const).find((slot) => state.held[slot] === imageId)
  const running = state.boot?.place
  if (running !== undefined && running !== 'recovery') {
    const image = state.held[running]
    if (image !== undefined && good.some(({ uki }) => uki?.imageId === image)) return running
  }
  const newest = nextEntry(good)
  return newest === undefined ? undefined : slotOf(newest.uki!.imageId)
}

/**
 * Entries that go before a slot is written: those that name its present image, unless another slot holds the same,
 * and those whose image is in no slot at all: they could only fail. Never one of the running image.
 */
export function entriesToDiscard(state: SlotsState, slot: SlotName): readonly string[] {
  const kept = new Set(
    (['a', 'b'] as const).filter((each) => each !== slot).flatMap((each) => state.held[each] ?? []),
  )
  if (state.boot !== undefined) kept.add(state.boot.imageId)
  return state.entries
    .filter((entry) => {
      if (entry.name.endsWith(unfinishedEnding)) return true
      if (parseEntryName(entry.name) === undefined) return false
      // The loader passes over what is no UKI; under a name of ours it is what a rename left.
      if (entry.uki === undefined) return entry.bytes === 0 || entry.name.startsWith('muster_')
      return isInstalledEntry(entry) && !kept.has(entry.uki.imageId)
    })
    .map(({ name }) => name)
}
