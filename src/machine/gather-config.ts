import { rmSync } from 'node:fs'
import { configPaths, imageFiles, kernelParameters, systemPaths } from '../core/install/layout.ts'
import type { AgentConfig, ConfigSource, Diagnostic } from '../config/index.ts'
import { readConfig } from '../config/index.ts'
import type { Machine, MachineMode } from './machine.ts'
import { exists, makeDirectory, namesIn, readIfThere, under, writeWhole } from './rooted-files.ts'

/** Where the agent reads its configuration, and everybody else who asks for the one of this boot. */
const gatheredDirectory = '/etc/muster'

/** Files of the image's own configuration, as they are called among the gathered ones. An installer leaves them out. */
export const imageConfigPrefix = '10_image_'

/** A source with the name under which it lies in `/etc/muster`: their alphabetical order is the order of sources. */
export interface GatheredSource extends ConfigSource {
  readonly name: string
}

/** The configuration of this boot. */
export interface Gathered {
  /** Sources that count. */
  readonly sources: readonly GatheredSource[]
  /** Undefined where nothing that is valid was found: an error stands in `diagnostics`. */
  readonly config: AgentConfig | undefined
  /** What is wrong or worth knowing, of the sources that were left out as well. */
  readonly diagnostics: readonly Diagnostic[]
  /** What was done about errors, in sentences. */
  readonly notes: readonly string[]
}

/**
 * Reads all sources of a machine's configuration (docs/image.md), later ones win. A source with an error is left out and
 * named; where the machine runs from its disk, the configuration of the last good boot stands in where one is kept.
 */
export async function gatherConfig(machine: Machine, mode: MachineMode): Promise<Gathered> {
  const { sources, notes } = hasDisk(mode) ? installedSources(machine.root) : await liveSources(machine)
  const first = readConfig(sources, 'machine')
  if (first.config !== undefined) {
    if (mode === 'installed') keepGood(machine.root, sources)
    return { sources, config: first.config, diagnostics: first.diagnostics, notes }
  }
  const kept = hasDisk(mode) ? readGood(machine.root) : undefined
  const reading = kept === undefined ? undefined : readConfig(kept, 'machine')
  if (kept !== undefined && reading?.config !== undefined) {
    const note = 'the configuration has errors: the one of the last good boot counts instead'
    return { sources: kept, config: reading.config, diagnostics: first.diagnostics, notes: [...notes, note] }
  }
  return withoutBroken(sources, first.diagnostics, notes)
}

/** Whether this machine's own configuration is on its disk. */
function hasDisk(mode: MachineMode): boolean {
  return mode === 'installed' || mode === 'recovery'
}

/** Leaves out whatever has an error, one look after another, until the rest is valid. */
function withoutBroken(
  sources: readonly GatheredSource[],
  diagnostics: readonly Diagnostic[],
  notes: readonly string[],
): Gathered {
  let left = sources
  let errors = diagnostics
  const dropped: string[] = []
  while (left.length > 0) {
    const broken = new Set(errors.filter(({ severity }) => severity === 'error').map(({ file }) => file))
    const rest = left.filter(({ path }) => !broken.has(path))
    if (rest.length === left.length) break
    dropped.push(
      ...left.filter(({ path }) => broken.has(path)).map(({ path }) => `${path} has errors and is left out`),
    )
    left = rest
    const next = readConfig(left, 'machine')
    if (next.config !== undefined) {
      return { sources: left, config: next.config, diagnostics, notes: [...notes, ...dropped] }
    }
    errors = next.diagnostics
  }
  return { sources: [], config: undefined, diagnostics, notes: [...notes, ...dropped] }
}

function imageSources(root: string): readonly GatheredSource[] {
  return directorySources(root, '/usr/lib/muster/config.d', imageConfigPrefix)
}

function installedSources(root: string): { sources: readonly GatheredSource[]; notes: readonly string[] } {
  const path = `${systemPaths.config}/${configPaths.cloudConfig}`
  const single = readIfThere(root, path)
  const own =
    single === undefined
      ? directorySources(root, path, '40_')
      : [{ name: '40_site.yaml', path, text: single }]
  const line = commandLineSource(root)
  return { sources: [...imageSources(root), ...own, ...line.sources], notes: line.notes }
}

async function liveSources(
  machine: Machine,
): Promise<{ sources: readonly GatheredSource[]; notes: readonly string[] }> {
  const { root } = machine
  const mediumPath = `${systemPaths.medium}/${imageFiles.directory}/${imageFiles.config}`
  // Padded with line feeds to its fixed size.
  const medium = readIfThere(root, mediumPath)?.trimEnd() ?? ''
  const seed = await cidataSources(machine)
  const line = commandLineSource(root)
  return {
    sources: [
      ...imageSources(root),
      ...(medium === '' ? [] : [{ name: '20_medium.yaml', path: mediumPath, text: `${medium}\n` }]),
      ...seed.sources,
      ...line.sources,
    ],
    notes: [...seed.notes, ...line.notes],
  }
}

