import { existsSync, rmSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { MusterError } from '../errors.ts'
import { isAlive, signal } from './processes.ts'
import { labDirectory, loadLabState, releaseLabsDirectory } from './state.ts'

/**
 * Ends a lab and leaves nothing: the lab's first process takes everything in its pid namespace with it, and
 * namespaces, links, rules and mounts end with the last process in them. Then the directory goes.
 * Throws ERR_LAB_ABSENT when there is none.
 */
export async function endLab(name: string): Promise<void> {
  const directory = labDirectory(name)
  if (!existsSync(directory)) throw new MusterError('ERR_LAB_ABSENT', { name })
  const state = loadLabState(name)
  if (state !== undefined && isAlive(state.init)) {
    signal(state.init.pid, 'SIGKILL')
    const giveUpAt = performance.now() + 30_000
    while (isAlive(state.init) || state.hosts.some((host) => isAlive(host.init))) {
      if (performance.now() > giveUpAt) {
        const detail = `process ${state.init.pid} does not end`
        throw new MusterError('ERR_LAB_COMMAND', { command: 'kill', detail })
      }
      await sleep(20)
    }
  }
  rmSync(directory, { recursive: true, force: true, maxRetries: 5 })
  releaseLabsDirectory()
}
