// Proves that a token survives its text form, that every cut and every typing error is noticed and named,
// that tokens of edgevpn are read, and (golden vectors) that the key schedule never changes.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { tokenPrimitives as primitives } from '../../../src/adapters/crypto.ts'
import { base32, base64, decodeBase, encodeBase } from '../../../src/core/token/base-n.ts'
import { deriveKeys } from '../../../src/core/token/key-schedule.ts'
import { hex } from '../../../src/core/token/primitives.ts'
import { formatToken, parseToken } from '../../../src/core/token/text.ts'
import type { NetworkToken } from '../../../src/core/token/token.ts'
import { fingerprint, redact, summarize } from '../../../src/core/token/token.ts'
import { errorCatalogue } from '../../../src/errors.ts'

const plain: NetworkToken = {
  version: 1,
  name: 'edge',
  secret: Uint8Array.from({ length: 32 }, (_, index) => index),
  operatorKey: 'none',
  addresses4: '10.144.0.0/16',
  bootstrapPeers: [],
}

const tokens: fc.Arbitrary<NetworkToken> = fc
  .record(
    {
      version: fc.constant(1 as const),
      name: fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$/),
      secret: fc.uint8Array({ minLength: 32, maxLength: 32 }),
      operatorKey: fc.oneof(fc.constant('none'), fc.stringMatching(/^[0-9a-f]{64}$/)),
      addresses4: fc.constantFrom('10.144.0.0/16', '100.64.0.0/10'),
      bootstrapPeers: fc.array(fc.stringMatching(/^\/ip4\/[0-9.]{7,15}\/tcp\/[0-9]{1,5}$/), { maxLength: 3 }),
      bootstrap: fc.oneof(
        fc.record({ mode: fc.constant('expect' as const), expect: fc.integer({ min: 1, max: 100 }) }),
        fc.record({ mode: fc.constant('auto' as const) }),
      ),
      controlPlane: fc.integer({ min: 1, max: 7 }),
    },
    {
      requiredKeys: ['version', 'name', 'secret', 'operatorKey', 'addresses4', 'bootstrapPeers'],
      noNullPrototype: true,
    },
  )
  .map((token) => ({ ...token }))

function codeOf(text: string): string {
  const result = parseToken(text, primitives)
  return result.ok ? 'ok' : result.code
}

