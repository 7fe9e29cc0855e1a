import { accessSync, constants, existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { installDebianPackages } from '../debian-packages.ts'
import { MusterError } from '../errors.ts'
import { run } from './run.ts'

/** Programs that a Debian machine may lack, and the package that has each. */
export const packageOf = {
  unshare: 'util-linux',
  ip: 'iproute2',
  nft: 'nftables',
  etcd: 'etcd-server',
  ping: 'iputils-ping',
  'qemu-system-x86_64': 'qemu-system-x86',
} as const

export type ToolName = keyof typeof packageOf

/** Where Debian keeps what only root used to need; not on an ordinary user's path. */
const systemDirectories = ['/usr/sbin', '/sbin', '/usr/bin', '/bin']

/** Which of the programs cannot be found. */
export function missingTools(names: readonly ToolName[], toolRoot: string): ToolName[] {
  const directories = (labEnvironment(toolRoot)['PATH'] ?? '').split(':')
  return names.filter((name) => !directories.some((directory) => isExecutable(join(directory, name))))
}

/** Environment of everything that runs in a lab: the path with the tools, and little else of the user's. */
export function labEnvironment(toolRoot: string): Record<string, string> {
  const inherited = Object.entries(process.env).filter(
    (entry): entry is [string, string] =>
      entry[1] !== undefined &&
      /^(PATH|HOME|LANG|LC_.*|TERM|TMPDIR|TZ|NO_COLOR|MUSTER_(?!ROOT$|SOCKET$).*)$/.test(entry[0]),
  )
  const environment: Record<string, string> = Object.fromEntries(inherited)
  const directories = (environment['PATH'] ?? '').split(':').filter(Boolean)
  const unpacked = toolRoot === '' ? [] : systemDirectories.map((directory) => join(toolRoot, directory))
  environment['PATH'] = [...new Set([...unpacked, ...directories, ...systemDirectories])].join(':')
  if (toolRoot !== '') {
    const triplet = process.arch === 'arm64' ? 'aarch64-linux-gnu' : 'x86_64-linux-gnu'
    environment['LD_LIBRARY_PATH'] = ['usr/lib', 'lib']
      .map((directory) => join(toolRoot, directory, triplet))
      .join(':')
  }
  return environment
}

/**
 * Gets the programs that are missing: as root from Debian's packages (no service is started), else by
 * unpacking the packages into the user's cache. Returns where they were unpacked, empty when the machine
 * has them. Throws ERR_LAB_TOOLS with all names.
 */
export async function provideTools(
  names: readonly ToolName[],
  say: (line: string) => void,
  cache: string = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'muster/tools'),
): Promise<string> {
  const toolRoot = existsSync(cache) ? cache : ''
  const missing = missingTools(names, toolRoot)
  if (missing.length === 0) return missingTools(names, '').length === 0 ? '' : toolRoot
  const packages = [...new Set(missing.map((name) => packageOf[name]))].toSorted()
  say(`getting ${packages.join(', ')} from Debian's packages`)
  const isRoot = process.getuid?.() === 0
  const detail = isRoot ? await installDebianPackages(packages) : await unpackPackages(packages, cache)
  const found = isRoot ? '' : cache
  const still = missingTools(names, found)
  if (detail === '' && still.length === 0) return found
  throw new MusterError('ERR_LAB_TOOLS', {
    names: missing.join(', '),
    packages: packages.join(' '),
    detail: detail === '' ? `${still.join(', ')} not found afterwards` : detail,
  })
}

/** Unpacks the packages, and what they need and the machine lacks, without installing anything. */
async function unpackPackages(packages: readonly string[], cache: string): Promise<string> {
  const simulated = await run(['apt-get', '--simulate', '--no-install-recommends', 'install', ...packages], {
    timeoutMs: 120_000,
  })
  if (simulated.code !== 0) return lastLine(simulated.stderr)
  const wanted = [...simulated.stdout.matchAll(/^Inst (\S+)/gm)].map((match) => match[1] ?? '')
  const directory = mkdtempSync(join(tmpdir(), 'muster-tools-'))
  try {
    const script = 'cd "$1"; shift; exec apt-get download "$@"'
    const download = await run(['sh', '-c', script, 'sh', directory, ...wanted], { timeoutMs: 600_000 })
    if (download.code !== 0) return lastLine(download.stderr)
    mkdirSync(cache, { recursive: true, mode: 0o755 })
    const unpack = 'for file in "$1"/*.deb; do dpkg -x "$file" "$2" || exit 1; done'
    const unpacked = await run(['sh', '-c', unpack, 'sh', directory, cache], { timeoutMs: 300_000 })
    return unpacked.code === 0 ? '' : lastLine(unpacked.stderr)
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

function lastLine(text: string): string {
  return text.trim().split('\n').at(-1) ?? ''
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
