import type { DiskGeometry, GptPartition } from './gpt.ts'
import { usableSectors } from './gpt.ts'
import { partitionNames, partitionTypes } from './layout.ts'

const mebibyte = 1_024 * 1_024

/** Partitions begin at multiples of this. */
const alignmentBytes = mebibyte

/** No partition begins before so many bytes of a disk. Marks of file systems on a whole device lie before that, and in as many at its end. */
export const edgeBytes: number = alignmentBytes

/** Smallest FAT32 that firmware takes, with room for four UKIs of a large kernel. */
const espBytesDefault = 512 * mebibyte
const configBytesDefault = 64 * mebibyte
/** Least that is left for data: k3s' own images and etcd need more than this to be of use. */
const persistentBytesMin = 1_024 * mebibyte
/** FAT with fewer clusters is FAT16 to firmware (Microsoft's FAT specification); no cluster is smaller than a sector. */
const fat32ClustersMin = 65_525
/** What the two tables and the reserved sectors in front of them take, in sectors of any size. */
const fat32TableSectorsMax = 1_200
/** A slot is as large as twice the image, for images that grow, and at least this. */
const slotBytesMin = 512 * mebibyte

/** A partition that the configuration asks for beside ours. */
export interface ExtraPartition {
  readonly name: string
  /** 0: what is left, shared with no other. */
  readonly bytes: number
  /** File system to make; undefined: none. */
  readonly fileSystem: 'ext4' | 'vfat' | undefined
  readonly label: string
}

/** Sizes that the configuration may set; undefined: what suits the image and the disk. */
export interface PartitionWishes {
  readonly espBytes?: number | undefined
  readonly slotBytes?: number | undefined
  readonly recoveryBytes?: number | undefined
  readonly configBytes?: number | undefined
  /** 0 or undefined: all that is left. */
  readonly persistentBytes?: number | undefined
  readonly extra: readonly ExtraPartition[]
}

export interface PlannedPartition {
  readonly name: string
  readonly type: string
  readonly offset: number
  readonly bytes: number
}

/** The partitions of a disk, or why they do not fit. */
export type PartitionPlan =
  | { readonly ok: true; readonly partitions: readonly PlannedPartition[] }
  | { readonly ok: false; readonly neededBytes: number; readonly detail: string }

/** Lays out the partitions for an image, in the order of the disk. Deterministic. */
export function planPartitions(
  disk: DiskGeometry,
  image: { readonly rootBytes: number; readonly entryBytes: number },
  wishes: PartitionWishes,
): PartitionPlan {
  const slotBytes = align(wishes.slotBytes ?? Math.max(slotBytesMin, 2 * image.rootBytes))
  const recoveryBytes = align(wishes.recoveryBytes ?? slotBytes)
  const espBytes = align(wishes.espBytes ?? espBytesDefault)
  const { first, last } = usableSectors(disk)
  const sizes: { name: string; type: string; bytes: number }[] = [
    { name: partitionNames.esp, type: partitionTypes.esp, bytes: espBytes },
    { name: partitionNames.slotA, type: partitionTypes.slot, bytes: slotBytes },
    { name: partitionNames.slotB, type: partitionTypes.slot, bytes: slotBytes },
    { name: partitionNames.recovery, type: partitionTypes.slot, bytes: recoveryBytes },
    {
      name: partitionNames.config,
      type: partitionTypes.linux,
      bytes: align(wishes.configBytes ?? configBytesDefault),
    },
    ...wishes.extra.map(({ name, bytes }) => ({ name, type: partitionTypes.linux, bytes: align(bytes) })),
  ]
  const start = Math.max(alignmentBytes, align(first * disk.sectorBytes))
  const end = Math.floor(((last + 1) * disk.sectorBytes) / alignmentBytes) * alignmentBytes
  const fixed = sizes.reduce((sum, { bytes }) => sum + bytes, 0)
  const persistent = wishes.persistentBytes ? align(wishes.persistentBytes) : end - start - fixed
  const neededBytes =
    start + fixed + Math.max(persistentBytesMin, wishes.persistentBytes ?? 0) + 2 * alignmentBytes
  const no = (detail: string): PartitionPlan => ({ ok: false, neededBytes, detail })
  if (Math.min(slotBytes, recoveryBytes) < image.rootBytes) return no('a slot is smaller than the image')
  // Two slots, the recovery and the one that is being written.
  if (espBytes < 4 * image.entryBytes + 8 * mebibyte)
    return no('the boot partition has no room for four boot entries')
  if (espBytes < (fat32ClustersMin + fat32TableSectorsMax) * disk.sectorBytes)
    return no(`the boot partition is too small for FAT32 with sectors of ${disk.sectorBytes} bytes`)
  if (wishes.extra.some(({ bytes }) => bytes <= 0)) return no('an extra partition needs a size')
  if (persistent < persistentBytesMin || start + fixed + persistent > end) return no('the disk is too small')
  let offset = start
  const partitions = [
    ...sizes,
    { name: partitionNames.persistent, type: partitionTypes.linux, bytes: persistent },
  ].map((size) => {
    const planned = { ...size, offset }
    offset += size.bytes
    return planned
  })
  return { ok: true, partitions }
}

/** The same partitions as rows of the table. */
export function asGptPartitions(
  partitions: readonly PlannedPartition[],
  { sectorBytes }: DiskGeometry,
  newGuid: () => string,
): readonly GptPartition[] {
  return partitions.map(({ name, type, offset, bytes }) => ({
    name,
    type,
    id: newGuid(),
    firstLba: offset / sectorBytes,
    lastLba: (offset + bytes) / sectorBytes - 1,
  }))
}

function align(bytes: number): number {
  return Math.ceil(bytes / alignmentBytes) * alignmentBytes
}
