import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { persistentPaths, systemPaths } from '../core/install/layout.ts'
import { maskedUnits, unitFiles } from '../machine/units.ts'
import type { NewEntry } from './tar.ts'

/** What of a root is the same in every build of a version. */
export interface SystemContent {
  readonly version: string
  readonly epoch: number
  readonly epochSeconds: number
  /** PEM of the public key that signs the image. */
  readonly imageKey: string
}

/** Generators that look for what an image never has; each is a program to start at every boot. */
const maskedGenerators: readonly string[] = [
  'systemd-bless-boot-generator',
  'systemd-cryptsetup-generator',
  'systemd-gpt-auto-generator',
  'systemd-hibernate-resume-generator',
  'systemd-integritysetup-generator',
  'systemd-rc-local-generator',
  'systemd-system-update-generator',
  'systemd-sysv-generator',
  'systemd-veritysetup-generator',
]

/** The files that make a Debian root a muster machine: units, settings, names, keys, mount points. */
export function systemEntries(content: SystemContent): readonly NewEntry[] {
  const units = unitFiles()
  return [
    ...units.map((unit) => text(unit.path, unit.text)),
    ...units.filter(({ enable }) => enable).flatMap((unit) => enabling(unit.path, unit.text)),
    ...maskedUnits.map((name) => link(`etc/systemd/system/${name}`, '/dev/null')),
    ...maskedGenerators.map((name) => link(`etc/systemd/system-generators/${name}`, '/dev/null')),
    ...enabledUnits.flatMap(([wants, unit]) => [
      link(`etc/systemd/system/${wants}.wants/${unit}`, `/lib/systemd/system/${unit}`),
    ]),
    link('etc/systemd/system/default.target', '/lib/systemd/system/multi-user.target'),
    text(systemPaths.release, osRelease(content)),
    // systemd takes it for the earliest time that it can be, on machines without a clock that runs on.
    text('/usr/lib/clock-epoch', ''),
    text(`${systemPaths.imageKeys}/${keyName(content.imageKey)}.pem`, content.imageKey),
    text('/etc/machine-id', ''),
    text('/etc/hostname', 'muster\n'),
    text('/etc/hosts', '127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n'),
    link('etc/resolv.conf', '/run/systemd/resolve/resolv.conf'),
    text('/etc/fstab', '# Everything is mounted by the initrd.\n'),
    ...[
      systemPaths.config,
      systemPaths.persistent,
      systemPaths.esp,
      '/var/lib/muster',
      ...persistentPaths,
    ].map((path): NewEntry => ({ path: path.slice(1), kind: 'directory', mode: 0o755 })),
    { path: 'tmp', kind: 'directory', mode: 0o1777 },
    { path: 'var/tmp', kind: 'directory', mode: 0o1777 },
  ]
}

/** Units of Debian that a machine needs, and that are not enabled by their packages in every case. */
const enabledUnits: readonly (readonly [target: string, unit: string])[] = [
  ['multi-user.target', 'systemd-networkd.service'],
  ['sockets.target', 'systemd-networkd.socket'],
  ['multi-user.target', 'systemd-resolved.service'],
  ['sysinit.target', 'systemd-timesyncd.service'],
]

/** Symbolic links that `systemctl enable` would make from a unit's `[Install]` section. */
function enabling(path: string, unit: string): readonly NewEntry[] {
  const name = path.split('/').at(-1) ?? ''
  return [...unit.matchAll(/^(WantedBy|RequiredBy)=(.+)$/gm)].flatMap((match) => {
    const kind = match[1] === 'WantedBy' ? 'wants' : 'requires'
    const targets = (match[2] ?? '').split(/\s+/).filter(Boolean)
    return targets.map((target) => link(`etc/systemd/system/${target}.${kind}/${name}`, path))
  })
}

function osRelease({ version, epoch }: SystemContent): string {
  return `ID=muster
ID_LIKE=debian
NAME="Muster"
PRETTY_NAME="Muster ${version}"
VERSION_ID=${version}
IMAGE_ID=muster
IMAGE_VERSION=${version}
MUSTER_EPOCH=${epoch}
`
}

/** The same key has the same file name. */
function keyName(pem: string): string {
  return createHash('sha256').update(pem).digest('hex').slice(0, 16)
}

/** Files and links below a directory of the user's, with their modes, as root's. */
export function treeEntries(directory: string, prefix = ''): readonly NewEntry[] {
  return readdirSync(join(directory, prefix)).flatMap((name): NewEntry[] => {
    const path = prefix === '' ? name : `${prefix}/${name}`
    const full = join(directory, path)
    const stat = lstatSync(full)
    if (stat.isSymbolicLink()) return [link(path, readlinkSync(full))]
    const mode = stat.mode & 0o7777
    if (stat.isFile()) return [{ path, kind: 'file', mode, content: readFileSync(full) }]
    return [{ path, kind: 'directory', mode }, ...treeEntries(directory, path)]
  })
}

function text(path: string, content: string): NewEntry {
  return { path: path.replace(/^\//, ''), kind: 'file', mode: 0o644, content: Buffer.from(content) }
}

function link(path: string, target: string): NewEntry {
  return { path, kind: 'symlink', mode: 0o777, target }
}
