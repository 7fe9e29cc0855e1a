import type { ExtraPartition, PartitionWishes } from '../core/install/partitions.ts'
import type { Fault, Rule } from '../config/index.ts'
import type { ReinstallPolicy, WipePolicy } from '../core/install/disk-choice.ts'

// `install:` of a cloud-config, as Kairos documents it. What this installer cannot do is an error: never passed over in silence.

/** What the installation is to do. */
export interface InstallOptions {
  /** Install without being asked. */
  readonly auto: boolean
  readonly device: string
  /** Reference of another image than the medium's. */
  readonly source: string | undefined
  readonly wipe: WipePolicy
  readonly reinstall: ReinstallPolicy
  readonly partitions: PartitionWishes
  /** What comes after it. */
  readonly afterwards: 'reboot' | 'poweroff' | 'nothing'
}

const mebibyte = 1_024 * 1_024

/** Keys that others read (`bind_mounts`, …) or that ask for what is so anyway. */
const elsewhere = new Set(['bind_mounts', 'ephemeral_mounts', 'nousers'])

/** Keys that are read here. */
const known = new Set([
  'auto',
  'device',
  'reboot',
  'poweroff',
  'source',
  'image',
  'firmware',
  'part-table',
  'partitions',
  'extra-partitions',
  'no-format',
  'force',
  'wipe',
  'reinstall',
  'system',
  'recovery-system',
])

/** Which partition's size is which of ours. */
const sizes: readonly (readonly [name: string, wish: keyof Omit<PartitionWishes, 'extra'>])[] = [
  ['efi', 'espBytes'],
  ['state', 'slotBytes'],
  ['recovery', 'recoveryBytes'],
  ['oem', 'configBytes'],
  ['persistent', 'persistentBytes'],
]

/** Reads the block. `faults` names every key that cannot be carried out, each with what to do. */
export function readInstallOptions(block: Readonly<Record<string, unknown>> | undefined): {
  readonly options: InstallOptions
  readonly faults: readonly Fault[]
} {
  const install = block ?? {}
  const faults: Fault[] = []
  const no: Refuse = (key, why) => void faults.push({ path: `install.${key}`, message: why })
  for (const [key, value] of Object.entries(install)) {
    if (!known.has(key) && !elsewhere.has(key) && !isEmpty(value)) no(key, 'is not supported')
  }
  if (install['no-format'] === true) no('no-format', 'is not supported: every partition is made anew')
  if (![undefined, 'efi'].includes(textOf(install['firmware']))) no('firmware', 'must be `efi`')
  if (![undefined, 'gpt'].includes(textOf(install['part-table']))) no('part-table', 'must be `gpt`')
  if (textOf(install['device'])?.startsWith('script://')) no('device', 'cannot be a script')
  if (install['reboot'] === true && install['poweroff'] === true) no('reboot', 'contradicts install.poweroff')
  const system = readImage('system', install['system'], no)
  const recovery = readImage('recovery-system', install['recovery-system'], no)
  if (recovery.source !== undefined)
    no('recovery-system.source', 'is not supported: the recovery is the same image')
  const wishes = readSizes(install['partitions'], no)
  const stated = (['source', 'image'] as const).find((key) => textOf(install[key]) !== undefined)
  const source = stated === undefined ? system.source : textOf(install[stated])
  if (source !== undefined && !/^(dir|file):/.test(source))
    no(stated ?? 'system', 'must name an image that begins with `dir:` or `file:`')
  return {
    faults,
    options: {
      auto: install['auto'] === true,
      device: textOf(install['device']) ?? 'auto',
      source,
      wipe: install['wipe'] === 'foreign' ? 'foreign' : 'none',
      reinstall: install['reinstall'] === 'wipe' || install['force'] === true ? 'wipe' : 'never',
      partitions: {
        ...wishes,
        slotBytes: wishes.slotBytes ?? system.bytes,
        recoveryBytes: wishes.recoveryBytes ?? recovery.bytes,
        extra: readExtra(install['extra-partitions'], no),
      },
      afterwards: afterwardsOf(install),
    },
  }
}

/** For whoever checks a configuration before a machine is there: what the installer would refuse. */
export const installRule: Rule = ({ machine }) => readInstallOptions(machine.install).faults

function afterwardsOf(install: Readonly<Record<string, unknown>>): InstallOptions['afterwards'] {
  if (install['poweroff'] === true) return 'poweroff'
  return install['reboot'] === false ? 'nothing' : 'reboot'
}

type Refuse = (key: string, why: string) => void

