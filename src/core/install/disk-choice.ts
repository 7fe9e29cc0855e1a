import type { InstallOrigin, InstallReceipt } from './receipt.ts'
import { isFrom } from './receipt.ts'

// Which disk an unattended installation takes. Pure, and fails closed: what is not known to be ours or empty stays.

/** What is known of one whole block device. */
export interface DiskFacts {
  /** Name that the kernel gave it at this boot: never kept. */
  readonly path: string
  /** Names below /dev/disk/by-*, sorted. */
  readonly aliases: readonly string[]
  readonly sizeBytes: number
  readonly sectorBytes: number
  readonly model: string
  readonly serial: string
  /** `nvme`, `sata`, `virtio`, `usb`, … as the kernel says; empty where it does not. */
  readonly transport: string
  /** `disk`, `loop`, `rom`, … */
  readonly type: string
  readonly removable: boolean
  /** May come and go while the machine runs: what is on USB or FireWire, an SD card; eMMC is soldered. */
  readonly hotplug: boolean
  readonly readOnly: boolean
  /** Device mapper, RAID or LVM devices that stand on it or on a partition of it. */
  readonly holders: readonly string[]
  /** Where it or a partition of it is mounted or used for swap. */
  readonly mounts: readonly string[]
  /** Carries the medium that this system was started from. */
  readonly isBootMedium: boolean
  /** File systems, RAID, LVM, ZFS, Ceph members and the like on the device itself. */
  readonly signatures: readonly string[]
  /** `gpt`, `dos`, …; empty: none. */
  readonly table: string
  /** Names of its partitions; empty names included. */
  readonly partitions: readonly string[]
  /** Has the table of a muster installation, and nothing else where a table lies. */
  readonly hasInstallation: boolean
  /** What that installation is from, where it can be read. */
  readonly receipt: InstallReceipt | undefined
}

/** What may be overwritten beside empty disks. */
export type WipePolicy =
  /** Nothing. */
  | 'none'
  /** A disk that holds a partition table or data of something else. */
  | 'foreign'

/** What to do where an installation of ours is found. */
export type ReinstallPolicy =
  /** Leave it alone, and boot it. */
  | 'never'
  /** Install over it, unless this very medium made it: `/config` and data go. */
  | 'wipe'

export interface DiskWishes {
  /** `auto`, a path of /dev, or one below /dev/disk/by-*. */
  readonly device: string
  readonly minimumBytes: number
  readonly wipe: WipePolicy
  readonly reinstall: ReinstallPolicy
  /** What would be installed. Where that is installed already, `reinstall` was done. Undefined: do it however often. */
  readonly medium: InstallOrigin | undefined
}

/** One row of the table that is shown and logged. */
export interface RankedDisk {
  readonly disk: DiskFacts
  readonly content: 'empty' | 'muster' | 'foreign'
  readonly eligible: boolean
  /** Why not; or why it stands where it stands. */
  readonly reason: string
}

/** What is to be done, with the whole table: whoever reads the log must see why. */
export type DiskChoice = { readonly table: readonly RankedDisk[] } & (
  | { readonly kind: 'install'; readonly disk: DiskFacts; readonly reason: string }
  /** A machine that is installed already. */
  | { readonly kind: 'boot-installed'; readonly disk: DiskFacts; readonly reason: string }
  | {
      readonly kind: 'none'
      readonly cause: 'no-disk' | 'has-data' | 'unsafe' | 'ambiguous'
      readonly reason: string
    }
)

const transportRank: readonly (readonly string[])[] = [
  ['nvme'],
  ['sata', 'sas', 'ata', 'scsi', 'virtio', 'mmc'],
  [''],
]

/** Ranks the disks and chooses one, or none. */
export function chooseDisk(disks: readonly DiskFacts[], wishes: DiskWishes): DiskChoice {
  const table = rankDisks(disks, wishes)
  if (wishes.device !== 'auto') return chooseNamed(table, wishes)
  const installed = table.find((row) => staysInstalled(row, wishes))
  if (installed !== undefined) return bootInstalled(table, installed.disk, wishes)
  const best = table.find(({ eligible }) => eligible)
  const alike = table.filter(({ eligible, content }) => eligible && content === best?.content)
  if (best !== undefined && best.content !== 'empty' && alike.length > 1) {
    const what = best.content === 'muster' ? 'carry an installation' : 'hold data'
    const reason = `${alike.length} disks ${what} and may be wiped: name the one that is meant`
    return { kind: 'none', cause: 'ambiguous', table, reason }
  }
  if (best !== undefined) return { kind: 'install', disk: best.disk, table, reason: best.reason }
  const holdsData = table.some(({ content, disk }) => content === 'foreign' && !isUnusable(disk, wishes))
  return holdsData
    ? {
        kind: 'none',
        cause: 'has-data',
        table,
        reason: 'every disk that would do holds data of something else',
      }
    : { kind: 'none', cause: 'no-disk', table, reason: 'no disk of this machine will do' }
}

/** Every disk with its verdict, the best first. */
export function rankDisks(disks: readonly DiskFacts[], wishes: DiskWishes): readonly RankedDisk[] {
  return disks
    .map((disk): RankedDisk => {
      const content = contentOf(disk)
      const refusal = refusalOf(disk, content, wishes)
      return {
        disk,
        content,
        eligible: refusal === undefined,
        reason: refusal ?? `${contentText(content)}, fits`,
      }
    })
    .toSorted(compareRanked)
}

