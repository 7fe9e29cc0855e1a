import { createBootEntries } from '../adapters/boot/boot-entries.ts'
import { createFirmware } from '../adapters/boot/firmware.ts'
import { createTextFile } from '../adapters/boot/text-file.ts'
import { readDiskFacts } from '../adapters/disk/disk-facts.ts'
import { openDiskTarget } from '../adapters/disk/disk-target.ts'
import { createFileSystems } from '../adapters/disk/file-systems.ts'
import { runProgram } from '../adapters/exec.ts'
import { readImageKeys } from '../adapters/image-source/image-keys.ts'
import { openImageSource } from '../adapters/image-source/image-source.ts'
import { readMediumFile } from '../adapters/image-source/medium-file.ts'
import type { DiskFacts } from '../core/install/disk-choice.ts'
import type { VerifySignature } from '../core/install/manifest.ts'
import type {
  BootEntries,
  DiskMode,
  DiskTarget,
  FileSystemImages,
  Firmware,
  ImageSource,
  RunProgram,
  TextFile,
} from '../core/ports.ts'

// The composition for disks and images: it loads no network, so that it starts at once.

/** Everything that installs, upgrades and looks at images. */
export interface InstallerComponents {
  readonly run: RunProgram
  readonly fileSystems: FileSystemImages
  readonly firmware: Firmware
  /** Facts of every disk; `hasInstallation` is not among what they know. */
  readDisks(): Promise<readonly DiskFacts[]>
  /** Throws ERR_DISK, ERR_DISK_BUSY. */
  openDisk(path: string, mode: DiskMode): Promise<DiskTarget>
  /** A file of a medium of ours; undefined where there is none of at most `bytesMax` bytes. */
  readMedium(path: string, name: string, bytesMax: number): Uint8Array | undefined
  openSource(reference: string): Promise<ImageSource>
  readKeys(paths: readonly string[]): Promise<VerifySignature>
  openEntries(directory: string, options: { readonly dropCaches: boolean }): BootEntries
  openText(path: string): TextFile
}

/** Real disks, real firmware. */
export function createInstaller(): InstallerComponents {
  const run = runProgram
  return {
    run,
    fileSystems: createFileSystems({ run }),
    firmware: createFirmware({ run }, { variables: '/sys/firmware/efi/efivars' }),
    readDisks: () => readDiskFacts(run),
    openDisk: (path, mode) => openDiskTarget({ run }, path, { mode }),
    readMedium: readMediumFile,
    openSource: openImageSource,
    readKeys: readImageKeys,
    openEntries: (directory, { dropCaches }) => createBootEntries({ directory, dropCaches }),
    openText: createTextFile,
  }
}
