import { existsSync } from 'node:fs'
import { findFirmware } from '../../../src/lab/vm/tools.ts'

/** What the builder of images and the lab need and Debian's packages bring. */
const programs = [
  'qemu-system-x86_64',
  'qemu-img',
  'mmdebstrap',
  'mksquashfs',
  'xorriso',
  'mcopy',
  'veritysetup',
]

/** Whether emulated machines cannot be made here. */
export const isSkipped: boolean = obstacle() !== undefined

/** Ends a test's title: says the reason aloud where it is skipped. */
export const skipNote: string = isSkipped ? ` (SKIPPED: ${obstacle()})` : ''

function obstacle(): string | undefined {
  if (process.getuid?.() !== 0) return 'building an image needs root'
  const directories = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin']
  const missing = programs.filter((name) => !directories.some((each) => existsSync(`${each}/${name}`)))
  if (missing.length > 0) return `${missing.join(', ')} not installed`
  return findFirmware() === undefined ? 'no UEFI firmware for QEMU' : undefined
}
