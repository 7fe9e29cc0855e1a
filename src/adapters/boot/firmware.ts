import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Firmware, RunProgram } from '../../core/ports.ts'

/** Our own variables: nobody else's names can meet them. */
const vendor = '6d757374-6572-4e56-8152-636f756e7465'
const counterName = `MusterHandovers-${vendor}`
/** Non-volatile, for boot services and for the running system. */
const attributes = 0x7

export interface FirmwareInit {
  /** Where efivarfs is mounted. */
  readonly variables: string
}

/** Port `Firmware` by efibootmgr and efivarfs. A machine without UEFI variables answers `false`. */
export function createFirmware({ run }: { readonly run: RunProgram }, { variables }: FirmwareInit): Firmware {
  const efibootmgr = async (...argv: readonly string[]): Promise<string | undefined> => {
    const result = await run(['efibootmgr', ...argv]).catch(() => undefined)
    return result?.exitCode === 0 ? result.stdout : undefined
  }
  return {
    async registerLoader({ disk, partition, path, label }) {
      const listing = await efibootmgr()
      if (listing === undefined) return false
      for (const number of entriesNamed(listing, label))
        await efibootmgr('--quiet', '--bootnum', number, '--delete-bootnum')
      const made = await efibootmgr(
        '--quiet',
        '--create',
        '--disk',
        disk,
        '--part',
        String(partition),
        '--loader',
        `\\${path.replaceAll('/', '\\')}`,
        '--label',
        label,
      )
      return made !== undefined
    },
    async startNext(label) {
      const number = entriesNamed((await efibootmgr()) ?? '', label)[0]
      return number !== undefined && (await efibootmgr('--quiet', '--bootnext', number)) !== undefined
    },
    async readCounter() {
      const bytes = await readFile(join(variables, counterName)).catch(() => undefined)
      if (bytes !== undefined && bytes.length === 8) return bytes.readUInt32LE(4)
      // No such variable yet, where there can be one.
      return (await readFile(join(variables, 'BootOrder-8be4df61-93ca-11d2-aa0d-00e098032b8c')).catch(
        () => undefined,
      )) === undefined
        ? undefined
        : 0
    },
    async writeCounter(value) {
      const bytes = Buffer.alloc(8)
      bytes.writeUInt32LE(attributes, 0)
      bytes.writeUInt32LE(value, 4)
      const path = join(variables, counterName)
      // The kernel makes every variable immutable that it does not know, ours as well. Where there is none yet this fails.
      await run(['chattr', '-i', path]).catch(() => undefined)
      await writeFile(path, bytes)
    },
  }
}

/** Numbers of the entries with a label in what efibootmgr prints. */
export function entriesNamed(listing: string, label: string): readonly string[] {
  return listing.split('\n').flatMap((line) => {
    const found = /^Boot([0-9A-Fa-f]{4})\*?\s+([^\t]*)/.exec(line)
    return found !== null && found[2]?.trim() === label ? [found[1]!] : []
  })
}
