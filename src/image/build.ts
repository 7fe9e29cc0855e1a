import { copyFileSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { spawnSync } from 'node:child_process'
import { imageFiles, mediumConfigBytes } from '../core/install/layout.ts'
import {
  encodeManifest,
  type FileDigest,
  type ImageManifest,
  type ManifestFile,
  manifestFiles,
} from '../core/install/manifest.ts'
import { version as musterVersion } from '../version.ts'
import { agentFiles, repository } from './agent-files.ts'
import { paddedConfig } from './medium-config.ts'
import type { KernelFlavour } from './packages.ts'
import { type SigningKey, signBytes, signingKey } from './signing.ts'
import { openBase, provideBase } from './stages/base.ts'
import { makeInitrd } from './stages/initrd.ts'
import { emptyDirectory, makeEsp, makeIso } from './stages/iso.ts'
import { makeSquashfs } from './stages/root.ts'
import { type BootMode, commandLineOf, entryRelease, makeUki } from './stages/uki.ts'
import { addVerity, sha256Of, type Verity } from './stages/verity.ts'
import { systemEntries, treeEntries } from './system-files.ts'
import type { NewEntry } from './tar.ts'
import { efiFiles, provideTools } from './tools.ts'

/** What goes into an image, and where it is written. */
export interface BuildOptions {
  /** Directory of the ISO and the image's files. */
  readonly output: string
  /** Directory of what outlives a build: the Debian root, Node without symbols, a signing key. */
  readonly cache: string
  readonly version: string
  readonly epoch: number
  readonly kernel: KernelFlavour
  /** zstd level of the root: 3 is quick, 15 and more is for releases. */
  readonly compression: number
  /** Ed25519 key in PEM; one of the cache's own when undefined. */
  readonly key?: string
  /** Cloud-config of the medium, checked by the caller. */
  readonly config?: string
  /** A k3s to put at /usr/local/bin/k3s. */
  readonly k3s?: string
  /** More Debian packages. */
  readonly packages: readonly string[]
  /** Directories that are laid over the root, in this order. */
  readonly trees: readonly string[]
  /** Archives of container images for k3s. */
  readonly airgap: readonly string[]
  readonly say: (line: string) => void
}

/** What came of a build. */
export interface BuildResult {
  readonly iso: string
  /** The directory with the files of `imageFiles`. */
  readonly image: string
  readonly manifest: ImageManifest
  readonly isoBytes: number
  /** Milliseconds of each stage, in their order. */
  readonly stages: readonly { readonly name: string; readonly ms: number }[]
}

/** Where container images are put: the initrd links them to where k3s looks, which is a partition of its own. */
const airgapDirectory = 'usr/lib/muster/airgap'

/**
 * Builds an image and its ISO. The same source, options, cached root and key give the same bytes. Throws coded errors:
 * ERR_IMAGE_TOOLS, ERR_IMAGE_RIGHTS, ERR_IMAGE_COMMAND, ERR_IMAGE_CONTENT, ERR_IMAGE_KEY, ERR_IMAGE_CHECKOUT.
 */
export async function buildImage(options: BuildOptions): Promise<BuildResult> {
  const stages: { name: string; ms: number }[] = []
  const stage = async <T>(name: string, work: () => Promise<T>): Promise<T> => {
    const begin = performance.now()
    const result = await work()
    const ms = Math.round(performance.now() - begin)
    stages.push({ name, ms })
    options.say(`${name.padEnd(12)}${(ms / 1_000).toFixed(1).padStart(6)} s`)
    return result
  }
  for (const directory of [options.output, options.cache]) mkdirSync(directory, { recursive: true })
  await stage('tools', () => provideTools(options.say))
  const epochSeconds = sourceDateEpoch()
  const key = signingKey(options.key ?? join(options.cache, 'signing.key'), options.key === undefined)
  const base = await stage('base', () =>
    provideBase(options.cache, options.kernel, options.packages, options.say),
  )
  const work = join(options.output, 'work')
  emptyDirectory(work)
  const initrd = join(work, 'initrd')
  const [files] = await stage('programs', () =>
    Promise.all([agentFiles(options.cache, work), makeInitrd(base.initrdTree, initrd, { epochSeconds })]),
  )
  const root = join(work, imageFiles.root)
  await stage('root', () =>
    makeSquashfs({ base: openBase(base), files: rootFiles(options, files, key, epochSeconds) }, root, {
      epochSeconds,
      compression: options.compression,
    }),
  )
  const verity = await stage('verity', () => addVerity(root))
  const live = join(work, 'live.efi')
  await stage('entries', async () => {
    const outputs: Readonly<Record<BootMode, string>> = {
      installed: join(work, imageFiles.installed),
      recovery: join(work, imageFiles.recovery),
      live,
    }
    for (const [mode, output] of Object.entries(outputs) as [BootMode, string][]) {
      const parts = { stub: efiFiles.stub, kernel: base.kernel, initrd }
      const osRelease = entryRelease(mode, options.version)
      await makeUki({ ...parts, osRelease, commandLine: commandLineOf(mode, verity) }, output)
    }
    copyFileSync(efiFiles.loader, join(work, imageFiles.loader))
  })
  const manifest = await stage('manifest', () => writeManifest(work, options, verity, key))
  const iso = join(options.output, 'muster.iso')
  const image = join(options.output, 'image')
  await stage('iso', async () => {
    const medium = [...Object.values(imageFiles).filter((name) => name !== imageFiles.directory)]
    writeFileSync(join(work, imageFiles.id), `${verity.imageId}\n`)
    writeFileSync(join(work, imageFiles.config), paddedConfig(options.config ?? '', mediumConfigBytes))
    const esp = join(work, 'esp.img')
    await makeEsp({ loader: efiFiles.loader, live }, esp, {
      epochSeconds,
      volumeId: verity.imageId.slice(0, 8),
    })
    await makeIso(
      medium.map((name) => join(work, name)),
      esp,
      `${iso}.part`,
      { epochSeconds, volume: 'MUSTER' },
    )
    emptyDirectory(image)
    for (const name of medium) renameSync(join(work, name), join(image, name))
    renameSync(`${iso}.part`, iso)
  })
  rmSync(work, { recursive: true, force: true })
  return { iso, image, manifest, isoBytes: statSync(iso).size, stages }
}

/** Everything that comes on top of the Debian root. Later ones win. */
function rootFiles(
  options: BuildOptions,
  agent: readonly NewEntry[],
  key: SigningKey,
  epochSeconds: number,
): readonly NewEntry[] {
  const { version, epoch } = options
  const placed = (path: string, from: string, mode: number): NewEntry => ({
    path,
    kind: 'file',
    mode,
    content: readFileSync(from),
  })
  return [
    ...systemEntries({ version, epoch, epochSeconds, imageKey: key.publicPem }),
    ...agent,
    ...(options.k3s === undefined ? [] : [placed('usr/local/bin/k3s', options.k3s, 0o755)]),
    ...options.airgap.map((path) => placed(`${airgapDirectory}/${basename(path)}`, path, 0o644)),
    ...options.trees.flatMap((directory) => treeEntries(directory)),
  ]
}

async function writeManifest(
  directory: string,
  options: BuildOptions,
  verity: Verity,
  key: SigningKey,
): Promise<ImageManifest> {
  const digest = async (name: ManifestFile): Promise<readonly [ManifestFile, FileDigest]> => {
    const path = join(directory, name)
    return [name, { bytes: statSync(path).size, sha256: await sha256Of(path) }]
  }
  const digests: (readonly [ManifestFile, FileDigest])[] = []
  for (const name of manifestFiles) digests.push(await digest(name))
  const manifest: ImageManifest = {
    format: 1,
    version: options.version,
    epoch: options.epoch,
    architecture: 'x86_64',
    ...verity,
    files: Object.fromEntries(digests) as Record<ManifestFile, FileDigest>,
  }
  const bytes = encodeManifest(manifest)
  writeFileSync(join(directory, imageFiles.manifest), bytes)
  writeFileSync(join(directory, imageFiles.signature), signBytes(bytes, key))
  return manifest
}

/** Where every build of this checkout keeps what the next one needs. */
export const imageCache: string = join(repository, '.cache/image')

/** The version that an image has unless another one is asked for. */
export const defaultImageVersion: string = musterVersion

/** The one time of everything in an image: what the environment says, else the time of the commit. */
function sourceDateEpoch(): number {
  const told = process.env['SOURCE_DATE_EPOCH']
  if (told !== undefined && /^\d{1,10}$/.test(told)) return Number(told)
  const { stdout } = spawnSync('git', ['-C', repository, 'log', '-1', '--format=%ct'], { encoding: 'utf8' })
  return Number(stdout.trim()) || 1_735_689_600
}
