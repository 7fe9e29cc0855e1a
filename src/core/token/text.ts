import type { Codec } from '../model/codec.ts'
import {
  bytes,
  CodecError,
  decodeStrict,
  encodeCanonical,
  integer,
  list,
  nullable,
  pattern,
  struct,
} from '../model/codec.ts'
import type { BootstrapSetting } from '../model/spec.ts'
import { bootstrapCodec } from '../model/wire.ts'
import { base32, decodeBase, encodeBase, encodedLength } from './base-n.ts'
import { parseEdgevpnToken } from './edgevpn.ts'
import type { TokenPrimitives } from './primitives.ts'
import { concat, utf8 } from './primitives.ts'
import type { NetworkToken } from './token.ts'
import { secretBytes, tokenPeersMax } from './token.ts'

// muster1-<head: 8 characters><body>
//   head  = length of the document (16 bits) | check of the length (24 bits)      = 5 bytes
//   body  = document (canonical CBOR) | check of head and document (40 bits)
// The head is 8 whole base32 characters, so the length is known, and known to be right, before the rest is
// looked at: a cut paste and a typing error get different answers.

/** What a token's text begins with: the format's name and version. */
export const tokenPrefix = 'muster1-'

const headBytes = 5
const headCharacters = encodedLength(base32, headBytes)
const checkBytes = 5
const documentBytesMax = 0xff_ff

/** Why a text is not a token. The codes are of the catalogue in `errors.ts`. */
export interface TokenFailure {
  readonly ok: false
  readonly code: 'ERR_TOKEN_TRUNCATED' | 'ERR_TOKEN_CHECKSUM' | 'ERR_TOKEN_UNKNOWN'
  readonly detail: string
}

/** A token that was read, and in which format it was written. */
export type TokenResult =
  | { readonly ok: true; readonly token: NetworkToken; readonly format: 'muster1' | 'edgevpn' }
  | TokenFailure

interface TokenDocument {
  readonly name: string
  readonly secret: Uint8Array
  readonly operatorKey: string
  readonly addresses4: string
  readonly bootstrapPeers: readonly string[]
  readonly bootstrap: BootstrapSetting | null
  readonly controlPlane: number | null
}

const documentCodec: Codec<TokenDocument> = struct({
  name: pattern(/^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$/, 'a name of 1 to 32 letters, digits and hyphens'),
  secret: bytes(secretBytes),
  operatorKey: pattern(/^(none|[0-9a-f]{64})$/, 'an Ed25519 public key in hex, or none'),
  addresses4: pattern(/^\d{1,3}(\.\d{1,3}){3}\/\d{1,2}$/, 'an IPv4 prefix'),
  bootstrapPeers: list(pattern(/^\/[!-~]{1,254}$/, 'a multiaddr'), tokenPeersMax),
  bootstrap: nullable(bootstrapCodec),
  controlPlane: nullable(integer(1, 7)),
})

/**
 * The token as one line of text. Throws `CodecError` where a field is not what it may be: what was printed
 * can always be read again.
 */
export function formatToken(token: NetworkToken, { sha256 }: TokenPrimitives): string {
  const document = encodeCanonical({
    name: token.name,
    secret: token.secret,
    operatorKey: token.operatorKey,
    addresses4: token.addresses4,
    bootstrapPeers: [...token.bootstrapPeers],
    bootstrap: token.bootstrap ?? null,
    controlPlane: token.controlPlane ?? null,
  })
  readDocument(document)
  if (document.length > documentBytesMax) throw new CodecError('', `at most ${documentBytesMax} bytes`)
  const head = headOf(document.length, sha256)
  const body = concat(document, checkOf(head, document, sha256))
  return tokenPrefix + encodeBase(base32, head) + encodeBase(base32, body)
}

/** Reads a token of ours, or one of edgevpn and Kairos. White space, as a wrapped paste has it, is dropped. */
export function parseToken(text: string, primitives: TokenPrimitives): TokenResult {
  const line = text.replaceAll(/\s/g, '')
  if (line === '') return failure('ERR_TOKEN_UNKNOWN', 'it is empty')
  if (line.startsWith(tokenPrefix)) return parseOwn(line, primitives)
  if (tokenPrefix.startsWith(line)) {
    return failure('ERR_TOKEN_TRUNCATED', `only its first ${line.length} characters are there`)
  }
  const version = /^muster(\d+)-/.exec(line)?.[1]
  if (version !== undefined) {
    return failure('ERR_TOKEN_UNKNOWN', `version ${version} is not known to this version of muster`)
  }
  return parseEdgevpnToken(line, primitives)
}

function parseOwn(line: string, { sha256 }: TokenPrimitives): TokenResult {
  const headEnd = tokenPrefix.length + headCharacters
  if (line.length < headEnd) {
    return failure('ERR_TOKEN_TRUNCATED', `only its first ${line.length} characters are there`)
  }
  const head = decodeBase(base32, line.slice(tokenPrefix.length, headEnd))
  const length = head === undefined ? -1 : head[0]! * 256 + head[1]!
  if (head === undefined || !equal(head, headOf(length, sha256))) {
    return failure('ERR_TOKEN_CHECKSUM', 'its first characters do not fit each other')
  }
  const wanted = headEnd + encodedLength(base32, length + checkBytes)
  if (line.length < wanted) {
    return failure('ERR_TOKEN_TRUNCATED', `${line.length} of ${wanted} characters are there`)
  }
  if (line.length > wanted) {
    return failure('ERR_TOKEN_CHECKSUM', `it has ${line.length - wanted} characters too many`)
  }
  const body = decodeBase(base32, line.slice(headEnd))
  const document = body?.subarray(0, length)
  if (document === undefined || !equal(body!.subarray(length), checkOf(head, document, sha256))) {
    return failure('ERR_TOKEN_CHECKSUM', 'its checksum does not match')
  }
  try {
    return { ok: true, token: readDocument(document), format: 'muster1' }
  } catch (error) {
    if (!(error instanceof CodecError)) throw error
    return failure('ERR_TOKEN_UNKNOWN', `its content is ${error.message}`)
  }
}

function readDocument(encoded: Uint8Array): NetworkToken {
  const { bootstrap, controlPlane, ...fields } = decodeStrict(documentCodec, encoded)
  if (fields.secret.length !== secretBytes) throw new CodecError('.secret', `${secretBytes} bytes`)
  return {
    version: 1,
    ...fields,
    ...(bootstrap === null ? {} : { bootstrap }),
    ...(controlPlane === null ? {} : { controlPlane }),
  }
}

function headOf(length: number, sha256: TokenPrimitives['sha256']): Uint8Array {
  const size = Uint8Array.of(length >> 8, length & 0xff)
  return concat(size, sha256(concat(utf8(`${tokenPrefix}head`), size)).subarray(0, headBytes - size.length))
}

function checkOf(head: Uint8Array, document: Uint8Array, sha256: TokenPrimitives['sha256']): Uint8Array {
  return sha256(concat(utf8(`${tokenPrefix}body`), head, document)).subarray(0, checkBytes)
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index])
}

function failure(code: TokenFailure['code'], detail: string): TokenFailure {
  return { ok: false, code, detail }
}
