import { createHash } from 'node:crypto'
import { pipe } from 'it-pipe'
import { freshEntryName } from '../core/install/entry-name.ts'
import type { EncodedGpt, GptPiece } from '../core/install/gpt.ts'
import { decodeGpt, encodeGpt, primaryTable } from '../core/install/gpt.ts'
import { configPaths, espPaths, imageFiles, partitionNames } from '../core/install/layout.ts'
import type { Architecture, FileDigest, ImageManifest } from '../core/install/manifest.ts'
import type { ExtraPartition, PartitionWishes, PlannedPartition } from '../core/install/partitions.ts'
import { asGptPartitions, planPartitions } from '../core/install/partitions.ts'
import type { InstallReceipt } from '../core/install/receipt.ts'
import { encodeReceipt } from '../core/install/receipt.ts'
import { encodeRecords, noRecords, withTrial } from '../core/install/records.ts'
import type { DiskTarget, FileSystemImage, FileSystemImages, NewFile } from '../core/ports.ts'
import { MusterError } from '../errors.ts'
import { eraseSignatures, eraseTables } from './erase-disk.ts'
import type { OpenImage } from './open-image.ts'
import {
  checkDigest,
  chunkBytesDefault,
  countBytes,
  drain,
  equalTo,
  inChunks,
  only,
  readRegion,
} from './stages.ts'
import type { OnProgress, Step } from './steps.ts'
import { StepRunner } from './steps.ts'

/** What the installation needs of the outside. */
export interface InstallComponents {
  readonly disk: DiskTarget
  readonly image: OpenImage
  readonly fileSystems: FileSystemImages
}

/** A file of the machine's configuration. */
export interface CloudConfigFile {
  readonly name: string
  readonly text: string
}

export interface InstallInit {
  readonly architecture: Architecture
  readonly wishes: PartitionWishes
  /** Files of the configuration, as they lie in its directory. */
  readonly cloudConfig: readonly CloudConfigFile[]
  /** 32 hex digits, fresh. */
  readonly machineId: string
  readonly newGuid: () => string
  /** Version of muster that installs. */
  readonly installer: string
  readonly onProgress: OnProgress
  readonly chunkBytes?: number
  /** For tests that must notice a wrong order. */
  readonly reorder?: (steps: readonly Step[]) => readonly Step[]
}

/** What the loader is told: no menu, no editor. */
const loaderConfig = 'timeout 0\neditor no\n'

/** SHA-256 of a configuration, 64 hex digits: of the names and texts of its files, in their order. */
export function digestOf(cloudConfig: readonly CloudConfigFile[]): string {
  const files = cloudConfig.map(({ name, text }) => [name, text])
  return createHash('sha256').update(JSON.stringify(files)).digest('hex')
}

/**
 * Writes an image to a disk. Everything is written where it belongs on the whole disk, synced and read back; the
 * partition table comes last, its primary header as the very last write. Cut short at any point, the disk counts as
 * not installed. Throws ERR_IMAGE_ARCHITECTURE, ERR_DISK_TOO_SMALL, ERR_IMAGE_DAMAGED, ERR_DISK.
 */
export async function installImage(
  components: InstallComponents,
  init: InstallInit,
): Promise<InstallReceipt> {
  const { manifest } = components.image
  if (manifest.architecture !== init.architecture) {
    throw new MusterError('ERR_IMAGE_ARCHITECTURE', {
      detail: `it is for ${manifest.architecture}, this machine is ${init.architecture}`,
    })
  }
  const installation = new Installation(components, init)
  const runner = new StepRunner(init.onProgress)
  const steps = installation.steps(runner.moved)
  try {
    await runner.run(init.reorder?.(steps) ?? steps)
  } finally {
    await installation.close()
  }
  return installation.receipt
}

class Installation {
  readonly receipt: InstallReceipt
  readonly #components: InstallComponents
  readonly #init: InstallInit
  readonly #manifest: ImageManifest
  readonly #partitions: readonly PlannedPartition[]
  readonly #table: EncodedGpt
  readonly #chunkBytes: number
  readonly #built: { readonly partition: PlannedPartition; readonly image: FileSystemImage }[] = []