describe('a token', () => {
  it('is read back as it was written', () => {
    fc.assert(
      fc.property(tokens, (token) => {
        const text = formatToken(token, primitives)
        expect(text).toMatch(/^muster1-[a-z2-7]+$/)
        expect(parseToken(text, primitives)).toEqual({ ok: true, token, format: 'muster1' })
      }),
    )
  })

  it('is read with the white space of a wrapped paste', () => {
    const text = formatToken(plain, primitives)
    const wrapped = `  ${text.slice(0, 40)}\r\n\t${text.slice(40)}\n`
    expect(codeOf(wrapped)).toBe('ok')
  })

  it('that is cut anywhere is called cut', () => {
    fc.assert(
      fc.property(tokens, (token) => {
        const text = formatToken(token, primitives)
        for (let length = 1; length < text.length; length += 1) {
          expect(codeOf(text.slice(0, length))).toBe('ERR_TOKEN_TRUNCATED')
        }
      }),
      { numRuns: 20 },
    )
  })

  it('with any one character changed to any other is refused, in its body as a typing error', () => {
    const text = formatToken(plain, primitives)
    const others = 'abcdefghijklmnopqrstuvwxyz0123456789ABZ-_=+/'
    for (let at = 0; at < text.length; at += 1) {
      for (const other of others) {
        if (text[at] === other) continue
        const code = codeOf(text.slice(0, at) + other + text.slice(at + 1))
        if (at >= 'muster1-'.length) expect(code).toBe('ERR_TOKEN_CHECKSUM')
        else expect(code).toBe('ERR_TOKEN_UNKNOWN')
      }
    }
  })

  it('with two characters swapped, one doubled or one left out is refused', () => {
    const text = formatToken(plain, primitives)
    for (let at = 8; at < text.length - 1; at += 1) {
      const [a, b] = [text[at]!, text[at + 1]!]
      if (a !== b) expect(codeOf(text.slice(0, at) + b + a + text.slice(at + 2))).toBe('ERR_TOKEN_CHECKSUM')
      expect(codeOf(text.slice(0, at) + a + text.slice(at))).toBe('ERR_TOKEN_CHECKSUM')
      expect(codeOf(text.slice(0, at) + text.slice(at + 1))).not.toBe('ok')
    }
  })

  it('of another kind is named so', () => {
    expect(parseToken('', primitives)).toMatchObject({ code: 'ERR_TOKEN_UNKNOWN', detail: 'it is empty' })
    expect(parseToken('muster2-abc', primitives)).toMatchObject({
      detail: expect.stringContaining('version 2'),
    })
    for (const text of ['hello', 'K10abc::server:def', '{"a":1}', '../../etc/passwd', '🙂']) {
      expect(codeOf(text)).toBe('ERR_TOKEN_UNKNOWN')
    }
  })

  it('never makes the reader throw, and its codes are in the catalogue', () => {
    const near = fc
      .tuple(fc.constantFrom('muster1-', 'b3RwOg', ''), fc.string())
      .map((parts) => parts.join(''))
    fc.assert(
      fc.property(near, (text) => {
        expect(Object.keys(errorCatalogue)).toContain(codeOf(text))
      }),
    )
  })

  it('that could not be read again is not written', () => {
    expect(() => formatToken({ ...plain, name: 'Not A Name' }, primitives)).toThrow('malformed at .name')
    expect(() => formatToken({ ...plain, secret: new Uint8Array(31) }, primitives)).toThrow('.secret')
  })

  it('has one text: equal fields give equal texts', () => {
    const { name, ...rest } = plain
    expect(formatToken({ ...rest, name }, primitives)).toBe(formatToken(plain, primitives))
    expect(formatToken(plain, primitives)).toMatchInlineSnapshot(
      `"muster1-acdznqrcu5sg4ylnmvsgkzdhmvthgzldojsxiwbaaaaqeayeaudaocajbifqydiob4ibceqtcqkrmfyydenbwha5dypwsytpn52hg5dsmfypm2tbmrshezltonsxgndngeyc4mjugqxdalrqf4ytm23pobsxeylun5zewzlzmrxg63tfnrrw63tuojxwyudmmfxgl5tomjxw65dtorzgc4cqmvsxe44axqscyqp2"`,
    )
  })

  it('is shown without its secret', () => {
    const shown = JSON.stringify(summarize(plain, primitives))
    expect(shown).toContain(fingerprint(plain, primitives))
    expect(shown).not.toContain('secret')
    const line = `join ${formatToken(plain, primitives)} now, or ${edgevpn()}`
    expect(redact(line)).toBe('join muster1-[redacted] now, or b3RwO[redacted]')
  })
})

function edgevpn(change: (yaml: string) => string = (yaml) => yaml): string {
  const key = (letter: string): string => letter.repeat(43)
  const yaml = `otp:
  dht:
    interval: 9223372036854775807
    key: ${key('a')}
    length: 43
  crypto:
    interval: 9223372036854775807
    key: ${key('b')}
    length: 43
room: ${key('c')}
rendezvous: ${key('d')}
mdns: ${key('e')}
max_message_size: 20971520
`
  return Buffer.from(change(yaml)).toString('base64')
}

