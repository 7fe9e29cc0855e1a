import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { kernelParameters } from '../../core/install/layout.ts'
import { MusterError } from '../../errors.ts'
import { readPe, withoutPeTime } from '../pe.ts'
import { runProgram } from '../run.ts'
import type { Verity } from './verity.ts'

/** What a boot entry is for. */
export type BootMode = 'installed' | 'live' | 'recovery'

/** Everything that a unified kernel image is made of. */
export interface UkiParts {
  readonly stub: string
  readonly osRelease: string
  readonly commandLine: string
  readonly kernel: string
  readonly initrd: string
}

/** Both consoles get what kernel and system say; `panic` starts the machine again, so that a try counts. */
const commonParameters: readonly string[] = [
  'console=tty0',
  'console=ttyS0,115200n8',
  'panic=5',
  'net.ifnames=0',
  'loglevel=6',
  // Self-tests of the kernel's cryptography take half of its start in emulation; Linux' own default is without them.
  'cryptomgr.notests',
  'systemd.crash_reboot=yes',
  'systemd.gpt_auto=no',
]

/** The kernel command line of an entry: it names its root by hash. */
export function commandLineOf(mode: BootMode, verity: Verity, more: readonly string[] = []): string {
  return [
    `${kernelParameters.mode}=${mode}`,
    `${kernelParameters.root}=${verity.imageId}`,
    `${kernelParameters.blocks}=${verity.blocks}`,
    `${kernelParameters.salt}=${verity.salt}`,
    ...commonParameters,
    ...more,
  ].join(' ')
}

/**
 * The os-release of an entry. systemd-boot sorts entries by IMAGE_ID upwards, then by IMAGE_VERSION downwards: the
 * recovery entry has an id of its own that comes behind.
 */
export function entryRelease(mode: BootMode, version: string): string {
  const title = { installed: 'Muster', live: 'Muster installer', recovery: 'Muster recovery' }[mode]
  const id = mode === 'installed' ? 'muster' : `muster-${mode}`
  return `ID=muster
IMAGE_ID=${id}
IMAGE_VERSION=${version}
VERSION_ID=${version}
PRETTY_NAME="${title} ${version}"
`
}

/**
 * Writes a unified kernel image. The sections lie behind those of the stub, one after the other, none over another.
 * Throws ERR_IMAGE_COMMAND.
 */
export async function makeUki(parts: UkiParts, output: string): Promise<void> {
  const layout = readPe(readFileSync(parts.stub))
  if (layout === undefined)
    throw new MusterError('ERR_IMAGE_CONTENT', { detail: `${parts.stub} is no EFI program` })
  const work = mkdtempSync(join(tmpdir(), 'muster-uki-'))
  try {
    const text = (name: string, content: string): string => {
      const path = join(work, name)
      writeFileSync(path, content)
      return path
    }
    const files: readonly (readonly [name: string, path: string])[] = [
      ['.osrel', text('osrel', parts.osRelease)],
      ['.cmdline', text('cmdline', parts.commandLine)],
      ['.linux', parts.kernel],
      ['.initrd', parts.initrd],
    ]
    const align = (address: number): number =>
      Math.ceil(address / layout.sectionAlignment) * layout.sectionAlignment
    let address = align(
      Math.max(...layout.sections.map(({ virtualAddress, virtualSize }) => virtualAddress + virtualSize)),
    )
    const flags = files.flatMap(([name, path]) => {
      const at = layout.imageBase + address
      address = align(address + statSync(path).size)
      return [`--add-section=${name}=${path}`, `--change-section-vma=${name}=0x${at.toString(16)}`]
    })
    const whole = join(work, 'uki.efi')
    await runProgram(['objcopy', ...flags, parts.stub, whole])
    const bytes = withoutPeTime(readFileSync(whole))
    if (bytes === undefined)
      throw new MusterError('ERR_IMAGE_CONTENT', { detail: 'objcopy wrote no EFI program' })
    writeFileSync(output, bytes)
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}