function readImage(
  name: string,
  value: unknown,
  no: Refuse,
): { readonly source: string | undefined; readonly bytes: number | undefined } {
  if (!isObject(value)) return { source: undefined, bytes: undefined }
  for (const key of Object.keys(value)) {
    if (!['size', 'source', 'uri'].includes(key)) no(`${name}.${key}`, 'is not supported')
  }
  return { source: textOf(value['source']) ?? textOf(value['uri']), bytes: bytesOf(value['size']) }
}

function readSizes(value: unknown, no: Refuse): Omit<PartitionWishes, 'extra'> {
  if (!isObject(value)) return {}
  const wishes: Partial<Record<keyof Omit<PartitionWishes, 'extra'>, number | undefined>> = {}
  for (const [name, partition] of Object.entries(value)) {
    if (!isObject(partition)) continue
    const wish = sizes.find(([known]) => known === name)?.[1]
    if (wish === undefined) {
      no(`partitions.${name}`, 'is not supported')
      continue
    }
    for (const key of Object.keys(partition)) {
      if (key !== 'size') no(`partitions.${name}.${key}`, 'is not supported: only its size can be set')
    }
    wishes[wish] = bytesOf(partition['size'])
  }
  return wishes
}

function readExtra(value: unknown, no: Refuse): readonly ExtraPartition[] {
  if (value === undefined || value === null) return []
  if (!Array.isArray(value)) {
    no('extra-partitions', 'must be a list')
    return []
  }
  const names: (string | undefined)[] = []
  return value.map((entry: unknown, index): ExtraPartition => {
    const key = `extra-partitions.${index}`
    const given = isObject(entry) ? entry : {}
    const [name, label, fs] = [textOf(given['name']), textOf(given['label']), textOf(given['fs'])]
    const bytes = bytesOf(given['size'])
    for (const other of Object.keys(given)) {
      if (!['name', 'label', 'fs', 'size'].includes(other)) no(`${key}.${other}`, 'is not supported')
    }
    if (name === undefined || name.startsWith('muster-') || name.length > 36) {
      no(`${key}.name`, 'must be there, of at most 36 characters, and not begin with `muster-`')
    }
    // Each is found by its name when its file system is made.
    const same = name === undefined ? -1 : names.indexOf(name)
    names.push(name)
    if (same >= 0) no(`${key}.name`, `is that of extra-partitions.${same}: each needs a name of its own`)
    if (bytes === undefined) no(`${key}.size`, 'must be there: what is left belongs to muster-persistent')
    if (fs !== undefined && fs !== 'ext4' && fs !== 'vfat') no(`${key}.fs`, 'must be `ext4` or `vfat`')
    const partition: ExtraPartition = {
      name: name ?? '',
      bytes: bytes ?? 0,
      fileSystem: fs === 'ext4' || fs === 'vfat' ? fs : undefined,
      label: label ?? name ?? '',
    }
    checkFileSystem(key, partition, no)
    return partition
  })
}

/** mkfs.vfat takes no others, and no space at the beginning. */
const vfatLabel = /^(?! )[A-Za-z0-9 _$%'@~!(){}^#&-]{0,11}$/
/** FAT counts its sectors of 512 bytes in 32 bits. */
const vfatBytesMax = 2 ** 41
const ext4LabelBytesMax = 16

/** What mkfs would refuse or cut only when the disk is erased already. */
function checkFileSystem(key: string, { fileSystem, label, bytes }: ExtraPartition, no: Refuse): void {
  const otherwise = '(where there is none, the name is the label)'
  if (fileSystem === 'vfat' && !vfatLabel.test(label)) {
    no(`${key}.label`, `must have at most 11 characters that a label on vfat may have ${otherwise}`)
  }
  if (fileSystem === 'vfat' && bytes >= vfatBytesMax) no(`${key}.size`, 'must be below 2 TiB for vfat')
  if (fileSystem === 'ext4' && Buffer.byteLength(label) > ext4LabelBytesMax) {
    no(`${key}.label`, `must have at most ${ext4LabelBytesMax} bytes for ext4 ${otherwise}`)
  }
}

/** MiB as Kairos has them; 0 means: what suits. */
function bytesOf(value: unknown): number | undefined {
  return typeof value === 'number' && value > 0 ? value * mebibyte : undefined
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}

function isEmpty(value: unknown): boolean {
  if (value === undefined || value === null || value === false || value === '') return true
  if (Array.isArray(value)) return value.length === 0
  return isObject(value) && Object.keys(value).length === 0
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
