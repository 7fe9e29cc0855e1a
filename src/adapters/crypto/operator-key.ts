import { sign } from 'node:crypto'
import { open, readFile } from 'node:fs/promises'
import { MusterError } from '../../errors.ts'
import type { SigningLabel } from '../../core/model/crypto.ts'
import type { Signature } from '../../core/model/ids.ts'
import { base32, decodeBase, encodeBase } from '../../core/token/base-n.ts'
import { signedBytes, tokenPrimitives } from '../crypto.ts'
import { privateKeyFromSeed, rawPublicKey, seedBytes } from './identity.ts'

const prefix = 'muster-operator1-'
const checkBytes = 5

/** The operator's key pair. The private half never lies on a node. */
export interface OperatorKey {
  /** Raw Ed25519 public key in hex, as the token and the charter hold it. */
  readonly publicKey: string
  /** One line, `muster-operator1-…`: the seed and a checksum. */
  readonly privateKeyText: string
}

/** The operator's key pair of a seed of 32 random bytes. */
export function operatorKeyFromSeed(seed: Uint8Array): OperatorKey {
  const check = checkOf(seed)
  return {
    publicKey: Buffer.from(rawPublicKey(privateKeyFromSeed(seed))).toString('hex'),
    privateKeyText: prefix + encodeBase(base32, Buffer.concat([seed, check])),
  }
}

/** Reads the private key's text. Throws ERR_OPERATOR_KEY, never with the text in it. */
export function parseOperatorKey(text: string): OperatorKey & { readonly seed: Uint8Array } {
  const line = text.trim()
  if (!line.startsWith(prefix)) throw refused(`it does not begin with \`${prefix}\``)
  const bytes = decodeBase(base32, line.slice(prefix.length))
  if (bytes?.length !== seedBytes + checkBytes) throw refused('it is cut, or has characters too many')
  const seed = bytes.subarray(0, seedBytes)
  if (!checkOf(seed).equals(bytes.subarray(seedBytes))) throw refused('its checksum does not match')
  return { ...operatorKeyFromSeed(seed), seed }
}

/** Signs an operator's order; `signer` is the public key in hex, as `SignedStatement` wants it. */
export function signOrder(
  privateKeyText: string,
  value: object,
): { readonly signer: string; readonly signature: Signature } {
  const { publicKey, seed } = parseOperatorKey(privateKeyText)
  const label: SigningLabel = 'muster/order/1'
  const signature = new Uint8Array(sign(null, signedBytes(label, value), privateKeyFromSeed(seed)))
  return { signer: publicKey, signature }
}

/** Writes a private key for its owner alone (0600). Throws ERR_OPERATOR_KEY where the file exists: no key is lost. */
export async function writeOperatorKey(path: string, key: OperatorKey): Promise<void> {
  try {
    await using file = await open(path, 'wx', 0o600)
    await file.writeFile(`${key.privateKeyText}\n`)
    await file.sync()
  } catch (error) {
    throw refused(`${path} cannot be written (${reasonOf(error)})`, error)
  }
}

/** Reads the private key of a file. Throws ERR_OPERATOR_KEY. */
export async function readOperatorKey(path: string): Promise<OperatorKey> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    throw refused(`${path} cannot be read (${reasonOf(error)})`, error)
  }
  return parseOperatorKey(text)
}

function checkOf(seed: Uint8Array): Buffer {
  return Buffer.from(
    tokenPrimitives.sha256(Buffer.concat([Buffer.from(prefix), seed])).subarray(0, checkBytes),
  )
}

function refused(detail: string, cause?: unknown): MusterError {
  return new MusterError('ERR_OPERATOR_KEY', { detail }, cause === undefined ? {} : { cause })
}

function reasonOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : String(error)
}
