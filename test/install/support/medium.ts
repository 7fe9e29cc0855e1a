import type { InstallerComponents } from '../../../src/components/installer.ts'
import type { DiskFacts } from '../../../src/core/install/disk-choice.ts'
import { decodeGpt, isProtectiveMbr, tableRegions } from '../../../src/core/install/gpt.ts'
import type { CloudConfigFile } from '../../../src/install/install-image.ts'
import type { InstallOutcome } from '../../../src/install/install-machine.ts'
import { installMachine } from '../../../src/install/install-machine.ts'
import { readInstallOptions } from '../../../src/install/install-options.ts'
import type { MemoryDiskTarget } from '../../../src/testing/memory-disk.ts'
import { createMemoryFileSystems } from '../../../src/testing/memory-file-systems.ts'
import type { FakeImage } from './fake-image.ts'
import { verifySignature } from './fake-image.ts'
import type { MemoryMachine } from './world.ts'
import { sourceOf } from './world.ts'

// A medium that is started in a machine in memory: it knows of the disks what programs would read off them, and chooses by that.

/** The firmware's variables, as far as they matter here. */
export interface FakeFirmware {
  /** Undefined: it keeps none. */
  counter: number | undefined
  startsNext: boolean
  /** Nothing can be written to it any more. */
  isWorn?: boolean
  registered: number
}

/** Firmware that does what it is told. */
export const obedientFirmware = (): FakeFirmware => ({ counter: 0, startsNext: true, registered: 0 })

export interface Insertion {
  readonly image: FakeImage
  /** `install:` of its configuration, beside `auto`. */
  readonly block?: Readonly<Record<string, unknown>>
  readonly cloudConfig?: readonly CloudConfigFile[]
  readonly firmware?: FakeFirmware
  /** A person asked for it: `muster install --force`. */
  readonly again?: boolean
}

/** The disks of a machine by their paths: `/dev/vda`, `/dev/vdb`, … */
export const pathOf = (index: number): string => `/dev/vd${String.fromCharCode(97 + index)}`

/** Starts the medium: what came of it, and what it said. Throws what `installMachine` throws. */
export async function insertMedium(
  machines: readonly MemoryMachine[],
  { image, block = {}, cloudConfig = [], firmware = obedientFirmware(), again = false }: Insertion,
): Promise<{ readonly outcome: InstallOutcome; readonly said: string }> {
  const said: string[] = []
  const installer: Partial<InstallerComponents> = {
    fileSystems: createMemoryFileSystems(),
    readDisks: async () => machines.map(({ disk }, index) => probedFacts(disk, pathOf(index))),
    openDisk: async (path) => machines.find((_, index) => pathOf(index) === path)!.disk,
    openSource: async () => sourceOf(image),
    firmware: {
      registerLoader: async () => {
        firmware.registered += 1
        return firmware.counter !== undefined
      },
      startNext: async () => firmware.startsNext,
      readCounter: async () => firmware.counter,
      writeCounter: async (value) => {
        if (firmware.isWorn === true) throw new Error('EIO')
        firmware.counter = value
      },
    },
  }
  const outcome = await installMachine(installer as InstallerComponents, {
    options: readInstallOptions({ auto: true, ...block }).options,
    source: 'memory:',
    verify: verifySignature,
    cloudConfig,
    again,
    dryRun: false,
    onProgress: () => undefined,
    say: (line) => void said.push(line),
    onTable: () => undefined,
    runStage: async () => undefined,
  })
  return { outcome, said: said.join('\n') }
}

/** Where a program looks for a file system on the device itself, and what it finds there. */
const magics: readonly (readonly [type: string, offset: number, bytes: string])[] = [
  ['ext4', 1_080, 'S\u00EF'],
  ['iso9660', 32_769, 'CD001'],
]

/** Writes what makes programs see a file system of that type on the whole device. */
export async function writeMagic(disk: MemoryDiskTarget, type: string): Promise<void> {
  for (const [name, offset, bytes] of magics)
    if (name === type) await disk.write(offset, Buffer.from(bytes, 'latin1'))
}

/** What `wipefs` and `lsblk` would say of a disk with this content, as util-linux 2.38 does of a file with these bytes. */
export function probedFacts(disk: MemoryDiskTarget, path: string): DiskFacts {
  const { primary, backup } = tableRegions(disk)
  const begin = disk.peek(primary.offset, primary.bytes)
  const end = disk.peek(backup.offset, backup.bytes)
  const { sectorBytes } = disk
  const first = decodeGpt(begin.subarray(sectorBytes, 2 * sectorBytes), begin.subarray(2 * sectorBytes), 1)
  const copy = decodeGpt(end.subarray(-sectorBytes), end, disk.sizeBytes / sectorBytes - 1)
  const isMbr = begin[510] === 0x55 && begin[511] === 0xaa
  const isProtective = isProtectiveMbr(begin)
  const hasGpt = first !== undefined || copy !== undefined
  const table = isMbr && !isProtective ? 'dos' : hasGpt ? 'gpt' : isProtective ? 'PMBR' : ''
  return {
    path,
    aliases: [`/dev/disk/by-id/virtio-${path.slice(5)}`],
    sizeBytes: disk.sizeBytes,
    sectorBytes,
    model: '',
    serial: path.slice(5),
    transport: 'virtio',
    type: 'disk',
    removable: false,
    hotplug: false,
    readOnly: false,
    holders: [],
    mounts: [],
    isBootMedium: false,
    signatures: magics
      .filter(
        ([, offset, bytes]) => Buffer.from(disk.peek(offset, bytes.length)).toString('latin1') === bytes,
      )
      .map(([type]) => type),
    table,
    partitions: isProtective ? (first?.partitions ?? []).map(({ name }) => name) : [],
    hasInstallation: false,
    receipt: undefined,
  }
}