function directorySources(root: string, directory: string, prefix: string): readonly GatheredSource[] {
  return namesIn(root, directory)
    .filter((name) => /\.ya?ml$/.test(name))
    .map((name) => {
      const path = `${directory}/${name}`
      return { name: `${prefix}${name}`, path, text: readIfThere(root, path) ?? '' }
    })
}

/** `muster.config=` of the kernel's command line; the last one counts. */
function commandLineSource(root: string): { sources: readonly GatheredSource[]; notes: readonly string[] } {
  const words = (readIfThere(root, '/proc/cmdline') ?? '').trim().split(/\s+/)
  const key = `${kernelParameters.config}=`
  const value = words.findLast((word) => word.startsWith(key))?.slice(key.length)
  if (value === undefined || value === '') return { sources: [], notes: [] }
  if (!/^[A-Za-z0-9+/_-]+={0,2}$/.test(value)) {
    return {
      sources: [],
      notes: [`${kernelParameters.config} on the command line is no base64 and is left out`],
    }
  }
  const text = Buffer.from(value, 'base64').toString('utf8')
  return {
    sources: [{ name: '60_command-line.yaml', path: `/proc/cmdline (${kernelParameters.config})`, text }],
    notes: [],
  }
}

const seedDevice = '/dev/disk/by-label'
const seedMount = '/run/muster/cidata'

/** `user-data` of a volume labelled `cidata`, as clouds and hypervisors attach it. */
async function cidataSources(
  machine: Machine,
): Promise<{ sources: readonly GatheredSource[]; notes: readonly string[] }> {
  const { root, run } = machine
  const label = ['cidata', 'CIDATA'].find((name) => exists(root, `${seedDevice}/${name}`))
  if (label === undefined) return { sources: [], notes: [] }
  const device = under(root, `${seedDevice}/${label}`)
  makeDirectory(root, seedMount, { mode: 0o700 })
  const target = under(root, seedMount)
  try {
    const mounted = await run(['mount', '-o', 'ro', device, target])
    if (mounted.exitCode !== 0) {
      return { sources: [], notes: [`the volume ${label} cannot be mounted: ${mounted.stderr.trim()}`] }
    }
    try {
      const names = namesIn(root, seedMount)
      const text = readIfThere(root, `${seedMount}/user-data`)
      const ignored = names.filter((name) => ['meta-data', 'vendor-data', 'network-config'].includes(name))
      const notes = ignored.map(
        (name) => `${name} of the volume ${label} is not read: user-data alone counts`,
      )
      if (text === undefined)
        return { sources: [], notes: [...notes, `the volume ${label} has no user-data`] }
      return { sources: [{ name: '50_cidata.yaml', path: `${label}:/user-data`, text }], notes }
    } finally {
      await run(['umount', target])
    }
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error)
    return { sources: [], notes: [`the volume ${label} cannot be read: ${detail}`] }
  }
}

/** Puts the sources that count where the agent reads them, and removes those of an earlier gathering. */
export function placeGathered(root: string, sources: readonly GatheredSource[]): void {
  for (const name of namesIn(root, gatheredDirectory)) {
    if (/\.ya?ml$/.test(name) && !sources.some((source) => source.name === name)) {
      rmSync(under(root, `${gatheredDirectory}/${name}`))
    }
  }
  // They hold the token.
  makeDirectory(root, gatheredDirectory, { mode: 0o700 })
  for (const { name, text } of sources) {
    writeWhole(root, `${gatheredDirectory}/${name}`, text, { mode: 0o600 })
  }
}

/** The configuration that was gathered at this boot. */
export function placedSources(root: string): readonly GatheredSource[] {
  return directorySources(root, gatheredDirectory, '')
}

const goodPath = `${systemPaths.config}/${configPaths.goodConfig}`

/** Keeps what this boot reads without an error, for a boot that reads worse. */
function keepGood(root: string, sources: readonly GatheredSource[]): void {
  const text = `${JSON.stringify(sources)}\n`
  if (sources.length === 0 || readIfThere(root, goodPath) === text) return
  writeWhole(root, goodPath, text, { mode: 0o600, durable: true })
}

function readGood(root: string): readonly GatheredSource[] | undefined {
  try {
    const text = readIfThere(root, goodPath)
    return text === undefined ? undefined : (JSON.parse(text) as readonly GatheredSource[])
  } catch {
    return undefined
  }
}
