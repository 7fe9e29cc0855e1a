import { accessSync, constants, existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { installDebianPackages } from '../debian-packages.ts'
import { MusterError } from '../errors.ts'

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
  say(`getting ${packages.join(', ')} from Debian's packages`)
  const refused = await installDebianPackages(packages)
  const still = missingTools()
  if (refused === '' && still.length === 0) return
  throw new MusterError('ERR_IMAGE_TOOLS', {
    names: missing.map(({ name }) => name).join(', '),
    packages: packages.join(' '),
    detail: refused === '' ? `${still.map(({ name }) => name).join(', ')} not found afterwards` : refused,
  })
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
