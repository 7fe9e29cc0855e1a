import { accessSync, constants, existsSync, rmSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { MusterError } from '../errors.ts'
import { runProgram } from './run.ts'

/** Programs that a build needs, and the Debian package that has each. */
const packageOf = {
  mmdebstrap: 'mmdebstrap',
  mksquashfs: 'squashfs-tools',
  veritysetup: 'cryptsetup-bin',
  xorriso: 'xorriso',
  'mkfs.vfat': 'dosfstools',
  mcopy: 'mtools',
  mmd: 'mtools',
  depmod: 'kmod',
  zstd: 'zstd',
  objcopy: 'binutils',
  objdump: 'binutils',
  strip: 'binutils',
  tar: 'tar',
} as const

/** Where systemd's loader and stub for UEFI lie once their package is there. */
export const efiFiles = {
  stub: '/usr/lib/systemd/boot/efi/linuxx64.efi.stub',
  loader: '/usr/lib/systemd/boot/efi/systemd-bootx64.efi',
} as const
const efiPackage = 'systemd-boot-efi'

/** Debian keeps what only root used to need in these. */
const systemDirectories = ['/usr/sbin', '/usr/bin', '/sbin', '/bin']

/** Programs and files that this machine lacks for a build, as name and package. */
export function missingTools(
  directories: readonly string[] = searchPath(),
): readonly { readonly name: string; readonly package: string }[] {
  const programs = Object.entries(packageOf)
    .filter(([name]) => !directories.some((directory) => isExecutable(join(directory, name))))
    .map(([name, debianPackage]) => ({ name, package: debianPackage }))
  const files = Object.values(efiFiles)
    .filter((path) => !existsSync(path))
    .map((path) => ({ name: path, package: efiPackage }))
  return [...programs, ...files]
}

/**
 * Gets the programs that are missing from Debian's packages; no service is started. Throws ERR_IMAGE_TOOLS with
 * all names where this user or machine cannot.
 */
export async function provideTools(say: (line: string) => void): Promise<void> {
  process.env['PATH'] = searchPath().join(delimiter)
  const missing = missingTools()
  if (missing.length === 0) return
  const packages = [...new Set(missing.map((each) => each.package))].toSorted()
  const refuse = (detail: string): MusterError =>
    new MusterError('ERR_IMAGE_TOOLS', {
      names: missing.map(({ name }) => name).join(', '),
      packages: packages.join(' '),
      detail,
    })
  if (process.getuid?.() !== 0) throw refuse('only root can install them')
  if (!existsSync('/usr/bin/apt-get')) throw refuse('this is no Debian machine')
  say(`getting ${packages.join(', ')} from Debian's packages`)
  try {
    await withServicesOff(() => installPackages(packages))
  } catch (error) {
    throw refuse(error instanceof Error ? error.message : String(error))
  }
  const still = missingTools()
  if (still.length > 0) throw refuse(`${still.map(({ name }) => name).join(', ')} not found afterwards`)
}

/** Debian asks policy-rc.d before it starts a service: 101 means do not. */
async function withServicesOff(install: () => Promise<void>): Promise<void> {
  const policy = '/usr/sbin/policy-rc.d'
  const made = !existsSync(policy)
  if (made) writeFileSync(policy, '#!/bin/sh\nexit 101\n', { mode: 0o755 })
  try {
    await install()
  } finally {
    if (made) rmSync(policy, { force: true })
  }
}

async function installPackages(packages: readonly string[]): Promise<void> {
  const environment = { DEBIAN_FRONTEND: 'noninteractive' }
  const install = ['apt-get', 'install', '--yes', '--no-install-recommends', ...packages]
  try {
    await runProgram(install, { environment })
  } catch {
    // A machine that never fetched the package lists has to do so first.
    await runProgram(['apt-get', 'update'], { environment })
    await runProgram(install, { environment })
  }
}

function searchPath(): string[] {
  const inherited = (process.env['PATH'] ?? '').split(delimiter).filter(Boolean)
  return [...new Set([...inherited, ...systemDirectories])]
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
