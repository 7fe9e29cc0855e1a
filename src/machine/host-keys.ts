import { rmSync } from 'node:fs'
import { configPaths, systemPaths } from '../core/install/layout.ts'
import type { Machine, MachineMode } from './machine.ts'
import { exists, makeDirectory, readIfThere, under, writeWhole } from './rooted-files.ts'

const keyName = 'ssh_host_ed25519_key'
const keygen = '/usr/bin/ssh-keygen'

/**
 * The SSH host key: made once, kept on the config partition, and put into /etc/ssh at each boot. An image without
 * OpenSSH needs none. Throws where the key cannot be made.
 */
export async function placeHostKeys(machine: Machine, mode: MachineMode): Promise<void> {
  const { root } = machine
  if (!exists(root, keygen)) return
  const kept = `${systemPaths.config}/${configPaths.sshKeys}/${keyName}`
  const isKept = exists(root, systemPaths.config)
  const installed = isKept && mode === 'installed'
  const key =
    (isKept && mode !== 'live' ? keyAt(root, kept) : undefined) ??
    keyAt(root, `/etc/ssh/${keyName}`) ??
    (await makeKey(machine))
  if (installed && keyAt(root, kept) === undefined) {
    // The private half last: a pair counts when it is there.
    writeWhole(root, `${kept}.pub`, key.publicHalf, { mode: 0o644, durable: true })
    writeWhole(root, kept, key.privateHalf, { mode: 0o600, durable: true })
  }
  writeWhole(root, `/etc/ssh/${keyName}.pub`, key.publicHalf, { mode: 0o644 })
  writeWhole(root, `/etc/ssh/${keyName}`, key.privateHalf, { mode: 0o600 })
}

interface HostKey {
  readonly privateHalf: string
  readonly publicHalf: string
}

function keyAt(root: string, path: string): HostKey | undefined {
  const privateHalf = readIfThere(root, path)
  const publicHalf = readIfThere(root, `${path}.pub`)
  const whole =
    privateHalf?.includes('-----END OPENSSH PRIVATE KEY-----') === true && publicHalf !== undefined
  return whole ? { privateHalf, publicHalf } : undefined
}

async function makeKey(machine: Machine): Promise<HostKey> {
  const { root, run } = machine
  const directory = '/run/muster/host-key'
  rmSync(under(root, directory), { recursive: true, force: true })
  makeDirectory(root, directory, { mode: 0o700 })
  const path = `${directory}/${keyName}`
  const result = await run(
    [under(root, keygen), '-q', '-t', 'ed25519', '-N', '', '-C', '', '-f', under(root, path)],
    {
      timeoutMs: 60_000,
    },
  )
  const key = keyAt(root, path)
  rmSync(under(root, directory), { recursive: true, force: true })
  if (result.exitCode !== 0 || key === undefined)
    throw new Error(`the SSH host key cannot be made: ${result.stderr.trim()}`)
  return key
}