describe('a token of edgevpn', () => {
  const read = (text: string): NetworkToken => {
    const result = parseToken(text, primitives)
    if (!result.ok) throw new Error(`${result.code}: ${result.detail}`)
    expect(result.format).toBe('edgevpn')
    return result.token
  }

  it('is read, has no operator key, and can be written as one of ours for the same network', () => {
    const token = read(edgevpn())
    expect(token).toMatchObject({ name: 'edgevpn', operatorKey: 'none', addresses4: '10.144.0.0/16' })
    expect(hex(token.secret)).toMatchInlineSnapshot(
      `"c42c6c6d7b6148c60d6eeda4fa5e4442a59b98a6ecbb0418597539047874a6ec"`,
    )
    const again = parseToken(formatToken(token, primitives), primitives)
    expect(again).toMatchObject({ ok: true, format: 'muster1', token })
  })

  it('names the same network whatever its indentation, quotes, order, padding and intervals', () => {
    const { secret } = read(edgevpn())
    const variants: ((yaml: string) => string)[] = [
      (yaml) => yaml.replaceAll('  ', '    '),
      (yaml) => yaml.replace(/room: (.*)/, 'room: "$1"'),
      (yaml) => yaml.replaceAll('\n', '\r\n'),
      (yaml) => yaml.replaceAll('9223372036854775807', '360'),
      (yaml) => yaml.split('\n').slice(9).join('\n') + yaml.split('\n').slice(0, 9).join('\n'),
    ]
    for (const variant of variants) expect(read(edgevpn(variant)).secret).toEqual(secret)
    expect(read(edgevpn().replaceAll('=', '')).secret).toEqual(secret)
    expect(read(edgevpn((yaml) => yaml.replace('cc', 'cx'))).secret).not.toEqual(secret)
  })

  it('that is cut before its last line is called cut', () => {
    const text = edgevpn()
    const lastLine = Math.floor((Buffer.from(text, 'base64').lastIndexOf('max_message_size: 2') * 4) / 3)
    for (let length = 8; length < lastLine; length += 1) {
      expect(codeOf(text.slice(0, length))).toBe('ERR_TOKEN_TRUNCATED')
    }
  })
})

describe('the key schedule', () => {
  it('is this one, for ever', () => {
    const keys = deriveKeys(plain.secret, primitives)
    const shown = Object.entries(keys).map(([name, key]) => [name, typeof key === 'string' ? key : hex(key)])
    expect(Object.fromEntries(shown)).toMatchInlineSnapshot(`
      {
        "admissionKey": "ca2ee17471bffb259948442f342d1bce5369f38b8344b1756a44e101d4312aa9",
        "dhtProtocol": "/muster/9d859395aa64c67a/kad/1",
        "discoveryTag": "muster-151ebe74",
        "networkId": "fd44612e1a096340f70bf5dc07b9129bbd0a8b7884827ed299953bcba4ca9c8a",
        "overlayKey": "5f6c6bca4ac2440a3d5b7974bd5a9dc3286d5f990adbdaa6685ea79ecb7a1149",
        "prefix6": "fd68:bbd8:398b:75aa::/64",
        "prologue": "446cd62e638612675c8fe473f8111dfce488365c71ca2af4c2089ceaf90037a3",
        "rendezvous": "3aa786e5584dfbe353f9f7cf025891b619ebe0cf2e95680374c1c3d5cc7ddc2a",
      }
    `)
    expect(fingerprint(plain, primitives)).toMatchInlineSnapshot(`"4038-3b80-2ceb"`)
  })

  it('has a discovery tag that is a service name, and a unique local prefix', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (secret) => {
        const keys = deriveKeys(secret, primitives)
        expect(keys.discoveryTag).toMatch(/^muster-[0-9a-f]{8}$/)
        expect(keys.discoveryTag.length).toBeLessThanOrEqual(15)
        expect(keys.prefix6).toMatch(/^fd[0-9a-f]{2}(:[0-9a-f]{1,4}){0,3}::\/64$/)
        const texts = [keys.prologue, keys.rendezvous, keys.admissionKey, keys.overlayKey].map(hex)
        expect(new Set([...texts, keys.networkId]).size).toBe(5)
      }),
    )
  })
})

describe.each([
  ['base32', base32],
  ['base64', base64],
])('%s', (_, alphabet) => {
  it('gives every byte string one text', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        const text = encodeBase(alphabet, bytes)
        expect(decodeBase(alphabet, text)).toEqual(bytes)
        const standard = Buffer.from(bytes).toString('base64').replaceAll('=', '')
        if (alphabet === base64) expect(text).toBe(standard)
      }),
    )
  })

  it('reads no text that it would not write', () => {
    const texts = fc.string({ unit: fc.constantFrom(...alphabet.characters.split('')), maxLength: 12 })
    fc.assert(
      fc.property(texts, (text) => {
        const bytes = decodeBase(alphabet, text)
        if (bytes !== undefined) expect(encodeBase(alphabet, bytes)).toBe(text)
      }),
    )
  })
})
