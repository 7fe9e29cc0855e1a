import { createHash } from 'node:crypto'
import {
  chmodSync,
  copyFileSync,
  createReadStream,
  createWriteStream,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { spawn } from 'node:child_process'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { MusterError } from '../../errors.ts'
import { removeTree } from '../remove-tree.ts'
import { debianSources } from '../apt-sources.ts'
import {
  basePackages,
  type KernelFlavour,
  kernelPackages,
  pathExcludes,
  pathIncludes,
  rootExcludes,
  suite,
  unwantedPackages,
} from '../packages.ts'
import { runProgram } from '../run.ts'
import { readTar, tarEnd } from '../tar.ts'
import { librariesOf } from './elf.ts'
import { alwaysLoaded, moduleClosure, onDemand } from './modules.ts'

/** A Debian root that is cached: made once for a list of packages, the only part of a build that needs a mirror. */
export interface Base {
  readonly directory: string
  /** The root as a tar archive, sorted by path, without what tells when it was made. */
  readonly tarball: string
  readonly kernel: string
  readonly kernelRelease: string
  /** Tree of programs and modules for the initrd, from this very root. */
  readonly initrdTree: string
}

/** Raised when what is made of the same packages changes. */
const recipe = 1

/** Name of the cache entry for these packages. */
export function baseKey(kernel: KernelFlavour, packages: readonly string[]): string {
  const content = JSON.stringify([
    recipe,
    suite,
    packageList(kernel, packages),
    pathExcludes,
    pathIncludes,
    rootExcludes.map(String),
    alwaysLoaded,
    onDemand,
  ])
  return createHash('sha256').update(content).digest('hex').slice(0, 16)
}

function packageList(kernel: KernelFlavour, packages: readonly string[]): readonly string[] {
  return [...new Set([...basePackages, kernelPackages[kernel], ...packages])].toSorted()
}

/**
 * The cached Debian root for a kernel and packages, made if it is not there. Throws ERR_IMAGE_RIGHTS where it has to be
 * made and this is not root, ERR_IMAGE_COMMAND when a package cannot be got.
 */
export async function provideBase(
  cache: string,
  kernel: KernelFlavour,
  packages: readonly string[],
  say: (line: string) => void,
): Promise<Base> {
  const directory = join(cache, `base-${baseKey(kernel, packages)}`)
  const base = {
    directory,
    tarball: join(directory, 'root.tar'),
    kernel: join(directory, 'vmlinuz'),
    initrdTree: join(directory, 'initrd'),
  }
  if (!existsSync(directory)) {
    if (process.getuid?.() !== 0) throw new MusterError('ERR_IMAGE_RIGHTS')
    const sources = debianSources(suite)
    if (sources.length === 0) throw new MusterError('ERR_IMAGE_MIRROR', { suite })
    say(
      `making a Debian root of ${packageList(kernel, packages).length} packages (once; cached from then on)`,
    )
    const work = `${directory}.part`
    removeTree(work)
    mkdirSync(work, { recursive: true })
    const root = join(work, 'root')
    try {
      await debootstrap(root, packageList(kernel, packages), sources)
      await takeKernel(root, work)
      await takeInitrdTree(root, work)
      await pack(root, join(work, 'root.tar'))
      removeTree(root)
      // The name comes last: a cache entry that has it is whole.
      renameSync(work, directory)
    } finally {
      removeTree(work)
    }
  }
  return { ...base, kernelRelease: readFileSync(join(directory, 'release'), 'utf8').trim() }
}

async function debootstrap(
  root: string,
  packages: readonly string[],
  sources: readonly string[],
): Promise<void> {
  const purge = `chroot "$1" dpkg --purge --force-depends ${unwantedPackages.join(' ')}`
  await runProgram(
    [
      'mmdebstrap',
      '--variant=minbase',
      '--mode=root',
      '--format=directory',
      '--aptopt=Apt::Install-Recommends "false"',
      ...pathExcludes.map((path) => `--dpkgopt=path-exclude=${path}`),
      ...pathIncludes.map((path) => `--dpkgopt=path-include=${path}`),
      `--include=${packages.join(',')}`,
      // The kernel's package would have an initrd made.
      '--essential-hook=mkdir -p "$1/etc/initramfs-tools" "$1/etc/kernel/postinst.d"',
      `--essential-hook=printf '#!/bin/sh\\nexit 0\\n' >"$1/usr/sbin/policy-rc.d" && chmod 755 "$1/usr/sbin/policy-rc.d"`,
      `--customize-hook=${purge}`,
      '--customize-hook=rm -f "$1/usr/sbin/policy-rc.d"',
      suite,
      root,
      ...sources,
    ],
    { environment: { DEBIAN_FRONTEND: 'noninteractive', INITRD: 'No', SOURCE_DATE_EPOCH: '1' } },
  )
}

async function takeKernel(root: string, work: string): Promise<void> {
  const [release = ''] = readdirSync(join(root, 'lib/modules'))
  const kernel = join(root, 'boot', `vmlinuz-${release}`)
  if (!existsSync(kernel)) throw new MusterError('ERR_IMAGE_CONTENT', { detail: 'the root has no kernel' })
  copyFileSync(kernel, join(work, 'vmlinuz'))
  writeFileSync(join(work, 'release'), `${release}\n`)
}

async function takeInitrdTree(root: string, work: string): Promise<void> {
  const tree = join(work, 'initrd')
  const take = (from: string, to: string): void => {
    mkdirSync(dirname(join(tree, to)), { recursive: true })
    copyFileSync(realpathSync(join(root, from)), join(tree, to))
  }
  take('bin/busybox', 'bin/busybox')
  take('sbin/dmsetup', 'sbin/dmsetup')
  // One directory and the loader's own place: the loader looks for /lib without being told.
  for (const library of await librariesOf(root, 'sbin/dmsetup')) {
    const name = library.split('/').at(-1) ?? ''
    take(library, library.startsWith('lib64/') ? library : `lib/${name}`)
    chmodSync(join(tree, library.startsWith('lib64/') ? library : `lib/${name}`), 0o755)
  }
  const release = readFileSync(join(work, 'release'), 'utf8').trim()
  const modules = `lib/modules/${release}`
  const dependencies = readFileSync(join(root, modules, 'modules.dep'), 'utf8')
  for (const path of moduleClosure(dependencies, [...alwaysLoaded, ...onDemand])) {
    take(`${modules}/${path}`, `${modules}/${path}`)
  }
  for (const name of ['modules.builtin', 'modules.builtin.modinfo', 'modules.order']) {
    take(`${modules}/${name}`, `${modules}/${name}`)
  }
  await runProgram(['depmod', '-b', tree, release])
  for (const name of readdirSync(join(tree, modules))) {
    // What busybox reads is text.
    const needless = /^modules\.(.*\.bin|builtin.*|order|symbols|devname)$/.test(name)
    if (needless) rmSync(join(tree, modules, name))
  }
}

/** Packs the root, sorted by path, and leaves out what `rootExcludes` names. */
async function pack(root: string, tarball: string): Promise<void> {
  const tar = spawn('tar', [
    ...['--sort=name', '--numeric-owner', '--mtime=@1', '--format=pax', '--xattrs', '--xattrs-include=*'],
    ...[
      '--pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime,delete=mtime',
      '-C',
      root,
      '-cf',
      '-',
      '.',
    ],
  ])
  let said = ''
  tar.stderr.setEncoding('utf8').on('data', (text: string) => (said += text))
  const ended = new Promise<number>((resolve) => {
    tar.on('error', () => resolve(127))
    tar.on('close', (code) => resolve(code ?? 128))
  })
  await pipeline(Readable.from(wanted(tar.stdout)), createWriteStream(`${tarball}.part`))
  const code = await ended
  if (code !== 0)
    throw new MusterError('ERR_IMAGE_COMMAND', { command: 'tar', detail: `exit ${code}: ${said}` })
  renameSync(`${tarball}.part`, tarball)
}

async function* wanted(source: Readable): AsyncGenerator<Buffer> {
  for await (const entry of readTar(source)) {
    if (rootExcludes.some((pattern) => pattern.test(entry.path))) continue
    yield* entry.raw
  }
  yield tarEnd
}

/** The cached root as a stream. */
export function openBase(base: Base): Readable {
  return createReadStream(base.tarball, { highWaterMark: 4 * 1_024 * 1_024 })
}