  constructor(components: InstallComponents, init: InstallInit) {
    this.#components = components
    this.#init = init
    this.#chunkBytes = init.chunkBytes ?? chunkBytesDefault
    const { disk, image } = components
    this.#manifest = image.manifest
    const { files, version, imageId, epoch } = image.manifest
    const plan = planPartitions(
      disk,
      { rootBytes: files[imageFiles.root].bytes, entryBytes: files[imageFiles.installed].bytes },
      init.wishes,
    )
    if (!plan.ok) {
      throw new MusterError('ERR_DISK_TOO_SMALL', {
        disk: disk.path,
        detail: plan.detail,
        needed: plan.neededBytes,
        size: disk.sizeBytes,
      })
    }
    this.#partitions = plan.partitions
    const diskId = init.newGuid()
    this.#table = encodeGpt(
      { diskId, partitions: asGptPartitions(plan.partitions, disk, init.newGuid) },
      disk,
    )
    const fingerprint = createHash('sha256').update(`${init.machineId} ${diskId}`).digest('hex').slice(0, 16)
    this.receipt = {
      format: 1,
      version,
      imageId,
      epoch,
      diskId,
      installer: init.installer,
      fingerprint,
      configDigest: digestOf(init.cloudConfig),
    }
  }

  steps(moved: (bytes: number) => void): readonly Step[] {
    const { disk } = this.#components
    return [
      { name: 'erase', title: 'erase both partition tables', run: () => this.#erase() },
      { name: 'boot', title: 'write the boot partition', run: () => this.#writeBoot(moved) },
      { name: 'slots', title: 'write slot a and the recovery', run: () => this.#writeSlots(moved) },
      { name: 'config', title: 'write the configuration', run: () => this.#writeConfig(moved) },
      { name: 'data', title: 'make the data partitions', run: () => this.#makeData() },
      { name: 'flush', title: 'wait for the disk', run: () => disk.flush() },
      { name: 'verify', title: 'read back and verify', run: () => this.#verify(moved) },
      { name: 'table', title: 'write the partition table', run: () => this.#writeTable() },
    ]
  }

  async close(): Promise<void> {
    for (const { image } of this.#built) await image.close()
  }

  /** Without them, whatever a power cut leaves is no installation: the old one would be a table over new contents. */
  async #erase(): Promise<void> {
    const { disk } = this.#components
    await eraseTables(disk)
    await eraseSignatures(disk)
  }

  async #writeBoot(moved: (bytes: number) => void): Promise<void> {
    const { image } = this.#components
    const text = (content: string): NewFile['content'] => only(Buffer.from(content))
    const file = (path: string, content: NewFile['content']): NewFile => ({ path, mode: 0o600, content })
    await this.#writeFileSystem('vfat', partitionNames.esp, moved, [
      ...espPaths.loaders.map((path) => file(path, () => image.open(imageFiles.loader))),
      file(espPaths.loaderConfig, text(loaderConfig)),
      file(espPaths.recovery, () => image.open(imageFiles.recovery)),
      file(`${espPaths.entries}/${freshEntryName(this.#manifest.version)}`, () =>
        image.open(imageFiles.installed),
      ),
    ])
  }

  /** One pass over the source for both: a medium is slow. */
  async #writeSlots(moved: (bytes: number) => void): Promise<void> {
    const { disk, image } = this.#components
    const targets = [partitionNames.slotA, partitionNames.recovery].map((name) => this.#partition(name))
    await pipe(image.open(imageFiles.root), inChunks(this.#chunkBytes), countBytes(moved), async (source) => {
      let at = 0
      for await (const chunk of source) {
        for (const { offset } of targets) await disk.write(offset + at, chunk)
        at += chunk.byteLength
      }
    })
  }

  async #writeConfig(moved: (bytes: number) => void): Promise<void> {
    const { cloudConfig, machineId } = this.#init
    const { version, imageId } = this.#manifest
    const records = withTrial(noRecords, { imageId, version, from: '' }, null)
    const file = (path: string, mode: number, content: string): NewFile => ({
      path,
      mode,
      content: only(Buffer.from(content)),
    })
    await this.#writeFileSystem('ext4', partitionNames.config, moved, [
      { path: configPaths.cloudConfig, mode: 0o700, content: undefined },
      // They hold the token.
      ...cloudConfig.map(({ name, text }) => file(`${configPaths.cloudConfig}/${name}`, 0o600, text)),
      file(configPaths.machineId, 0o444, `${machineId}\n`),
      file(configPaths.receipt, 0o644, encodeReceipt(this.receipt)),
      file(configPaths.images, 0o644, encodeRecords(records)),
      { path: configPaths.state, mode: 0o700, content: undefined },
    ])
  }

  async #makeData(): Promise<void> {
    const { disk } = this.#components
    const persistent: ExtraPartition = {
      name: partitionNames.persistent,
      bytes: 0,
      fileSystem: 'ext4',
      label: 'muster-data',
    }
    for (const { name, fileSystem, label } of [...this.#init.wishes.extra, persistent]) {
      if (fileSystem !== undefined)
        await disk.makeFileSystem(this.#partition(name), { type: fileSystem, label })
    }
  }

  async #verify(moved: (bytes: number) => void): Promise<void> {
    const { disk } = this.#components
    const expected: FileDigest = this.#manifest.files[imageFiles.root]
    const bytesOf = (name: string): AsyncIterable<Uint8Array> =>
      readRegion(disk, { offset: this.#partition(name).offset, bytes: expected.bytes }, this.#chunkBytes)
    // One hash for two partitions with the same bytes: a hash is the slowest part of an installation.
    const { slotA, recovery } = partitionNames
    await pipe(
      bytesOf(slotA),
      equalTo(bytesOf(recovery), `partition ${recovery}`),
      countBytes((bytes) => moved(2 * bytes)),
      checkDigest(`partition ${slotA}`, expected),
      drain,
    )
    for (const { partition, image } of this.#built) {
      for await (const { offset, bytes } of image.pieces()) {
        const read = await disk.read(partition.offset + offset, bytes.byteLength)
        if (!Buffer.from(read).equals(bytes)) {
          throw new MusterError('ERR_IMAGE_DAMAGED', {
            file: `partition ${partition.name}`,
            detail: `at byte ${offset} it reads otherwise than it was written`,
          })
        }
        moved(bytes.byteLength)
      }
    }
  }

  /** The copy first, the header that makes the disk an installed one last. */
  async #writeTable(): Promise<void> {
    const { disk } = this.#components
    const { backupEntries, backupHeader, protectiveMbr, primaryEntries, primaryHeader } = this.#table
    const batches: readonly (readonly GptPiece[])[] = [
      [backupEntries, backupHeader],
      [protectiveMbr, primaryEntries],
      [primaryHeader],
    ]
    for (const batch of batches) {
      for (const { offset, bytes } of batch) await disk.write(offset, bytes)
      await disk.flush()
    }
    const { header, entries } = primaryTable(disk)
    const [headerBytes, entriesBytes] = [
      await disk.read(header.offset, header.bytes),
      await disk.read(entries.offset, entries.bytes),
    ]
    if (decodeGpt(headerBytes, entriesBytes, 1) === undefined) {
      throw new MusterError('ERR_DISK', {
        disk: disk.path,
        detail: 'the partition table reads otherwise than it was written',
      })
    }
  }

  async #writeFileSystem(
    type: 'vfat' | 'ext4',
    name: string,
    moved: (bytes: number) => void,
    files: readonly NewFile[],
  ): Promise<void> {
    const { disk, fileSystems } = this.#components
    const partition = this.#partition(name)
    // Labels on FAT are short.
    const label = type === 'vfat' ? 'MUSTER-ESP' : name
    const { sectorBytes } = disk
    const image = await fileSystems.build({ type, bytes: partition.bytes, sectorBytes, label, files })
    this.#built.push({ partition, image })
    for await (const { offset, bytes } of image.pieces()) {
      await disk.write(partition.offset + offset, bytes)
      moved(bytes.byteLength)
    }
  }

  #partition(name: string): PlannedPartition {
    const found = this.#partitions.find((partition) => partition.name === name)
    if (found === undefined) throw new TypeError(`there is no partition ${name}`)
    return found
  }
}
