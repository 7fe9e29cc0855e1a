import { createHash } from 'node:crypto'
import { pipe } from 'it-pipe'
import { freshEntryName, unfinishedEnding } from '../core/install/entry-name.ts'
import { imageFiles } from '../core/install/layout.ts'
import type { Architecture } from '../core/install/manifest.ts'
import type { HealthBaseline } from '../core/install/records.ts'
import { encodeRecords, withTrial } from '../core/install/records.ts'
import type { BootFacts, SlotName } from '../core/install/slots.ts'
import type { UpgradeRefusal } from '../core/install/upgrade-check.ts'
import { judgeUpgrade } from '../core/install/upgrade-check.ts'
import type { BootEntries, DiskRegion } from '../core/ports.ts'
import type { ErrorCode } from '../errors.ts'
import { MusterError } from '../errors.ts'
import type { InstalledComponents, InstalledMachine } from './inspect.ts'
import { inspectMachine } from './inspect.ts'
import type { OpenImage } from './open-image.ts'
import { checkDigest, chunkBytesDefault, countBytes, drain, inChunks, readRegion } from './stages.ts'
import type { OnProgress, Step } from './steps.ts'
import { StepRunner } from './steps.ts'

export interface UpgradeInit {
  readonly boot: BootFacts | undefined
  readonly architecture: Architecture
  readonly runningEpoch: number
  /** How healthy the machine is now; null: not known. */
  readonly baseline: HealthBaseline | null
  /** Take an image again that was rejected. */
  readonly force: boolean
  readonly onProgress: OnProgress
  readonly chunkBytes?: number
  /** For tests that must notice a wrong order. */
  readonly reorder?: (steps: readonly Step[]) => readonly Step[]
}

/** What an upgrade did. */
export interface UpgradeResult {
  /** False: the image was there already. */
  readonly changed: boolean
  readonly version: string
  readonly imageId: string
  readonly slot: SlotName | null
  readonly reason: string
}

const refusals: Readonly<Record<UpgradeRefusal, ErrorCode>> = {
  architecture: 'ERR_IMAGE_ARCHITECTURE',
  epoch: 'ERR_IMAGE_EPOCH',
  rejected: 'ERR_IMAGE_REJECTED',
  'not-newer': 'ERR_IMAGE_NOT_NEWER',
  'no-slot': 'ERR_SLOT_BUSY',
  'slot-too-small': 'ERR_SLOT_TOO_SMALL',
  'esp-full': 'ERR_ESP_FULL',
}

const blockBytes = 4_096

/**
 * Installs an image beside the running one. Every step follows from what is on the disk, so that an upgrade that was
 * cut short is simply run again; the last one, a rename, is what makes the loader start the new image.
 */
export async function upgradeImage(
  components: InstalledComponents & { readonly image: OpenImage },
  init: UpgradeInit,
): Promise<UpgradeResult> {
  const machine = await inspectMachine(components, init.boot)
  const { manifest } = components.image
  const verdict = judgeUpgrade({
    manifest,
    state: machine.state,
    architecture: init.architecture,
    runningEpoch: init.runningEpoch,
    slotBytes: { a: machine.places.a.bytes, b: machine.places.b.bytes },
    espFreeBytes: await components.entries.freeBytes(),
    twins: machine.twins,
    force: init.force,
  })
  const about = { version: manifest.version, imageId: manifest.imageId, reason: verdict.reason }
  if (verdict.kind === 'refused') throw new MusterError(refusals[verdict.cause], { detail: verdict.reason })
  if (verdict.kind === 'present') return { ...about, changed: false, slot: null }
  const upgrade = new Upgrade(components, init, machine, verdict.slot, verdict.discard)
  const runner = new StepRunner(init.onProgress)
  const steps = upgrade.steps(runner.moved)
  await runner.run(init.reorder?.(steps) ?? steps)
  return { ...about, changed: true, slot: verdict.slot }
}

class Upgrade {
  readonly #components: InstalledComponents & { readonly image: OpenImage }
  readonly #init: UpgradeInit
  readonly #machine: InstalledMachine
  readonly #slot: SlotName
  readonly #discard: readonly string[]
  readonly #chunkBytes: number
  readonly #unfinished: string
  /** The image's first block, kept back: without it nothing takes the slot for an image. */
  #firstBlock: Uint8Array | undefined

