import { parseEntryName } from './entry-name.ts'
import { imageFiles } from './layout.ts'
import type { Architecture, ImageManifest } from './manifest.ts'
import type { SlotName, SlotsState } from './slots.ts'
import { chooseSlot, entriesToDiscard, isInstalledEntry } from './slots.ts'
import { compareVersions } from './version.ts'

// Whether an image may be installed beside those that are there. Everything that can be known beforehand is asked before
// the first byte is written or deleted.

export interface UpgradeFacts {
  readonly manifest: ImageManifest
  readonly state: SlotsState
  readonly architecture: Architecture
  /** Epoch of the running image. */
  readonly runningEpoch: number
  readonly slotBytes: Readonly<Record<SlotName, number>>
  readonly espFreeBytes: number
  /** Files that may share their clusters with another one: deleting them frees nothing. */
  readonly twins: ReadonlySet<string>
  /** Take a rejected image again. */
  readonly force: boolean
}

export type UpgradeRefusal =
  | 'architecture'
  | 'epoch'
  | 'rejected'
  | 'not-newer'
  | 'no-slot'
  | 'slot-too-small'
  | 'esp-full'

export type UpgradeVerdict =
  | {
      readonly kind: 'install'
      readonly slot: SlotName
      readonly discard: readonly string[]
      readonly reason: string
    }
  /** It is there already: nothing to do. */
  | { readonly kind: 'present'; readonly reason: string }
  | { readonly kind: 'refused'; readonly cause: UpgradeRefusal; readonly reason: string }

/** FAT needs room for directories, and the last free cluster is no place to stop. */
const espSlackBytes = 1_024 * 1_024

/** Judges an image whose signature was checked. */
export function judgeUpgrade(facts: UpgradeFacts): UpgradeVerdict {
  const { manifest, state } = facts
  const no = (cause: UpgradeRefusal, reason: string): UpgradeVerdict => ({ kind: 'refused', cause, reason })
  if (manifest.architecture !== facts.architecture) {
    return no('architecture', `it is for ${manifest.architecture}, this machine is ${facts.architecture}`)
  }
  const epoch = Math.max(state.records.highestEpoch, facts.runningEpoch)
  if (manifest.epoch < epoch)
    return no('epoch', `its epoch is ${manifest.epoch}, this machine has seen ${epoch}`)
  const rejected = state.records.rejected.find(({ imageId }) => imageId === manifest.imageId)
  if (rejected !== undefined && !facts.force) return no('rejected', rejected.reason)
  if (state.boot?.mode === 'installed' && state.boot.imageId === manifest.imageId) {
    return { kind: 'present', reason: `version ${manifest.version} is running` }
  }
  const own = state.entries.find(
    (entry) => isInstalledEntry(entry) && entry.uki?.imageId === manifest.imageId,
  )
  const isHeld = state.held.a === manifest.imageId || state.held.b === manifest.imageId
  if (own !== undefined && isHeld && parseEntryName(own.name)?.tries?.left !== 0 && rejected === undefined) {
    return { kind: 'present', reason: `version ${manifest.version} is installed as ${own.name}` }
  }
  const choice = chooseSlot(state)
  if (!choice.ok) return no('no-slot', choice.reason)
  const { slot } = choice
  const discard = entriesToDiscard(state, slot)
  const remaining = state.entries.filter((entry) => isInstalledEntry(entry) && !discard.includes(entry.name))
  const newer = remaining.find(({ uki }) => compareVersions(uki!.version, manifest.version) >= 0)
  if (newer !== undefined) {
    return no('not-newer', `the loader would start version ${newer.uki!.version} and not ${manifest.version}`)
  }
  const rootBytes = manifest.files[imageFiles.root].bytes
  if (facts.slotBytes[slot] < rootBytes) {
    return no('slot-too-small', `it has ${rootBytes} bytes, slot ${slot} has ${facts.slotBytes[slot]}`)
  }
  const reclaimed = state.entries
    .filter(({ name }) => discard.includes(name) && !facts.twins.has(name))
    .reduce((sum, { bytes }) => sum + bytes, 0)
  const needed = manifest.files[imageFiles.installed].bytes + espSlackBytes
  if (facts.espFreeBytes + reclaimed < needed) {
    return no('esp-full', `it needs ${needed} bytes, ${facts.espFreeBytes + reclaimed} are free or can be`)
  }
  return { kind: 'install', slot, discard, reason: choice.reason }
}
