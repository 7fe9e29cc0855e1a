import { readdir, readFile, readlink } from 'node:fs/promises'
import { basename, join, resolve } from 'node:path'
import type { DiskFacts } from '../../core/install/disk-choice.ts'
import { systemPaths } from '../../core/install/layout.ts'
import type { RunProgram } from '../../core/ports.ts'
import { MusterError } from '../../errors.ts'

/** One device as `lsblk --json` prints it, as far as it matters here. */
interface LsblkDevice {
  readonly path: string
  readonly type: string
  readonly size: number | null
  readonly 'log-sec': number | null
  readonly model: string | null
  readonly serial: string | null
  readonly tran: string | null
  readonly subsystems: string | null
  readonly rm: boolean
  readonly hotplug: boolean
  readonly ro: boolean
  readonly fstype: string | null
  readonly pttype: string | null
  readonly partlabel: string | null
  readonly mountpoints?: readonly (string | null)[]
  readonly children?: readonly LsblkDevice[]
}

/** What probing a device itself found; undefined: it could not be probed. */
export type ProbedSignatures = readonly string[] | undefined

/** Kinds of partition tables among the signatures. */
const tableKinds = new Set(['gpt', 'dos', 'PMBR', 'mac', 'bsd', 'sun', 'sgi', 'atari'])

/**
 * Facts of every whole block device. `hasInstallation` and `receipt` are left out: they take a look at the disk's content.
 * Throws ERR_PROGRAM, ERR_DISK_NONE.
 */
export async function readDiskFacts(run: RunProgram): Promise<readonly DiskFacts[]> {
  const { exitCode, stdout, stderr } = await run(['lsblk', '--json', '--bytes', '--output-all'])
  if (exitCode !== 0) throw new MusterError('ERR_DISK_NONE', { detail: `lsblk failed: ${stderr.trim()}` })
  const devices = devicesOf(stdout)
  const aliases = await readAliases('/dev/disk')
  const facts: DiskFacts[] = []
  for (const device of devices) {
    const probed = device.type === 'disk' && (device.size ?? 0) > 0 ? await probe(run, device.path) : []
    const found = factsOf(device, probed, aliases.get(device.path) ?? [])
    facts.push({ ...found, hotplug: found.hotplug && !(await isSoldered('/sys', device.path)) })
  }
  return facts
}

/** Whether a device is eMMC: the kernel calls every MMC slot hot-pluggable, and the chip in this one is soldered. */
export async function isSoldered(sysfs: string, path: string): Promise<boolean> {
  const type = join(sysfs, 'class/block', basename(path), 'device/type')
  return (await readFile(type, 'utf8').catch(() => '')).trim() === 'MMC'
}

/** The devices that lsblk printed. */
export function devicesOf(json: string): readonly LsblkDevice[] {
  return (JSON.parse(json) as { readonly blockdevices: readonly LsblkDevice[] }).blockdevices
}

/** Facts of one whole device. What could not be probed counts as data. */
export function factsOf(
  device: LsblkDevice,
  probed: ProbedSignatures,
  aliases: readonly string[],
): DiskFacts {
  const children = device.children ?? []
  const partitions = children.filter(({ type }) => type === 'part')
  const below = [device, ...descendants(device)]
  const mounts = below.flatMap(({ mountpoints }) => mountpoints ?? []).filter((mount) => mount !== null)
  const kinds = probed ?? ['something unreadable']
  const table = device.pttype ?? kinds.find((kind) => tableKinds.has(kind)) ?? ''
  const signatures = new Set([
    ...kinds.filter((kind) => !tableKinds.has(kind)),
    ...(device.fstype === null ? [] : [device.fstype]),
  ])
  return {
    path: device.path,
    aliases,
    sizeBytes: device.size ?? 0,
    sectorBytes: device['log-sec'] ?? 512,
    model: device.model?.trim() ?? '',
    serial: device.serial?.trim() ?? '',
    transport: device.tran ?? transportOf(device.subsystems ?? ''),
    type: device.type,
    removable: device.rm,
    hotplug: device.hotplug,
    readOnly: device.ro,
    holders: descendants(device)
      .filter(({ type }) => type !== 'part')
      .map(({ path }) => path),
    mounts,
    isBootMedium: mounts.includes(systemPaths.medium),
    signatures: [...signatures],
    table,
    partitions: partitions.map(({ partlabel }) => partlabel ?? ''),
    hasInstallation: false,
    receipt: undefined,
  }
}

function descendants({ children }: LsblkDevice): readonly LsblkDevice[] {
  return (children ?? []).flatMap((child) => [child, ...descendants(child)])
}

function transportOf(subsystems: string): string {
  const names = subsystems.split(':')
  return ['usb', 'nvme', 'virtio', 'mmc', 'scsi'].find((name) => names.includes(name)) ?? ''
}

/** Signatures on the device itself: udev's memory may be older than the disk. */
async function probe(run: RunProgram, path: string): Promise<ProbedSignatures> {
  const { exitCode, stdout } = await run(['wipefs', '--json', path])
  if (exitCode !== 0) return undefined
  if (stdout.trim() === '') return []
  const { signatures } = JSON.parse(stdout) as { readonly signatures: readonly { readonly type: string }[] }
  return signatures.map(({ type }) => type)
}

/** Names below /dev/disk/by-*, by the device they lead to. */
async function readAliases(top: string): Promise<ReadonlyMap<string, readonly string[]>> {
  const aliases = new Map<string, string[]>()
  for (const kind of await namesIn(top)) {
    for (const name of await namesIn(join(top, kind))) {
      const path = join(top, kind, name)
      const target = resolve(join(top, kind), await readlink(path).catch(() => ''))
      aliases.set(target, [...(aliases.get(target) ?? []), path].toSorted())
    }
  }
  return aliases
}

async function namesIn(directory: string): Promise<readonly string[]> {
  try {
    return await readdir(directory)
  } catch {
    return []
  }
}