  constructor(
    components: InstalledComponents & { readonly image: OpenImage },
    init: UpgradeInit,
    machine: InstalledMachine,
    slot: SlotName,
    discard: readonly string[],
  ) {
    this.#components = components
    this.#init = init
    this.#machine = machine
    this.#slot = slot
    this.#discard = discard
    this.#chunkBytes = init.chunkBytes ?? chunkBytesDefault
    const names = new Set(machine.state.entries.map(({ name }) => name))
    this.#unfinished = freeName(
      `${freshEntryName(components.image.manifest.version)}${unfinishedEnding}`,
      names,
    )
  }

  steps(moved: (bytes: number) => void): readonly Step[] {
    const slot = `slot ${this.#slot}`
    return [
      { name: 'discard', title: `forget what ${slot} held`, run: () => this.#discardEntries() },
      { name: 'write-slot', title: `write ${slot}`, run: () => this.#writeSlot(moved) },
      { name: 'verify-slot', title: `read back and verify ${slot}`, run: () => this.#verifySlot(moved) },
      { name: 'write-entry', title: 'write the boot entry', run: () => this.#writeEntry(moved) },
      { name: 'verify-entry', title: 'read back and verify the boot entry', run: () => this.#verifyEntry() },
      { name: 'record', title: 'remember how things stand', run: () => this.#record() },
      { name: 'commit', title: 'put the boot entry in place', run: () => this.#commit() },
    ]
  }

  async #discardEntries(): Promise<void> {
    await discardEntries(this.#components.entries, this.#discard, this.#machine)
  }

  async #writeSlot(moved: (bytes: number) => void): Promise<void> {
    const { disk, image } = this.#components
    const { offset } = this.#region
    await disk.write(offset, new Uint8Array(blockBytes))
    await disk.flush()
    await pipe(image.open(imageFiles.root), inChunks(this.#chunkBytes), countBytes(moved), async (source) => {
      let at = 0
      for await (const chunk of source) {
        if (at === 0) this.#firstBlock = new Uint8Array(chunk.subarray(0, blockBytes))
        const kept = at === 0 ? blockBytes : 0
        if (chunk.byteLength > kept) await disk.write(offset + at + kept, chunk.subarray(kept))
        at += chunk.byteLength
      }
    })
    await disk.flush()
  }

  async #verifySlot(moved: (bytes: number) => void): Promise<void> {
    const { disk, image } = this.#components
    const { offset } = this.#region
    const expected = image.manifest.files[imageFiles.root]
    const first = this.#firstBlock ?? new Uint8Array(0)
    const rest = { offset: offset + first.byteLength, bytes: expected.bytes - first.byteLength }
    const whole = async function* (chunkBytes: number): AsyncGenerator<Uint8Array> {
      yield first
      yield* readRegion(disk, rest, chunkBytes)
    }
    await pipe(whole(this.#chunkBytes), countBytes(moved), checkDigest(`slot ${this.#slot}`, expected), drain)
    await disk.write(offset, first)
    await disk.flush()
    if (!Buffer.from(await disk.read(offset, first.byteLength)).equals(first)) {
      throw new MusterError('ERR_IMAGE_DAMAGED', {
        file: `slot ${this.#slot}`,
        detail: 'its first block reads otherwise',
      })
    }
  }

  async #writeEntry(moved: (bytes: number) => void): Promise<void> {
    const { entries, image } = this.#components
    const content = pipe(image.open(imageFiles.installed), inChunks(this.#chunkBytes), countBytes(moved))
    await entries.write(this.#unfinished, content)
    await entries.sync()
  }

  async #verifyEntry(): Promise<void> {
    const { entries, image } = this.#components
    const expected = image.manifest.files[imageFiles.installed]
    const bytes = await entries.read(this.#unfinished)
    if (createHash('sha256').update(bytes).digest('hex') !== expected.sha256) {
      throw new MusterError('ERR_IMAGE_DAMAGED', {
        file: this.#unfinished,
        detail: 'it reads otherwise than it was written',
      })
    }
  }

  async #record(): Promise<void> {
    const { records, image } = this.#components
    const { version, imageId } = image.manifest
    const { state } = this.#machine
    // Forced: what was rejected is on trial again.
    const rejected = state.records.rejected.filter((each) => each.imageId !== imageId)
    const trial = { imageId, version, from: this.#init.boot?.imageId ?? '' }
    await records.save(encodeRecords(withTrial({ ...state.records, rejected }, trial, this.#init.baseline)))
  }

  async #commit(): Promise<void> {
    const { entries, image } = this.#components
    await entries.rename(this.#unfinished, freshEntryName(image.manifest.version))
    await entries.sync()
  }

  get #region(): DiskRegion {
    return this.#machine.places[this.#slot]
  }
}

/**
 * Takes entries away. Two names with equal bytes may lie on the same clusters (a rename that was cut short): removing one
 * would give the other's clusters away, so that a twin is only put out of the loader's sight, and stays.
 */
export async function discardEntries(
  directory: BootEntries,
  discard: readonly string[],
  machine: Pick<InstalledMachine, 'state' | 'twins'>,
): Promise<void> {
  if (discard.length === 0) return
  const names = new Set(machine.state.entries.map(({ name }) => name))
  for (const name of discard) {
    if (!machine.twins.has(name)) await directory.remove(name)
    else if (!name.endsWith(unfinishedEnding)) {
      const hidden = freeName(`${name}.old`, names)
      names.add(hidden)
      await directory.rename(name, hidden)
    }
  }
  await directory.sync()
}

/** The name, or one like it that is not taken, with the same ending. */
function freeName(wanted: string, taken: ReadonlySet<string>): string {
  if (!taken.has(wanted)) return wanted
  const [, stem, ending] = /^(.*)(\.[^.]+)$/.exec(wanted) ?? ['', wanted, '']
  for (let number = 1; ; number++) {
    const name = `${stem}.${number}${ending}`
    if (!taken.has(name)) return name
  }
}
