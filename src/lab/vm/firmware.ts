import { existsSync } from 'node:fs'
import { MusterError } from '../../errors.ts'
import type { MachineSettings } from './state.ts'

/** Where distributions put OVMF: code, and the variables that a new machine starts with. */
const places: readonly MachineSettings['firmware'][] = [
  { code: '/usr/share/OVMF/OVMF_CODE_4M.fd', variables: '/usr/share/OVMF/OVMF_VARS_4M.fd' },
  { code: '/usr/share/OVMF/OVMF_CODE.fd', variables: '/usr/share/OVMF/OVMF_VARS.fd' },
  { code: '/usr/share/edk2/ovmf/OVMF_CODE.fd', variables: '/usr/share/edk2/ovmf/OVMF_VARS.fd' },
]

/** UEFI for emulated machines. Throws ERR_LAB_TOOLS. */
export function findFirmware(): MachineSettings['firmware'] {
  const found = places.find(({ code, variables }) => existsSync(code) && existsSync(variables))
  if (found !== undefined) return found
  throw new MusterError('ERR_LAB_TOOLS', {
    names: 'UEFI firmware',
    packages: 'ovmf',
    detail: 'it is not installed',
  })
}
