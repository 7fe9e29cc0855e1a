import { execFile } from 'node:child_process'
import { existsSync, rmSync, writeFileSync } from 'node:fs'

/** Debian asks this script before it starts a service of a package. */
const policy = '/usr/sbin/policy-rc.d'
const timeoutMs = 900_000

/**
 * Installs Debian packages, and starts no service of theirs. Fetches the package lists where the machine has none
 * that will do. Returns why it could not be done, in apt-get's words; empty when it is done.
 */
export async function installDebianPackages(packages: readonly string[]): Promise<string> {
  if (process.getuid?.() !== 0) return 'only root can install them'
  if (!existsSync('/usr/bin/apt-get')) return 'this is no Debian machine'
  const made = !existsSync(policy)
  // 101: do not start it.
  if (made) writeFileSync(policy, '#!/bin/sh\nexit 101\n', { mode: 0o755 })
  try {
    const install = ['install', '--yes', '--no-install-recommends', ...packages]
    if ((await aptGet(install)) === '') return ''
    const updated = await aptGet(['update'])
    return updated === '' ? await aptGet(install) : updated
  } finally {
    if (made) rmSync(policy, { force: true })
  }
}

function aptGet(args: readonly string[]): Promise<string> {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  return new Promise((resolve) => {
    execFile('apt-get', args, { env, timeout: timeoutMs, maxBuffer: 2 ** 26 }, (error, _stdout, stderr) =>
      resolve(error === null ? '' : (stderr.trim().split('\n').at(-1) ?? '') || error.message),
    )
  })
}
