import { encodeCanonical } from '../model/codec.ts'
import { defaultSpec } from '../model/spec.ts'
import { base64, decodeBase } from './base-n.ts'
import type { TokenPrimitives } from './primitives.ts'
import { utf8 } from './primitives.ts'
import type { TokenResult } from './text.ts'
import { secretBytes } from './token.ts'

// A token of edgevpn, as Kairos uses it: base64 of a YAML document of this one shape
// (edgevpn pkg/node/options.go, `YAMLConnectionConfig`):
//
//   otp:
//     dht: {interval, key, length}        written in block style
//     crypto: {interval, key, length}
//   room: <text>
//   rendezvous: <text>
//   mdns: <text>
//   max_message_size: <number>

/** What must be there, so that a document cut at a line's end is noticed. The last line written is the last here. */
const required = [
  'otp.dht.interval',
  'otp.dht.key',
  'otp.dht.length',
  'otp.crypto.interval',
  'otp.crypto.key',
  'otp.crypto.length',
  'room',
  'rendezvous',
  'mdns',
  'max_message_size',
] as const

/** The fields that are secrets. Intervals and sizes are settings: a change of them is the same network. */
const secrets = ['otp.dht.key', 'otp.crypto.key', 'room', 'rendezvous', 'mdns'] as const

/**
 * Reads an edgevpn token (white space already dropped) and maps its secrets onto one join secret. Written
 * again as a `muster1-` token it names the same network. It has no operator key.
 */
export function parseEdgevpnToken(line: string, primitives: TokenPrimitives): TokenResult {
  const text = decodeText(line)
  if (text === undefined || !/^otp:/m.test(text)) {
    return {
      ok: false,
      code: 'ERR_TOKEN_UNKNOWN',
      detail: 'it neither begins with `muster1-` nor is the base64 of an edgevpn document',
    }
  }
  const fields = readBlockMap(text)
  const missing = required.filter((name) => (fields.get(name) ?? '') === '')
  if (missing.length > 0) {
    return { ok: false, code: 'ERR_TOKEN_TRUNCATED', detail: `its document has no ${missing.join(', ')}` }
  }
  const cut = (['dht', 'crypto'] as const).find(
    (part) => Number(fields.get(`otp.${part}.length`)) > fields.get(`otp.${part}.key`)!.length,
  )
  if (cut !== undefined) {
    return { ok: false, code: 'ERR_TOKEN_TRUNCATED', detail: `otp.${cut}.key is shorter than its length` }
  }
  const content = encodeCanonical(Object.fromEntries(secrets.map((name) => [name, fields.get(name)!])))
  return {
    ok: true,
    format: 'edgevpn',
    token: {
      version: 1,
      name: 'edgevpn',
      secret: primitives.hkdf(content, utf8('muster/token/1'), utf8('edgevpn token'), secretBytes),
      operatorKey: 'none',
      addresses4: defaultSpec.addresses.ipv4,
      bootstrapPeers: [],
    },
  }
}

function decodeText(line: string): string | undefined {
  const unpadded = line.replace(/={1,2}$/, '')
  // A cut in the middle of a group of four leaves characters or bits over: what is whole is read.
  for (let length = unpadded.length; length > unpadded.length - 4 && length > 0; length -= 1) {
    const bytes = decodeBase(base64, unpadded.slice(0, length))
    if (bytes === undefined) continue
    try {
      return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
    } catch {
      return undefined
    }
  }
  return undefined
}

/** Nested block maps of plain or quoted scalars as `a.b.c` -> text. Anything else than that has no fields. */
function readBlockMap(text: string): ReadonlyMap<string, string> {
  const fields = new Map<string, string>()
  const open: { readonly indent: number; readonly name: string }[] = []
  for (const line of text.split(/\r?\n/)) {
    const match = /^( *)([a-z_]+):(?: +(.*?))? *$/.exec(line)
    if (match === null) continue
    const indent = match[1]!.length
    while (open.length > 0 && open.at(-1)!.indent >= indent) open.pop()
    const name = [...open.map((outer) => outer.name), match[2]!].join('.')
    const value = match[3] ?? ''
    if (value === '') open.push({ indent, name: match[2]! })
    else fields.set(name, value.replace(/^(["'])(.*)\1$/, '$2'))
  }
  return fields
}
