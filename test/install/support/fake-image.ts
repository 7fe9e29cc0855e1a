import { createHash, generateKeyPairSync, sign, verify } from 'node:crypto'
import { kernelParameters } from '../../../src/core/install/layout.ts'
import type { Architecture, ImageManifest } from '../../../src/core/install/manifest.ts'
import { encodeManifest } from '../../../src/core/install/manifest.ts'

// Small images with everything a real one has: a hash tree of one level, unified kernel images as PE files, a signature.

const blockBytes = 4_096
const { publicKey, privateKey } = generateKeyPairSync('ed25519')

export const verifySignature = (bytes: Uint8Array, signature: Uint8Array): boolean =>
  verify(null, bytes, publicKey, signature)

export interface FakeImage {
  readonly manifest: ImageManifest
  readonly manifestBytes: Uint8Array
  readonly signature: Uint8Array
  readonly root: Uint8Array
  readonly files: Readonly<Record<'root.img' | 'installed.efi' | 'recovery.efi' | 'loader.efi', Uint8Array>>
}

export interface FakeImageOptions {
  readonly version: string
  readonly epoch?: number
  readonly architecture?: Architecture
  /** Data blocks. */
  readonly blocks?: number
}

/** An image whose bytes follow from its version. */
export function fakeImage({
  version,
  epoch = 1,
  architecture = 'x86_64',
  blocks = 5,
}: FakeImageOptions): FakeImage {
  const salt = sha256(Buffer.from(`salt ${version}`))
  const data = Array.from({ length: blocks }, (_, index) =>
    fill(`${version} ${epoch} block ${index}`, blockBytes),
  )
  const tree = Buffer.alloc(blockBytes)
  for (const [index, block] of data.entries()) hashBlock(salt, block).copy(tree, index * 32)
  const root = Buffer.concat([...data, Buffer.alloc(blockBytes, 'verity superblock'), tree])
  const imageId = hashBlock(salt, tree).toString('hex')
  const commandLine = (mode: string): string =>
    [
      `${kernelParameters.mode}=${mode}`,
      `${kernelParameters.root}=${imageId}`,
      `${kernelParameters.blocks}=${blocks}`,
      `${kernelParameters.salt}=${salt}`,
      'panic=5',
    ].join(' ')
  const files = {
    'root.img': root,
    'installed.efi': fakeUki(release('muster', version), commandLine('installed')),
    'recovery.efi': fakeUki(release('muster-recovery', version), commandLine('recovery')),
    'loader.efi': fill(`loader ${version}`, 3_000),
  }
  const digest = (bytes: Uint8Array): { bytes: number; sha256: string } => ({
    bytes: bytes.length,
    sha256: sha256(bytes),
  })
  const manifest: ImageManifest = {
    format: 1,
    version,
    epoch,
    architecture,
    imageId,
    blocks,
    salt,
    files: {
      'root.img': digest(root),
      'installed.efi': digest(files['installed.efi']),
      'recovery.efi': digest(files['recovery.efi']),
      'loader.efi': digest(files['loader.efi']),
    },
  }
  const manifestBytes = encodeManifest(manifest)
  return {
    manifest,
    manifestBytes,
    signature: new Uint8Array(sign(null, manifestBytes, privateKey)),
    root,
    files,
  }
}

/** A PE file with the sections that matter. */
export function fakeUki(release: string, commandLine: string): Uint8Array {
  const sections = [
    { name: '.osrel', bytes: Buffer.from(release) },
    { name: '.cmdline', bytes: Buffer.from(commandLine) },
    { name: '.linux', bytes: fill(`kernel ${commandLine}`, 6_000) },
  ]
  const head = Buffer.alloc(1_024)
  head.write('MZ')
  head.writeUInt32LE(0x80, 0x3c)
  head.write('PE\0\0', 0x80)
  head.writeUInt16LE(sections.length, 0x86)
  let offset = head.length
  for (const [index, { name, bytes }] of sections.entries()) {
    const at = 0x98 + index * 40
    head.write(name, at)
    head.writeUInt32LE(bytes.length, at + 8)
    head.writeUInt32LE(bytes.length, at + 16)
    head.writeUInt32LE(offset, at + 20)
    offset += bytes.length
  }
  return Buffer.concat([head, ...sections.map(({ bytes }) => bytes)])
}

/** Whether every block is what the root hash says: what the kernel checks. */
export function verifiesFully(root: Uint8Array, { imageId, blocks, salt }: ImageManifest): boolean {
  const tree = root.subarray((blocks + 1) * blockBytes, (blocks + 2) * blockBytes)
  if (hashBlock(salt, tree).toString('hex') !== imageId) return false
  return Array.from({ length: blocks }, (_, index) => index).every((index) =>
    hashBlock(salt, root.subarray(index * blockBytes, (index + 1) * blockBytes)).equals(
      tree.subarray(index * 32, index * 32 + 32),
    ),
  )
}

export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

function hashBlock(salt: string, block: Uint8Array): Buffer {
  return createHash('sha256').update(Buffer.from(salt, 'hex')).update(block).digest()
}

function release(id: string, version: string): string {
  return `ID=debian\nVERSION_ID="12"\nIMAGE_ID=${id}\nIMAGE_VERSION=${version}\n`
}

/** Bytes that follow from a text, and are nowhere alike. */
function fill(text: string, bytes: number): Buffer {
  const parts = Array.from({ length: Math.ceil(bytes / 32) }, (_, index) =>
    createHash('sha256').update(`${text} ${index}`).digest(),
  )
  return Buffer.concat(parts).subarray(0, bytes)
}
