import { existsSync } from 'node:fs'
import { installDebianPackages } from '../../debian-packages.ts'
import { MusterError } from '../../errors.ts'
import { missingTools, packageOf } from '../tools.ts'
import type { MachineSettings } from './state.ts'

type Firmware = MachineSettings['firmware']

/** Where distributions put OVMF: code, and the variables that a new machine starts with. */
const firmwarePlaces: readonly Firmware[] = [
  { code: '/usr/share/OVMF/OVMF_CODE_4M.fd', variables: '/usr/share/OVMF/OVMF_VARS_4M.fd' },
  { code: '/usr/share/OVMF/OVMF_CODE.fd', variables: '/usr/share/OVMF/OVMF_VARS.fd' },
  { code: '/usr/share/edk2/ovmf/OVMF_CODE.fd', variables: '/usr/share/edk2/ovmf/OVMF_VARS.fd' },
]

/** UEFI for emulated machines, where this host has one. */
export function findFirmware(places: readonly Firmware[] = firmwarePlaces): Firmware | undefined {
  return places.find(({ code, variables }) => existsSync(code) && existsSync(variables))
}

/** What a lab of machines needs and this host lacks, and the Debian package that has each. */
interface Lacking {
  readonly name: string
  readonly package: string
}

/**
 * Gets QEMU and the firmware from Debian's packages where this host lacks them. Returns the UEFI firmware for the
 * machines. Throws ERR_LAB_TOOLS with all that is missing where this user or host cannot.
 */
export async function provideVmTools(
  say: (line: string) => void,
  install: (packages: readonly string[]) => Promise<string> = installDebianPackages,
  places: readonly Firmware[] = firmwarePlaces,
): Promise<Firmware> {
  const lacking = lackingHere(places)
  if (lacking.length > 0) {
    const packages = lacking.map((each) => each.package)
    say(`getting ${packages.join(', ')} from Debian's packages`)
    const refused = await install(packages)
    const still = lackingHere(places)
    if (still.length > 0) {
      throw new MusterError('ERR_LAB_TOOLS', {
        names: still.map(({ name }) => name).join(' and '),
        packages: still.map((each) => each.package).join(' '),
        detail: refused === '' ? 'it was not found afterwards' : refused,
      })
    }
  }
  const firmware = findFirmware(places)
  if (firmware === undefined) throw new TypeError('the firmware was found a moment ago')
  return firmware
}

function lackingHere(places: readonly Firmware[]): Lacking[] {
  const lacking: Lacking[] = missingTools(['qemu-system-x86_64'], '').map((tool) => ({
    name: 'QEMU',
    package: packageOf[tool],
  }))
  if (findFirmware(places) === undefined) lacking.push({ name: 'UEFI firmware', package: 'ovmf' })
  return lacking
}
