import { renameSync, rmSync } from 'node:fs'
import { persistentNames, persistentPaths, systemPaths } from '../core/install/layout.ts'
import type { Machine, MachineMode } from './machine.ts'
import { exists, makeDirectory, namesIn, readIfThere, under } from './rooted-files.ts'
import type { StageProblem } from './stage-report.ts'

/** One mount to make. */
export interface WantedMount {
  readonly kind: 'bind' | 'ephemeral'
  readonly path: string
}

export interface MountsPlan {
  readonly mounts: readonly WantedMount[]
  readonly problems: readonly StageProblem[]
}

/**
 * Nothing here or above it is laid over: units that outlive the image that they came with start programs that are no
 * longer there; the others belong to the kernel, or to muster itself.
 */
const refused: readonly { readonly path: string; readonly reason: string }[] = [
  ...['/etc/systemd', '/usr/lib/systemd', '/lib/systemd', '/usr/local/lib/systemd'].map((path) => ({
    path,
    reason: 'units belong to the image: stale ones would outlive an upgrade',
  })),
  ...['/run', '/proc', '/sys', '/dev'].map((path) => ({ path, reason: 'it belongs to the running system' })),
  ...[systemPaths.config, systemPaths.persistent, systemPaths.esp].map((path) => ({
    path,
    reason: 'it is a partition of the machine',
  })),
  { path: '/var/lib/muster', reason: 'it holds identity and votes, which lie on their own partition' },
  { path: '/etc/muster', reason: 'it is made anew from the configuration at each boot' },
  { path: '/etc/rancher', reason: 'the agent writes it at each start of k3s, as the plan says' },
  { path: '/usr/lib/muster', reason: 'it belongs to the image' },
  { path: '/bin', reason: 'it belongs to the image' },
  { path: '/sbin', reason: 'it belongs to the image' },
]

/** Which of the paths in `install.bind_mounts` and `install.ephemeral_mounts` are mounted, and why others are not. */
export function planMounts(binds: readonly string[], ephemerals: readonly string[]): MountsPlan {
  const mounts: WantedMount[] = []
  const problems: StageProblem[] = []
  const wishes = [
    ...binds.map((path) => ({ kind: 'bind', path, where: 'install.bind_mounts' }) as const),
    ...ephemerals.map((path) => ({ kind: 'ephemeral', path, where: 'install.ephemeral_mounts' }) as const),
  ]
  for (const { kind, path: wanted, where } of wishes) {
    const path = wanted.length > 1 ? wanted.replace(/\/+$/, '') : wanted
    const refuse = (message: string, severity: StageProblem['severity'] = 'error'): void => {
      problems.push({ where, message: `${wanted}: ${message}`, severity })
    }
    if (!/^\/[^\0\n]+$/.test(path) || path.split('/').some((part) => part === '..' || part === '.')) {
      refuse('is not an absolute path below /')
      continue
    }
    const against = refused.find((each) => isBelow(path, each.path) || isBelow(each.path, path))
    if (against !== undefined) refuse(`is not mounted over: ${against.path}: ${against.reason}`)
    else if (kind === 'bind' && persistentPaths.some((each) => isBelow(path, each)))
      refuse('persists anyway', 'warning')
    else if (mounts.some((each) => each.path === path)) refuse('is named twice')
    else mounts.push({ kind, path })
  }
  // A mount on a parent would hide one below it.
  return {
    mounts: mounts.toSorted((a, b) => a.path.length - b.path.length || (a.path < b.path ? -1 : 1)),
    problems,
  }
}

function isBelow(path: string, directory: string): boolean {
  return path === directory || path.startsWith(`${directory}/`)
}

/** Makes the mounts. What persists begins with what the image has there. Without a disk nothing persists. */
export async function makeMounts(
  machine: Machine,
  mode: MachineMode,
  { mounts, problems }: MountsPlan,
): Promise<readonly StageProblem[]> {
  const found: StageProblem[] = [...problems]
  const mounted = new Set(
    (readIfThere(machine.root, '/proc/self/mountinfo') ?? '')
      .split('\n')
      .map((line) => line.split(' ')[4] ?? ''),
  )
  for (const { kind, path } of mounts) {
    if (mounted.has(path)) continue
    try {
      if (kind === 'ephemeral') await mountTmpfs(machine, path)
      else if (mode === 'installed') await bind(machine, path)
    } catch (error) {
      const message = `${path}: ${error instanceof Error ? error.message : String(error)}`
      found.push({ where: `install.${kind}_mounts`, message, severity: 'error' })
    }
  }
  return found
}

const bindsPath = `${systemPaths.persistent}/${persistentNames.binds}`

async function bind(machine: Machine, path: string): Promise<void> {
  const { root } = machine
  const source = `${bindsPath}${path}`
  if (!exists(root, path)) makeDirectory(root, path, { mode: 0o755 })
  if (!exists(root, source)) {
    // Copied beside and renamed: a copy that a power cut ended is never taken for a whole one.
    const seed = `${bindsPath}/.seed`
    rmSync(under(root, seed), { recursive: true, force: true })
    makeDirectory(root, bindsPath, { mode: 0o755 })
    await told(machine, ['cp', '-a', under(root, path), under(root, seed)])
    await told(machine, ['sync', '-f', under(root, seed)])
    makeDirectory(root, source.slice(0, source.lastIndexOf('/')), { mode: 0o755 })
    renameSync(under(root, seed), under(root, source))
  } else if (namesIn(root, source).length === 0 && namesIn(root, path).length > 0) {
    await told(machine, ['cp', '-a', `${under(root, path)}/.`, under(root, source)])
  }
  await told(machine, ['mount', '--bind', under(root, source), under(root, path)])
}

async function mountTmpfs(machine: Machine, path: string): Promise<void> {
  makeDirectory(machine.root, path, { mode: 0o755 })
  await told(machine, [
    'mount',
    '-t',
    'tmpfs',
    '-o',
    'mode=0755,nosuid,nodev',
    'tmpfs',
    under(machine.root, path),
  ])
}

async function told(machine: Machine, argv: readonly string[]): Promise<void> {
  const { exitCode, stderr } = await machine.run(argv, { timeoutMs: 120_000 })
  if (exitCode !== 0) throw new Error(`\`${argv.join(' ')}\` ended with ${exitCode}: ${stderr.trim()}`)
}
