import { countedDown, distrustedEntryName, parseEntryName } from './entry-name.ts'
import type { EntryFacts, ImagePlace } from './slots.ts'
import { nextEntry } from './slots.ts'

// A model of firmware, systemd-boot 252 and our initrd: what a disk in a given state starts. The judge of every power cut.

/** A file that the loader may start. */
export interface ModelEntry extends EntryFacts {
  /** Its bytes are those of an image that was signed. Firmware returns to its own menu from a file that is cut. */
  readonly whole: boolean
}

/** What the initrd finds in a slot. */
export interface ModelSlot {
  readonly place: ImagePlace
  /** Image whose hash tree and first block lie here: the initrd takes the slot for it. */
  readonly mounts: string | undefined
  /** Every block is what the hash tree says. */
  readonly verifies: boolean
}

export interface ModelDisk {
  /** Whether firmware finds a partition table. */
  readonly hasTable: boolean
  /** Whether the ESP can be read and holds a whole loader. */
  readonly hasLoader: boolean
  readonly entries: readonly ModelEntry[]
  readonly slots: readonly ModelSlot[]
  /** `/config` and `/persist` can be mounted. */
  readonly hasData: boolean
}

/** What a power-on ends in. */
export type BootOutcome =
  | { readonly kind: 'system'; readonly mode: string; readonly imageId: string; readonly entry: string }
  /** The firmware goes on to the next device: the medium, if there is one. */
  | { readonly kind: 'not-installed' }
  /** The initrd gave up and restarted the machine. */
  | { readonly kind: 'restarted'; readonly entry: string; readonly reason: string }
  /** Somebody has to come. */
  | { readonly kind: 'dead'; readonly reason: string }

/** One power-on, and the disk after it: the loader counts down before it starts an entry. */
export function powerOn(disk: ModelDisk): { readonly outcome: BootOutcome; readonly disk: ModelDisk } {
  if (!disk.hasTable) return { outcome: { kind: 'not-installed' }, disk }
  if (!disk.hasLoader) return { outcome: { kind: 'dead', reason: 'there is no loader' }, disk }
  const entry = nextEntry(disk.entries) as ModelEntry | undefined
  if (entry === undefined) return { outcome: { kind: 'dead', reason: 'there is no boot entry' }, disk }
  const counted = countedDown(entry.name)
  const after: ModelDisk = {
    ...disk,
    entries: disk.entries.map((each) => (each === entry ? { ...each, name: counted ?? each.name } : each)),
  }
  const at = { entry: counted ?? entry.name }
  if (!entry.whole) {
    return {
      outcome: { kind: 'dead', reason: `${entry.name} is not whole: the firmware's menu` },
      disk: after,
    }
  }
  const { mode, imageId } = entry.uki!
  const places: readonly ImagePlace[] = mode === 'recovery' ? ['recovery'] : ['a', 'b']
  const slot = places
    .flatMap((place) => disk.slots.filter((each) => each.place === place))
    .find(({ mounts }) => mounts === imageId)
  // What the loader does not count, the initrd does where it fails.
  const distrust = (each: ModelEntry): ModelEntry =>
    each.name === entry.name && counted === undefined && mode === 'installed'
      ? { ...each, name: distrustedEntryName(parseEntryName(entry.name)!.stem) }
      : each
  const restarted = (reason: string): { outcome: BootOutcome; disk: ModelDisk } => ({
    outcome: { kind: 'restarted', ...at, reason },
    disk: { ...after, entries: after.entries.map(distrust) },
  })
  if (slot === undefined) return restarted('no slot holds its image')
  if (!slot.verifies) return restarted(`slot ${slot.place} does not verify`)
  if (mode === 'installed' && !disk.hasData) return restarted('the data partitions cannot be mounted')
  return { outcome: { kind: 'system', mode, imageId, ...at }, disk: after }
}

/**
 * Powers on until a system runs or nothing changes any more. An image that `isHealthy` denies runs and then restarts
 * the machine, as a failed health check does.
 */
export function bootUntilSettled(
  disk: ModelDisk,
  isHealthy: (imageId: string) => boolean = () => true,
): { readonly outcome: BootOutcome; readonly disk: ModelDisk; readonly powerOns: number } {
  // Two entries of three tries each, twice over for twins, and the recovery.
  const powerOnsMax = 16
  let current = disk
  for (let powerOns = 1; powerOns <= powerOnsMax; powerOns++) {
    const { outcome, disk: after } = powerOn(current)
    current = after
    const sick = outcome.kind === 'system' && outcome.mode === 'installed' && !isHealthy(outcome.imageId)
    if (outcome.kind !== 'restarted' && !sick) return { outcome, disk: current, powerOns }
    if (sick && parseEntryName(outcome.entry)?.tries === undefined) {
      return {
        outcome: { kind: 'dead', reason: 'an entry without a counter fails for ever' },
        disk: current,
        powerOns,
      }
    }
  }
  return { outcome: { kind: 'dead', reason: 'it restarts for ever' }, disk: current, powerOns: powerOnsMax }
}