function chooseNamed(table: readonly RankedDisk[], wishes: DiskWishes): DiskChoice {
  const found = table.filter(({ disk }) => isNamed(disk, wishes))
  const no = (cause: 'no-disk' | 'has-data' | 'unsafe' | 'ambiguous', reason: string): DiskChoice => ({
    kind: 'none',
    cause,
    table,
    reason,
  })
  if (found.length > 1) return no('ambiguous', `${wishes.device} names ${found.length} disks`)
  const named = found[0]
  if (named === undefined) return no('no-disk', `${wishes.device} is no disk of this machine`)
  const { disk, content, eligible, reason } = named
  if (staysInstalled(named, wishes)) return bootInstalled(table, disk, wishes)
  if (eligible) return { kind: 'install', disk, table, reason: `${wishes.device} is configured; ${reason}` }
  const holdsData = content === 'foreign' && !isUnusable(disk, wishes) && wishes.wipe !== 'foreign'
  return no(holdsData ? 'has-data' : 'unsafe', `${wishes.device}: ${reason}`)
}

/** Whether a disk carries an installation that is to be started, not replaced. */
function staysInstalled({ content, disk }: RankedDisk, wishes: DiskWishes): boolean {
  if (content !== 'muster' || isUnusable(disk, wishes) !== undefined) return false
  return wishes.reinstall === 'never' || isDone(disk, wishes)
}

/** Whether the disk carries what this medium would install on it. */
function isDone({ receipt }: DiskFacts, { medium }: DiskWishes): boolean {
  return medium !== undefined && isFrom(receipt, medium)
}

function bootInstalled(table: readonly RankedDisk[], disk: DiskFacts, wishes: DiskWishes): DiskChoice {
  const reason =
    wishes.reinstall === 'wipe'
      ? `${nameOf(disk)} was installed by this medium, with this configuration: it is not replaced again`
      : `${nameOf(disk)} carries an installation`
  return { kind: 'boot-installed', disk, table, reason }
}

/** An installation has nothing on the device itself: whatever is seen there came later, and the table is left of before. */
function contentOf(disk: DiskFacts): RankedDisk['content'] {
  if (disk.hasInstallation && disk.signatures.length === 0) return 'muster'
  return disk.signatures.length === 0 && disk.table === '' && disk.partitions.length === 0
    ? 'empty'
    : 'foreign'
}

/** Why a disk is not taken; undefined: it may be. */
function refusalOf(disk: DiskFacts, content: RankedDisk['content'], wishes: DiskWishes): string | undefined {
  const unusable = isUnusable(disk, wishes)
  if (unusable !== undefined) return unusable
  if (disk.sizeBytes < wishes.minimumBytes) {
    return `has ${gibibytes(disk.sizeBytes)}, needs ${gibibytes(wishes.minimumBytes)}`
  }
  if (content === 'muster' && wishes.reinstall === 'never') return 'carries an installation of muster'
  if (content === 'muster' && isDone(disk, wishes)) return 'carries what this medium has installed'
  if (content !== 'foreign') return undefined
  const found = [...disk.signatures, ...(disk.table === '' ? [] : [`a ${disk.table} table`])].join(', ')
  if (wishes.wipe !== 'foreign') return `holds ${found}`
  // Nobody can tell which of the two is in use: leave for one of them is none for the other.
  return disk.hasInstallation && wishes.reinstall === 'never'
    ? `holds ${found}, and an installation of muster that may not be replaced`
    : undefined
}

/** What forbids a disk whatever may be wiped. */
function isUnusable(disk: DiskFacts, wishes: DiskWishes): string | undefined {
  if (disk.type !== 'disk') return `is of type ${disk.type}`
  if (disk.isBootMedium) return 'carries the medium that this system was started from'
  if (disk.removable) return 'is removable'
  if (disk.readOnly) return 'is read-only'
  if (disk.sizeBytes === 0) return 'has no medium'
  if (disk.mounts.length > 0) return `is in use at ${disk.mounts.join(', ')}`
  if (disk.holders.length > 0) return `is held by ${disk.holders.join(', ')}`
  // Somebody's backup is on such a disk as often as not, and it is elsewhere at the next start.
  if ((disk.hotplug || disk.transport === 'usb') && !isNamed(disk, wishes)) {
    const how = disk.transport === 'usb' ? 'is attached by usb' : 'is hot-pluggable'
    return `${how}: it is taken only where install.device names it`
  }
  return undefined
}

function isNamed(disk: DiskFacts, { device }: DiskWishes): boolean {
  return disk.path === device || disk.aliases.includes(device)
}

function compareRanked(a: RankedDisk, b: RankedDisk): number {
  const contents = { muster: 0, empty: 1, foreign: 2 }
  return (
    Number(b.eligible) - Number(a.eligible) ||
    contents[a.content] - contents[b.content] ||
    rankOf(a.disk) - rankOf(b.disk) ||
    a.disk.sizeBytes - b.disk.sizeBytes ||
    (stableId(a.disk) < stableId(b.disk) ? -1 : 1)
  )
}

function rankOf({ transport }: DiskFacts): number {
  const rank = transportRank.findIndex((names) => names.includes(transport))
  // What is not known comes last.
  return rank === -1 ? transportRank.length : rank
}

function stableId(disk: DiskFacts): string {
  return disk.aliases.find((alias) => alias.includes('/by-id/')) ?? disk.aliases[0] ?? disk.path
}

function nameOf(disk: DiskFacts): string {
  return [disk.path, disk.model, disk.serial].filter((part) => part !== '').join(' ')
}

function contentText(content: RankedDisk['content']): string {
  return {
    empty: 'is empty',
    muster: 'carries an installation that may be replaced',
    foreign: 'may be wiped',
  }[content]
}

function gibibytes(bytes: number): string {
  return `${(bytes / 2 ** 30).toFixed(1)} GiB`
}
