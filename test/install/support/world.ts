import type { ModelDisk } from '../../../src/core/install/boot-model.ts'
import { bootUntilSettled } from '../../../src/core/install/boot-model.ts'
import { parseEntryName } from '../../../src/core/install/entry-name.ts'
import { isProtectiveMbr } from '../../../src/core/install/gpt.ts'
import { espPaths, partitionNames } from '../../../src/core/install/layout.ts'
import { parseRecords } from '../../../src/core/install/records.ts'
import type { BootFacts } from '../../../src/core/install/slots.ts'
import { partitionOf } from '../../../src/core/install/slots.ts'
import { readUki } from '../../../src/core/install/uki.ts'
import type { DiskRegion, ImageSource } from '../../../src/core/ports.ts'
import { installImage } from '../../../src/install/install-image.ts'
import type { InstallInit } from '../../../src/install/install-image.ts'
import type { InstalledComponents } from '../../../src/install/inspect.ts'
import { findInstallation, readTable, regionOf } from '../../../src/install/inspect.ts'
import { repairTable } from '../../../src/install/repair-table.ts'
import { openImage } from '../../../src/install/open-image.ts'
import type { OpenImage } from '../../../src/install/open-image.ts'
import { MemoryBootEntries, MemoryTextFile } from '../../../src/testing/memory-boot-entries.ts'
import { fileSystemMark, MemoryDiskTarget } from '../../../src/testing/memory-disk.ts'
import { createMemoryFileSystems, readMemoryFileSystem } from '../../../src/testing/memory-file-systems.ts'
import { losses, Power, PowerCut } from '../../../src/testing/power.ts'
import type { Loss } from '../../../src/testing/power.ts'
import type { FakeImage } from './fake-image.ts'
import { verifiesFully, verifySignature } from './fake-image.ts'

// A machine in memory: its disk, its boot partition, its records, and the judge that says what it would boot.

export const diskBytes = 8 * 2 ** 30

/** Everything durable of a machine. */
export interface MachineContent {
  /** Logical sectors of its disk; 512 where nothing is said. */
  readonly sectorBytes?: number
  readonly pages: ReadonlyMap<number, Uint8Array>
  /** Undefined: what the ESP's region of the disk holds. */
  readonly entries: ReadonlyMap<string, Uint8Array> | undefined
  readonly records: string | undefined
}

export const blankMachine: MachineContent = { pages: new Map(), entries: undefined, records: undefined }

/** Fakes over a machine's content, on one mains. */
export class MemoryMachine {
  readonly power: Power
  readonly disk: MemoryDiskTarget
  readonly entries: MemoryBootEntries
  readonly records: MemoryTextFile
  readonly #hasEntries: boolean

  constructor(content: MachineContent, cutAt?: number, onWrite?: (region: DiskRegion) => void) {
    this.power = new Power(cutAt)
    this.disk = new MemoryDiskTarget({
      sizeBytes: diskBytes,
      sectorBytes: content.sectorBytes ?? 512,
      power: this.power,
      content: content.pages,
      ...(onWrite === undefined ? {} : { onWrite }),
    })
    this.#hasEntries = content.entries !== undefined
    this.entries = new MemoryBootEntries({ power: this.power, content: content.entries ?? new Map() })
    this.records = new MemoryTextFile(content.records, this.power)
  }

  readonly knownEpochs = async (): Promise<readonly number[]> => []

  /** What an upgrade works on. */
  get installed(): InstalledComponents {
    const { disk, entries, records, knownEpochs } = this
    return { disk, entries, records, knownEpochs }
  }

  get content(): MachineContent {
    return {
      sectorBytes: this.disk.sectorBytes,
      pages: this.disk.content,
      entries: this.#hasEntries ? this.entries.content : undefined,
      records: this.records.text,
    }
  }
}

/** A source that holds an image. */
export function sourceOf(image: FakeImage, change: Partial<Record<string, Uint8Array>> = {}): ImageSource {
  const files: Record<string, Uint8Array | undefined> = {
    'manifest.json': image.manifestBytes,
    'manifest.sig': image.signature,
    ...image.files,
    ...change,
  }
  return {
    name: `memory:${image.manifest.version}`,
    read: async (file) => files[file],
    async *open(file) {
      const bytes = files[file]
      if (bytes === undefined) throw new Error(`there is no ${file}`)
      // Odd pieces: no stage may count on whole blocks.
      for (let at = 0; at < bytes.length; at += 5_000) yield bytes.subarray(at, at + 5_000)
    },
    close: async () => {},
  }
}

