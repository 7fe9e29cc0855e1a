import { imageFiles } from '../core/install/layout.ts'
import { type ImageManifest, manifestFiles, parseManifest } from '../core/install/manifest.ts'
import { readUki } from '../core/install/uki.ts'
import { MusterError } from '../errors.ts'
import { type Medium, openMedium } from './medium.ts'

/** What there is to see of an image. */
export interface ImageFacts {
  readonly path: string
  readonly form: Medium['form']
  readonly manifest: ImageManifest
  /** Differences between the manifest and the medium; empty where there are none. */
  readonly faults: readonly string[]
  /** Whether the medium has a configuration of its own. */
  readonly configured: boolean
}

/** Section table, os-release and command line of an entry lie before its kernel. */
const ukiHeadBytes = 1_024 * 1_024

/** Looks at an ISO or a directory with an image's files. Throws ERR_IMAGE_UNKNOWN. */
export function inspectImage(path: string): ImageFacts {
  const medium = openMedium(path)
  const parsed = parseManifest(medium.read(imageFiles.manifest))
  if (!parsed.ok)
    throw new MusterError('ERR_IMAGE_UNKNOWN', { path, detail: `its manifest: ${parsed.detail}` })
  const { manifest } = parsed
  const config = medium.files.has(imageFiles.config) ? medium.read(imageFiles.config).toString('utf8') : ''
  return {
    path,
    form: medium.form,
    manifest,
    faults: findFaults(medium, manifest),
    configured: config.trim() !== '',
  }
}

function findFaults(medium: Medium, manifest: ImageManifest): readonly string[] {
  const sizes = manifestFiles.flatMap((name) => {
    const found = medium.files.get(name)?.bytes
    const { bytes } = manifest.files[name]
    if (found === bytes) return []
    return [found === undefined ? `${name} is missing` : `${name} has ${found} bytes instead of ${bytes}`]
  })
  if (sizes.length > 0) return sizes
  const id = medium.read(imageFiles.id).toString('utf8').trim()
  const entries = [imageFiles.installed, imageFiles.recovery].flatMap((name) => {
    const facts = readUki(medium.read(name, ukiHeadBytes))
    return facts?.imageId === manifest.imageId ? [] : [`${name} boots another image`]
  })
  return [...(id === manifest.imageId ? [] : [`${imageFiles.id} names another image`]), ...entries]
}
