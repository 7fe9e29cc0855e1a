import { existsSync, rmSync } from 'node:fs'
import { MusterError } from '../../errors.ts'
import { cutPower, endProcess } from './machines.ts'
import { vmHome } from './state.ts'

/** Ends all machines and the switch of a lab, and leaves nothing. Throws ERR_VM_ABSENT when there is none. */
export async function endVms(name: string): Promise<void> {
  const directory = vmHome.directoryOf(name)
  if (!existsSync(directory)) throw new MusterError('ERR_VM_ABSENT', { name })
  const state = vmHome.load(name)
  if (state !== undefined) {
    await Promise.all([...state.machines.map(cutPower), endProcess(state.switch)])
  }
  rmSync(directory, { recursive: true, force: true, maxRetries: 5 })
  vmHome.release()
}