export function opened(image: FakeImage, change?: Partial<Record<string, Uint8Array>>): Promise<OpenImage> {
  return openImage(sourceOf(image, change), verifySignature)
}

export async function install(
  machine: MemoryMachine,
  image: FakeImage,
  init: Partial<InstallInit> = {},
): Promise<void> {
  let guids = 0
  await installImage(
    { disk: machine.disk, image: await opened(image), fileSystems: createMemoryFileSystems() },
    {
      architecture: 'x86_64',
      wishes: { extra: [] },
      cloudConfig: [{ name: '40_test.yaml', text: '#cloud-config\n' }],
      machineId: 'f'.repeat(32),
      newGuid: () => `00000000-0000-4000-8000-${String(++guids).padStart(12, '0')}`,
      installer: '0.0.0',
      onProgress: () => undefined,
      chunkBytes: 8_192,
      ...init,
    },
  )
}

/** An installed machine as it runs: the ESP is mounted, the records are a file. */
export async function installed(image: FakeImage): Promise<MachineContent> {
  const machine = new MemoryMachine(blankMachine)
  await install(machine, image)
  return mounted(machine.content)
}

export async function mounted(content: MachineContent): Promise<MachineContent> {
  const { disk } = new MemoryMachine(content)
  const table = await readTable(disk)
  if (table === undefined) throw new Error('there is no partition table')
  const files = (name: string): ReturnType<typeof readMemoryFileSystem> => {
    const { offset } = regionOf(table, name, disk)!
    return readMemoryFileSystem((at, bytes) => disk.peek(offset + at, bytes), disk.sectorBytes)
  }
  const prefix = `${espPaths.entries}/`
  const entries = new Map(
    files(partitionNames.esp)
      ?.filter(({ path }) => path.startsWith(prefix))
      .map(({ path, bytes }) => [path.slice(prefix.length), bytes]),
  )
  const records = files(partitionNames.config)?.find(({ path }) => path === 'images.json')
  return { ...content, entries, records: records && new TextDecoder().decode(records.bytes) }
}

/** What firmware, loader and initrd would find, where only these images are signed. */
export async function modelOf(content: MachineContent, images: readonly FakeImage[]): Promise<ModelDisk> {
  const { disk } = new MemoryMachine(content)
  const nothing = { hasTable: false, hasLoader: false, entries: [], slots: [], hasData: false }
  // Firmware restores the first table from its copy, but looks for none without the first sector. The medium starts then, and
  // its installer takes the disk for an installed one and makes it whole.
  const isSeen = async (): Promise<boolean> => isProtectiveMbr(await disk.read(0, disk.sectorBytes))
  if (!(await isSeen())) await repairTable(disk)
  const table = await readTable(disk)
  if (table === undefined || (await findInstallation(disk)) === undefined) return nothing
  if (!(await isSeen())) return { ...nothing, hasTable: true }
  const at = (name: string): number => regionOf(table, name, disk)!.offset
  const filesOf = (name: string): ReturnType<typeof readMemoryFileSystem> =>
    readMemoryFileSystem((offset, bytes) => disk.peek(at(name) + offset, bytes), disk.sectorBytes)
  const [esp, config] = [filesOf(partitionNames.esp), filesOf(partitionNames.config)]
  const isOneOf = (bytes: Uint8Array, file: 'loader.efi' | 'installed.efi' | 'recovery.efi'): boolean =>
    images.some(({ files }) => Buffer.from(files[file]).equals(bytes))
  const entries =
    content.entries ??
    new Map(
      (esp ?? [])
        .filter(({ path }) => path.startsWith(`${espPaths.entries}/`))
        .map(({ path, bytes }) => [path.slice(espPaths.entries.length + 1), bytes]),
    )
  const text = (name: string): string =>
    new TextDecoder().decode(config?.find(({ path }) => path === name)?.bytes ?? new Uint8Array(0))
  const hasConfig =
    /^[0-9a-f]{32}\n$/.test(text('machine-id')) && parseRecords(text('images.json')) !== undefined
  const hasPersistent = [0, 4_096].every((offset) =>
    Buffer.from(disk.peek(at(partitionNames.persistent) + offset, 4_096)).equals(
      fileSystemMark('ext4', 'muster-data', offset),
    ),
  )
  return {
    hasTable: true,
    hasLoader: espPaths.loaders.every((path) =>
      isOneOf(esp?.find((file) => file.path === path)?.bytes ?? new Uint8Array(0), 'loader.efi'),
    ),
    entries: [...entries].map(([name, bytes]) => ({
      name,
      bytes: bytes.length,
      uki: readUki(bytes),
      whole: isOneOf(bytes, 'installed.efi') || isOneOf(bytes, 'recovery.efi'),
    })),
    slots: (['a', 'b', 'recovery'] as const).map((place) => {
      const offset = at(partitionOf(place))
      const found = images.find(({ manifest, root }) => {
        const top = (manifest.blocks + 1) * 4_096
        const same = (start: number): boolean =>
          Buffer.from(disk.peek(offset + start, 4_096)).equals(root.subarray(start, start + 4_096))
        return same(0) && same(top)
      })
      return {
        place,
        mounts: found?.manifest.imageId,
        verifies: found !== undefined && verifiesFully(disk.peek(offset, found.root.length), found.manifest),
      }
    }),
    hasData: hasConfig && hasPersistent,
  }
}

