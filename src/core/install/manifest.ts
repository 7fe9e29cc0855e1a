import { versionPattern } from './entry-name.ts'
import { imageFiles } from './layout.ts'

// manifest.json: what an image is, signed. Canonical, so that one image has one manifest and one signature.

/** Files that a manifest lists, with their size and hash. */
export const manifestFiles = [
  imageFiles.root,
  imageFiles.installed,
  imageFiles.recovery,
  imageFiles.loader,
] as const

export type ManifestFile = (typeof manifestFiles)[number]

export interface FileDigest {
  readonly bytes: number
  /** 64 hex digits. */
  readonly sha256: string
}

export type Architecture = 'x86_64' | 'aarch64'

/** An image's description. */
export interface ImageManifest {
  readonly format: 1
  readonly version: string
  /** Never goes back on a machine: raised when an older image must not be started any more. */
  readonly epoch: number
  readonly architecture: Architecture
  /** Root hash of the image. */
  readonly imageId: string
  /** Data blocks of 4096 bytes. */
  readonly blocks: number
  /** Salt of the hash tree. */
  readonly salt: string
  readonly files: Readonly<Record<ManifestFile, FileDigest>>
}

/** Largest manifest, in bytes: what is read before a signature is checked must have an end. */
export const manifestBytesMax = 64 * 1_024

/** Bytes of an Ed25519 signature, as `manifest.sig` holds them. */
export const signatureBytes = 64

/** The bytes that are signed: JSON with sorted keys and without spaces. */
export function encodeManifest(manifest: ImageManifest): Uint8Array {
  return new TextEncoder().encode(canonicalJson(manifest))
}

/** Why a manifest is not taken. */
export type ManifestFault = { readonly ok: false; readonly detail: string }

/**
 * Reads a manifest strictly: unknown keys, missing keys and every other spelling of the same data are refused. Call
 * it only on bytes whose signature was checked.
 */
export function parseManifest(
  bytes: Uint8Array,
): { readonly ok: true; readonly manifest: ImageManifest } | ManifestFault {
  if (bytes.byteLength > manifestBytesMax) return fault('it is too long')
  let value: unknown
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
    value = JSON.parse(text)
  } catch {
    return fault('it is not JSON')
  }
  const detail = findFault(value)
  if (detail !== undefined) return fault(detail)
  if (canonicalJson(value) !== text) return fault('it is not in canonical form')
  return { ok: true, manifest: value as ImageManifest }
}

/** Checks a signature over the exact bytes; any of the keys may have made it. */
export type VerifySignature = (bytes: Uint8Array, signature: Uint8Array) => boolean

/** Checks the signature first and only then looks into the bytes. */
export function openManifest(
  bytes: Uint8Array,
  signature: Uint8Array | undefined,
  verify: VerifySignature,
):
  | { readonly ok: true; readonly manifest: ImageManifest }
  | { readonly ok: false; readonly cause: 'unsigned' | 'signature' | 'malformed'; readonly detail: string } {
  if (signature === undefined || signature.byteLength === 0) {
    return { ok: false, cause: 'unsigned', detail: 'it has no signature' }
  }
  if (signature.byteLength !== signatureBytes || !verify(bytes, signature)) {
    return { ok: false, cause: 'signature', detail: 'no key of this system made its signature' }
  }
  const parsed = parseManifest(bytes)
  return parsed.ok ? parsed : { ...parsed, cause: 'malformed' }
}

function findFault(value: unknown): string | undefined {
  const keys = ['architecture', 'blocks', 'epoch', 'files', 'format', 'imageId', 'salt', 'version']
  if (!hasKeys(value, keys)) return 'its keys are not those of a manifest'
  if (value['format'] !== 1) return 'its format is not known here'
  if (typeof value['version'] !== 'string' || !versionPattern.test(value['version'])) return 'bad `version`'
  if (!isWhole(value['epoch'], 0)) return 'bad `epoch`'
  if (value['architecture'] !== 'x86_64' && value['architecture'] !== 'aarch64') return 'bad `architecture`'
  if (!isHash(value['imageId'])) return 'bad `imageId`'
  if (!isWhole(value['blocks'], 1)) return 'bad `blocks`'
  if (!isHash(value['salt'])) return 'bad `salt`'
  const files = value['files']
  if (!hasKeys(files, manifestFiles)) return '`files` does not list what an image has'
  for (const name of manifestFiles) {
    const file = files[name]
    if (!hasKeys(file, ['bytes', 'sha256']) || !isWhole(file['bytes'], 1) || !isHash(file['sha256'])) {
      return `bad entry of ${name}`
    }
  }
  const root = files[imageFiles.root] as FileDigest
  if (root.bytes % 4_096 !== 0 || root.bytes <= value['blocks'] * 4_096)
    return 'root.img has no room for its hash tree'
  return undefined
}

function fault(detail: string): ManifestFault {
  return { ok: false, detail }
}

function isHash(value: unknown): value is string {
  return typeof value === 'string' && /^[0-9a-f]{64}$/.test(value)
}

function isWhole(value: unknown, least: number): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= least
}

function hasKeys(value: unknown, keys: readonly string[]): value is Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
  const own = Object.keys(value)
  return own.length === keys.length && keys.every((key) => own.includes(key))
}

/** JSON with the keys of every object sorted, and no spaces. */
function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_, part: unknown) =>
    typeof part === 'object' && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  )
}
