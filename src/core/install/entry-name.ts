import { bootTries } from './layout.ts'
import { compareVersions } from './version.ts'

// The names of boot entries: `muster_<version>[+<tries left>[-<tries done>]].efi`, which systemd-boot counts down.

/** Ending of a file that is still being written: the loader takes only `.efi`. */
export const unfinishedEnding = '.part'

/** Counters in the name of an entry. */
export interface Tries {
  readonly left: number
  readonly done: number
}

/** What a file name on the ESP says. */
export interface EntryName {
  /** The name without counters. */
  readonly stem: string
  /** Undefined: the loader does not count this entry. */
  readonly tries: Tries | undefined
}

/** Versions that make good file names: a `+` would be taken for a counter. */
export const versionPattern: RegExp = /^[0-9A-Za-z][0-9A-Za-z.~^-]{0,63}$/

/** Name of an entry of this version. */
export function entryName(version: string, tries?: Tries): string {
  if (tries === undefined) return `muster_${version}.efi`
  return `muster_${version}+${tries.left}${tries.done === 0 ? '' : `-${tries.done}`}.efi`
}

/** Name of an entry that was never tried. */
export function freshEntryName(version: string): string {
  return entryName(version, { left: bootTries, done: 0 })
}

/** Name of an entry that has no tries left, and that no other file has. */
export function spentEntryName(version: string, taken: ReadonlySet<string>): string {
  for (let done = 1; ; done++) {
    const name = entryName(version, { left: 0, done })
    if (!taken.has(name)) return name
  }
}

/**
 * Name that the initrd gives an entry without a counter whose image would not start: one more try, and more tries made than an
 * entry begins with. `distrust` of `src/image/initrd/init.sh` writes the same.
 */
export function distrustedEntryName(stem: string): string {
  return `${stem}+1-${bootTries}.efi`
}

/** Whether the last try of such an entry was made as well. */
export function isDistrusted({ left, done }: Tries): boolean {
  return left === 0 && done > bootTries
}

/** Reads a file name as the loader does. Undefined: the loader takes no notice of such a file. */
export function parseEntryName(name: string): EntryName | undefined {
  if (!name.toLowerCase().endsWith('.efi') || name.startsWith('.')) return undefined
  const found = /^(?<stem>.*)\+(?<left>\d+)(?:-(?<done>\d+))?\.efi$/.exec(name)?.groups
  if (found === undefined) return { stem: name.slice(0, -4), tries: undefined }
  return { stem: found['stem']!, tries: { left: Number(found['left']), done: Number(found['done'] ?? 0) } }
}

/** The name that the loader gives an entry before it starts it; undefined where it does not count. */
export function countedDown(name: string): string | undefined {
  const entry = parseEntryName(name)
  if (entry?.tries === undefined) return undefined
  return `${entry.stem}+${Math.max(0, entry.tries.left - 1)}-${entry.tries.done + 1}.efi`
}

/** What the loader sorts entries by: the file's name, and what its os-release section says. */
export interface SortedEntry {
  readonly name: string
  /** IMAGE_ID, else ID. */
  readonly sortKey: string
  /** IMAGE_VERSION, else VERSION_ID. */
  readonly version: string
}

/** Order of systemd-boot 252 (`config_entry_compare`): the first is started. */
export function compareEntries(a: SortedEntry, b: SortedEntry): number {
  const [triesA, triesB] = [parseEntryName(a.name)?.tries, parseEntryName(b.name)?.tries]
  const spent = Number(triesA?.left === 0) - Number(triesB?.left === 0)
  if (spent !== 0) return spent
  if (a.sortKey !== b.sortKey) return a.sortKey < b.sortKey ? -1 : 1
  const versions = -compareVersions(a.version, b.version)
  if (versions !== 0) return versions
  const names = -compareVersions(a.name.toLowerCase(), b.name.toLowerCase())
  if (names !== 0 || triesA === undefined || triesB === undefined) return names
  return triesB.left - triesA.left || triesA.done - triesB.done
}