/** What is wrong with a machine; undefined: nothing. Always called with the content after a power cut. */
export type Judge = (content: MachineContent) => Promise<string | undefined>

/** A verified version of these boots by itself, and no entry with tries left leads nowhere. */
export function bootsOneOf(
  images: readonly FakeImage[],
  options: {
    readonly orNotInstalled?: boolean
    /** Signed ones that it must not end with. */
    readonly former?: readonly FakeImage[]
  } = {},
): Judge {
  return async (content) => {
    const model = await modelOf(content, [...images, ...(options.former ?? [])])
    if (!model.hasTable) return options.orNotInstalled === true ? undefined : 'it is not installed'
    const { outcome } = bootUntilSettled(model)
    if (outcome.kind !== 'system') return `${outcome.kind}: ${'reason' in outcome ? outcome.reason : ''}`
    if (outcome.mode !== 'installed') return `it boots ${outcome.mode}`
    if (!images.some(({ manifest }) => manifest.imageId === outcome.imageId))
      return 'it boots something unknown'
    for (const { name, uki, whole } of model.entries) {
      if (uki === undefined || parseEntryName(name) === undefined || parseEntryName(name)?.tries?.left === 0)
        continue
      const slot = model.slots.find(({ mounts }) => mounts === uki.imageId)
      if (!whole || slot?.verifies !== true) return `${name} leads nowhere`
    }
    return undefined
  }
}

/** One power cut that a judge did not accept. */
export interface Failure {
  readonly operation: number
  readonly loss: Loss
  readonly detail: string
}

export interface CutReport {
  readonly operations: number
  readonly cuts: number
  readonly failures: readonly Failure[]
}

/**
 * Cuts the power at every operation of a program and leaves each kind of loss behind; judges what is left, and again
 * after `resume`, which has to bring the program to its end.
 */
export async function cutEverywhere(options: {
  readonly content: MachineContent
  readonly run: (machine: MemoryMachine) => Promise<unknown>
  readonly judge: Judge
  readonly resume?: (machine: MemoryMachine) => Promise<unknown>
  readonly judgeEnd?: Judge
  /** For what is expected to fail: the first failure is enough. */
  readonly stopAtFirst?: boolean
}): Promise<CutReport> {
  const whole = new MemoryMachine(options.content)
  await options.run(whole)
  const { operations } = whole.power
  const failures: Failure[] = []
  let cuts = 0
  const judgeEnd = options.judgeEnd ?? options.judge
  const end = await judgeEnd(whole.content)
  if (end !== undefined) failures.push({ operation: operations, loss: 'kept', detail: `uncut: ${end}` })
  for (let operation = 1; operation <= operations; operation++) {
    for (const loss of losses) {
      if (options.stopAtFirst === true && failures.length > 0) break
      const machine = new MemoryMachine(options.content, operation)
      await options.run(machine).then(
        () => failures.push({ operation, loss, detail: 'the power did not go' }),
        (error: unknown) => {
          if (!(error instanceof PowerCut)) throw error
        },
      )
      machine.power.settle(loss)
      cuts++
      const detail = await options.judge(machine.content)
      if (detail !== undefined) failures.push({ operation, loss, detail })
      if (options.resume === undefined) continue
      const again = new MemoryMachine(machine.content)
      const resumed = await options.resume(again).then(
        () => judgeEnd(again.content),
        (error: unknown) => `it could not be resumed: ${String(error)}`,
      )
      if (resumed !== undefined) failures.push({ operation, loss, detail: `resumed: ${resumed}` })
    }
  }
  return { operations, cuts, failures }
}

/** What the initrd would have written for a machine that runs this image from this place. */
export function bootOf(image: FakeImage, place: 'a' | 'b'): BootFacts {
  return { mode: 'installed', imageId: image.manifest.imageId, place }
}
