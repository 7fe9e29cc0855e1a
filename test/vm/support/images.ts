import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

// Images for the tests: the one of this source with the contract double as k3s, and others that are newer and bad in one way each.

/** Files laid over the root of an image, by path. */
type Tree = Readonly<Record<string, { readonly text: string; readonly mode: number }>>

interface Variant {
  readonly version: string
  readonly tree: Tree
}

const script = (text: string): { text: string; mode: number } => ({
  text: `#!/bin/sh\n${text}\n`,
  mode: 0o755,
})
const file = (text: string): { text: string; mode: number } => ({ text, mode: 0o644 })

/** A test has no ten minutes for each boot that is not good. */
const impatient: Tree = {
  'usr/lib/systemd/system/muster-health.service.d/impatient.conf': file(
    '[Service]\nExecStart=\nExecStart=/usr/bin/muster health --wait --bless --timeout 60\n',
  ),
}

const variants = {
  a: { version: '1.0.0', tree: {} },
  b: { version: '1.1.0', tree: {} },
  /** The first program ends at once: the kernel panics. */
  panics: { version: '1.2.1', tree: { 'usr/lib/systemd/systemd': script('exit 1') } },
  /** The first program does nothing for ever. Only the watchdog gets out of that. */
  hangs: {
    version: '1.2.2',
    tree: { 'usr/lib/systemd/systemd': script('echo "this image hangs" >/dev/console\nexec sleep 1000000') },
  },
  /** No link ever gets an address. */
  'no-network': {
    version: '1.2.3',
    tree: {
      'usr/lib/systemd/system/systemd-networkd.service': file('[Service]\nExecStart=/bin/sleep infinity\n'),
      ...impatient,
    },
  },
  /** k3s ends at once. */
  'no-k3s': { version: '1.2.4', tree: { 'usr/local/bin/k3s': script('exit 1'), ...impatient } },
} as const satisfies Record<string, Variant>

export type VariantName = keyof typeof variants

const top = fileURLToPath(new URL('../../..', import.meta.url))
const output = join(top, '.cache/image-test')

/** The version that an image calls itself. */
export function versionOf(name: VariantName): string {
  return variants[name].version
}

/** Path of the ISO of a variant; built where this very source has not been built yet, by one process at a time. */
export function isoOf(name: VariantName): string {
  mkdirSync(output, { recursive: true })
  const lock = join(output, 'lock')
  while (!take(lock)) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 250)
  try {
    return buildIso(name)
  } finally {
    rmSync(lock, { force: true })
  }
}

/** Whether the lock is this process' now. One whose owner is dead is nobody's. */
function take(lock: string): boolean {
  try {
    writeFileSync(lock, String(process.pid), { flag: 'wx' })
    return true
  } catch {
    if (!isHeld(lock)) rmSync(lock, { force: true })
    return false
  }
}

function isHeld(lock: string): boolean {
  try {
    const owner = readFileSync(lock, 'utf8')
    return owner === '' || existsSync(`/proc/${owner}`)
  } catch {
    return false
  }
}

function buildIso(name: VariantName): string {
  const iso = join(output, name, 'muster.iso')
  const stamp = join(output, name, 'stamp')
  const wanted = `${sourceHash()} ${JSON.stringify(variants[name])}`
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return iso
  const scratch = mkdtempSync(join(tmpdir(), 'muster-tree-'))
  try {
    for (const [path, { text, mode }] of Object.entries<{ text: string; mode: number }>(
      variants[name].tree,
    )) {
      mkdirSync(dirname(join(scratch, path)), { recursive: true })
      writeFileSync(join(scratch, path), text, { mode })
    }
    const { version } = variants[name]
    const flags = ['--image-version', version, '--k3s', 'contract', '--tree', scratch, '--out', output]
    const started = performance.now()
    const built = spawnSync(process.execPath, ['src/cli/main.ts', 'image', 'build', ...flags], {
      cwd: top,
      encoding: 'utf8',
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    if (built.status !== 0) throw new Error(`image ${name} cannot be built:\n${built.stderr}`)
    process.stdout.write(`image ${name} built in ${((performance.now() - started) / 1_000).toFixed(1)} s\n`)
    rmSync(join(output, name), { recursive: true, force: true })
    mkdirSync(join(output, name))
    renameSync(join(output, 'muster.iso'), iso)
    renameSync(join(output, 'image'), join(output, name, 'image'))
    writeFileSync(stamp, wanted)
    return iso
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}

let knownHash: string | undefined

/** Hash of everything that an image is made of, except Debian's packages. */
function sourceHash(): string {
  if (knownHash !== undefined) return knownHash
  const hash = createHash('sha256')
  for (const folder of ['src', 'simulations/k3s-contract']) {
    const entries = readdirSync(join(top, folder), { recursive: true, withFileTypes: true })
    const paths = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
    for (const path of paths.toSorted()) hash.update(path).update(readFileSync(path))
  }
  knownHash = hash.update(readFileSync(join(top, 'package-lock.json'))).digest('hex')
  return knownHash
}
