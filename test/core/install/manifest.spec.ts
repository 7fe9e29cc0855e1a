// Proves that a manifest is taken only when it is signed, canonical and complete: with a real key, and every key left out or changed.
import { generateKeyPairSync, sign, verify } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import type { ImageManifest } from '../../../src/core/install/manifest.ts'
import { encodeManifest, openManifest, parseManifest } from '../../../src/core/install/manifest.ts'

const digest = { bytes: 8_192, sha256: 'c'.repeat(64) }
const manifest: ImageManifest = {
  format: 1,
  version: '1.2.3',
  epoch: 4,
  architecture: 'x86_64',
  imageId: 'a'.repeat(64),
  blocks: 1,
  salt: 'b'.repeat(64),
  files: { 'root.img': digest, 'installed.efi': digest, 'recovery.efi': digest, 'loader.efi': digest },
}
const { publicKey, privateKey } = generateKeyPairSync('ed25519')
const check = (bytes: Uint8Array, signature: Uint8Array): boolean => verify(null, bytes, publicKey, signature)
const bytesOf = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value))

describe('a manifest', () => {
  it('has one form: keys sorted, no spaces', () => {
    const text = new TextDecoder().decode(encodeManifest(manifest))
    expect(text).toMatch(/^\{"architecture":"x86_64","blocks":1,"epoch":4,"files":\{"installed\.efi":/)
    expect(text).not.toMatch(/\s/)
    expect(parseManifest(encodeManifest(manifest))).toEqual({ ok: true, manifest })
  })

  it('is opened when its signature is good, and not looked into otherwise', () => {
    const bytes = encodeManifest(manifest)
    const signature = new Uint8Array(sign(null, bytes, privateKey))
    expect(openManifest(bytes, signature, check)).toEqual({ ok: true, manifest })
    expect(openManifest(bytes, undefined, check)).toMatchObject({ ok: false, cause: 'unsigned' })
    expect(openManifest(bytes, new Uint8Array(0), check)).toMatchObject({ cause: 'unsigned' })
    expect(openManifest(bytes, new Uint8Array(64), check)).toMatchObject({ cause: 'signature' })
    expect(openManifest(bytes, signature.subarray(0, 63), check)).toMatchObject({ cause: 'signature' })
    for (let at = 0; at < bytes.length; at += 7) {
      const tampered = bytes.slice()
      tampered[at]! ^= 1
      expect(openManifest(tampered, signature, check)).toMatchObject({ cause: 'signature' })
    }
    const nonsense = new TextEncoder().encode('nonsense')
    const signed = new Uint8Array(sign(null, nonsense, privateKey))
    expect(openManifest(nonsense, signed, check)).toMatchObject({ cause: 'malformed' })
  })

  it('is refused in any other spelling', () => {
    const text = new TextDecoder().decode(encodeManifest(manifest))
    const spelled = [
      JSON.stringify(manifest),
      `${text}\n`,
      text.replace('"epoch":4', '"epoch":4.0'),
      text.replace('"epoch":4', '"epoch":4,"epoch":4'),
    ]
    for (const each of spelled) {
      expect(parseManifest(new TextEncoder().encode(each)), each).toMatchObject({ ok: false })
    }
  })

  it('is refused without any of its keys, with another one, and with wrong values', () => {
    for (const key of Object.keys(manifest)) {
      const { [key as keyof ImageManifest]: _, ...rest } = manifest
      expect(parseManifest(bytesOf(rest)), key).toMatchObject({ ok: false })
    }
    const wrong: readonly Partial<Record<keyof ImageManifest | 'more', unknown>>[] = [
      { more: 1 },
      { format: 2 },
      { version: '1+3' },
      { version: '../x' },
      { epoch: -1 },
      { epoch: 1.5 },
      { architecture: 'riscv64' },
      { imageId: 'A'.repeat(64) },
      { blocks: 0 },
      { salt: '' },
      { files: { ...manifest.files, 'root.img': { bytes: 4_096, sha256: digest.sha256 } } },
      { files: { ...manifest.files, 'root.img': { bytes: 8_193, sha256: digest.sha256 } } },
      { files: { 'root.img': digest } },
    ]
    for (const each of wrong) {
      const bytes = encodeManifest({ ...manifest, ...each } as ImageManifest)
      expect(parseManifest(bytes), JSON.stringify(each)).toMatchObject({ ok: false })
    }
  })
})
