import { pipe } from 'it-pipe'
import { imageFiles } from '../core/install/layout.ts'
import type { ImageManifest, ManifestFile, VerifySignature } from '../core/install/manifest.ts'
import { manifestBytesMax, openManifest, signatureBytes } from '../core/install/manifest.ts'
import type { ImageSource } from '../core/ports.ts'
import { MusterError } from '../errors.ts'
import { checkDigest } from './stages.ts'

/** An image whose manifest is signed by somebody this system trusts; its files are checked as they are read. */
export interface OpenImage {
  readonly name: string
  readonly manifest: ImageManifest
  /** The file's bytes. Throws ERR_IMAGE_DAMAGED, at the latest at the end, where they are not those that are signed. */
  open(file: ManifestFile): AsyncIterable<Uint8Array>
}

/** Opens an image: nothing of it is looked at before its signature. Throws ERR_IMAGE_UNSIGNED, ERR_IMAGE_SIGNATURE, ERR_IMAGE_DAMAGED. */
export async function openImage(source: ImageSource, verify: VerifySignature): Promise<OpenImage> {
  const manifestBytes = await source.read(imageFiles.manifest, manifestBytesMax)
  if (manifestBytes === undefined) {
    throw new MusterError('ERR_IMAGE_SOURCE', {
      source: source.name,
      detail: `there is no ${imageFiles.manifest}`,
    })
  }
  // A byte more than a signature has: a longer file is no signature.
  const signature = await source.read(imageFiles.signature, signatureBytes + 1)
  const opened = openManifest(manifestBytes, signature, verify)
  if (!opened.ok) {
    const { cause, detail } = opened
    if (cause === 'unsigned') throw new MusterError('ERR_IMAGE_UNSIGNED', { source: source.name })
    if (cause === 'signature') throw new MusterError('ERR_IMAGE_SIGNATURE', { source: source.name })
    throw new MusterError('ERR_IMAGE_DAMAGED', { file: imageFiles.manifest, detail })
  }
  const { manifest } = opened
  return {
    name: source.name,
    manifest,
    open: (file) => pipe(source.open(file), checkDigest(file, manifest.files[file])),
  }
}
