import { createPublicKey, verify } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { VerifySignature } from '../../core/install/manifest.ts'
import { MusterError } from '../../errors.ts'

/**
 * Checks signatures with the public keys (`*.pem`, Ed25519) of these files and directories. Throws ERR_IMAGE_KEYS where
 * there is none: a system without keys would trust nothing, and must not trust everything.
 */
export async function readImageKeys(paths: readonly string[]): Promise<VerifySignature> {
  const keys: KeyObject[] = []
  for (const path of paths) {
    for (const file of await filesOf(path)) {
      try {
        const key = createPublicKey(await readFile(file))
        if (key.asymmetricKeyType !== 'ed25519') throw new Error(`it is of type ${key.asymmetricKeyType}`)
        keys.push(key)
      } catch (error) {
        throw new MusterError(
          'ERR_IMAGE_KEYS',
          { detail: `${file}: ${(error as Error).message}` },
          { cause: error },
        )
      }
    }
  }
  if (keys.length === 0)
    throw new MusterError('ERR_IMAGE_KEYS', { detail: `there is none in ${paths.join(', ')}` })
  return (bytes, signature) => keys.some((key) => verify(null, bytes, key, signature))
}

async function filesOf(path: string): Promise<readonly string[]> {
  try {
    return (await readdir(path))
      .filter((name) => name.endsWith('.pem'))
      .toSorted()
      .map((name) => join(path, name))
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOTDIR' ? [path] : []
  }
}
