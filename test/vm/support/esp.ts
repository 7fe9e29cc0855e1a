import { createHash } from 'node:crypto'
import { closeSync, openSync, readFileSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { spawnSync } from 'node:child_process'
import type { BootOutcome, ModelEntry } from '../../../src/core/install/boot-model.ts'
import { bootUntilSettled } from '../../../src/core/install/boot-model.ts'
import { espPaths, imageFiles } from '../../../src/core/install/layout.ts'
import { readUki } from '../../../src/core/install/uki.ts'
import type { Remains } from '../../../src/lab/vm/write-log.ts'
import { isoOf, type VariantName } from './images.ts'

// Reads boot partitions as firmware does, with mtools, and asks the model of the boot what they start.

/** An image that may be on a disk: its id, and hashes of the files that firmware would start. */
export interface KnownImage {
  readonly imageId: string
  readonly hashes: ReadonlySet<string>
  readonly loader: string
}

export function knownImage(name: VariantName): KnownImage {
  const directory = join(isoOf(name), '../image')
  const manifest = JSON.parse(readFileSync(join(directory, imageFiles.manifest), 'utf8')) as {
    imageId: string
    files: Record<string, { sha256: string }>
  }
  const hashOf = (file: string): string => manifest.files[file]?.sha256 ?? ''
  return {
    imageId: manifest.imageId,
    hashes: new Set([hashOf(imageFiles.installed), hashOf(imageFiles.recovery)]),
    loader: sha256(readFileSync(join(directory, imageFiles.loader))),
  }
}

/** A copy of a boot partition on which power cuts are played. */
export class EspCopy {
  readonly #path: string
  readonly #base: Buffer

  constructor(path: string, base: Buffer) {
    this.#path = path
    this.#base = base
    writeFileSync(path, base)
  }

  /** Gives the copy what a power cut left, looks at it, and takes it back. */
  with<T>({ writes }: Remains, look: (path: string) => T): T {
    const file = openSync(this.#path, 'r+')
    try {
      for (const { offset, data } of writes) writeSync(file, data, 0, data.length, offset)
      const found = look(this.#path)
      for (const { offset, data } of writes) writeSync(file, this.#base, offset, data.length, offset)
      return found
    } finally {
      closeSync(file)
    }
  }
}

/** What a machine with this boot partition ends in, where slot a holds one image and slot b another or nothing. */
export function bootFrom(
  path: string,
  slots: { readonly a: KnownImage; readonly b: KnownImage | undefined },
): BootOutcome {
  const known = [slots.a, ...(slots.b === undefined ? [] : [slots.b])]
  const loader = readFrom(path, `/${espPaths.loaders[0]}`)
  const entries = namesIn(path, espPaths.entries).flatMap((name): ModelEntry[] => {
    const bytes = readFrom(path, `/${espPaths.entries}/${name}`)
    if (bytes === undefined) return []
    const uki = readUki(bytes)
    const hash = sha256(bytes)
    return [{ name, bytes: bytes.length, uki, whole: allHashes.has(hash) }]
  })
  const slot = (place: 'a' | 'b' | 'recovery', image: KnownImage | undefined) => ({
    place,
    mounts: image?.imageId,
    verifies: image !== undefined,
  })
  return bootUntilSettled({
    hasTable: true,
    hasLoader: loader !== undefined && known.some((image) => image.loader === sha256(loader)),
    entries,
    slots: [slot('a', slots.a), slot('b', slots.b), slot('recovery', slots.a)],
    hasData: true,
  }).outcome
}

/** Hashes of every boot file that was ever signed; filled by `trust`. */
const allHashes = new Set<string>()

export function trust(...images: readonly KnownImage[]): void {
  for (const { hashes } of images) for (const hash of hashes) allHashes.add(hash)
}

function namesIn(path: string, directory: string): string[] {
  const { stdout } = spawnSync('mdir', ['-b', '-i', path, `::/${directory}`], { encoding: 'utf8' })
  return stdout
    .split('\n')
    .map((line) => line.trim().split('/').at(-1) ?? '')
    .filter((name) => name !== '')
}

function readFrom(path: string, file: string): Buffer | undefined {
  const { status, stdout } = spawnSync('mcopy', ['-n', '-i', path, `::${file}`, '-'], {
    maxBuffer: 512 * 1_024 * 1_024,
  })
  return status === 0 ? stdout : undefined
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}
