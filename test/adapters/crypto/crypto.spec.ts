// Proves that the crypto adapter is libp2p's Ed25519 (same seed, same peer id, same signatures), that labels,
// values, keys and signatures cannot be exchanged for one another, and that its caches never change an answer.
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { generateKeyPairFromSeed, privateKeyFromRaw } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey, peerIdFromString } from '@libp2p/peer-id'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createCrypto, signedBytes, tokenPrimitives } from '../../../src/adapters/crypto.ts'
import { generateSeed, identityFromSeed } from '../../../src/adapters/crypto/identity.ts'
import {
  operatorKeyFromSeed,
  parseOperatorKey,
  readOperatorKey,
  signOrder,
  writeOperatorKey,
} from '../../../src/adapters/crypto/operator-key.ts'
import { publicKeyOf } from '../../../src/core/identity/peer-id.ts'

const seeds = fc.uint8Array({ minLength: 32, maxLength: 32 })
const identity = identityFromSeed(new Uint8Array(32).fill(1))
const crypto = createCrypto({ identity })

describe('an identity', () => {
  it('is the one that libp2p derives from the same seed', async () => {
    await fc.assert(
      fc.asyncProperty(seeds, async (seed) => {
        const ours = identityFromSeed(seed)
        const theirs = await generateKeyPairFromSeed('Ed25519', seed)
        expect(ours.nodeId).toBe(peerIdFromPrivateKey(theirs).toString())
        expect(ours.privateKeyRaw).toEqual(new Uint8Array(theirs.raw))
        expect(privateKeyFromRaw(ours.privateKeyRaw).equals(theirs)).toBe(true)
        const key = peerIdFromString(ours.nodeId).publicKey
        expect(publicKeyOf(ours.nodeId)).toEqual(new Uint8Array(key!.raw))
      }),
      { numRuns: 30 },
    )
  })

  it('is new each time', () => expect(generateSeed()).not.toEqual(generateSeed()))
})

describe('signatures', () => {
  const value = { b: 2, a: [1, 'x', Uint8Array.of(1)] }

  it('are those that libp2p makes and accepts', async () => {
    const signature = crypto.sign('muster/vote/1', value)
    const bytes = signedBytes('muster/vote/1', value)
    const theirs = privateKeyFromRaw(identity.privateKeyRaw)
    expect(await theirs.publicKey.verify(bytes, signature)).toBe(true)
    expect(
      crypto.verify(identity.nodeId, 'muster/vote/1', value, new Uint8Array(await theirs.sign(bytes))),
    ).toBe(true)
  })

  it('hold for the value whatever the order of its keys', () => {
    const signature = crypto.sign('muster/vote/1', value)
    expect(crypto.verify(identity.nodeId, 'muster/vote/1', { a: value.a, b: 2 }, signature)).toBe(true)
  })

  it('hold for nothing else', () => {
    const signature = crypto.sign('muster/vote/1', value)
    const other = identityFromSeed(new Uint8Array(32).fill(2)).nodeId
    expect(crypto.verify(identity.nodeId, 'muster/record/1', value, signature)).toBe(false)
    expect(crypto.verify(identity.nodeId, 'muster/vote/1', { ...value, b: 3 }, signature)).toBe(false)
    expect(crypto.verify(other, 'muster/vote/1', value, signature)).toBe(false)
    for (const length of [0, 63, 65]) {
      expect(crypto.verify(identity.nodeId, 'muster/vote/1', value, new Uint8Array(length))).toBe(false)
    }
    for (let at = 0; at < 64; at += 1) {
      const forged = signature.slice()
      forged[at]! ^= 1
      expect(crypto.verify(identity.nodeId, 'muster/vote/1', value, forged)).toBe(false)
    }
  })

  it('of names that are no keys are refused, not thrown at', () => {
    fc.assert(
      fc.property(fc.string(), (name) => {
        expect(crypto.verify(name, 'muster/vote/1', value, new Uint8Array(64))).toBe(false)
        expect(crypto.verifyOperator(name, 'muster/order/1', value, new Uint8Array(64))).toBe(false)
      }),
    )
  })

  it('stay right when more keys are met than are kept', () => {
    const signature = crypto.sign('muster/vote/1', value)
    for (let n = 0; n < 4_200; n += 1) {
      crypto.verifyOperator(n.toString(16).padStart(64, '0'), 'muster/order/1', value, new Uint8Array(64))
    }
    expect(crypto.verify(identity.nodeId, 'muster/vote/1', value, signature)).toBe(true)
  })
})

describe('digests', () => {
  it('are of label and value', () => {
    expect(crypto.digest('a', { x: 1, y: 2 })).toBe(crypto.digest('a', { y: 2, x: 1 }))
    expect(crypto.digest('a', { x: 1 })).not.toBe(crypto.digest('b', { x: 1 }))
    expect(crypto.digest('muster/test/1', { x: 1 })).toMatchInlineSnapshot(
      `"85239b38faa019770fa242cfba87f9461d69ceecb3a5b3ff64f94caec100faac"`,
    )
  })

  it('follow a value that changes, and only frozen ones are remembered', () => {
    const inner = { n: 1 }
    const value = Object.freeze({ inner })
    const before = crypto.digest('a', value)
    inner.n = 2
    expect(crypto.digest('a', value)).not.toBe(before)
    const bytes = new Uint8Array(1)
    const holder = Object.freeze({ bytes })
    const empty = crypto.digest('a', holder)
    bytes[0] = 1
    expect(crypto.digest('a', holder)).not.toBe(empty)
    const frozen = Object.freeze({ inner: Object.freeze({ n: 1 }) })
    expect(crypto.digest('a', frozen)).toBe(before)
    expect(crypto.digest('a', frozen)).toBe(before)
    expect(crypto.digest('b', frozen)).not.toBe(before)
  })
})

describe('token primitives', () => {
  it('are SHA-256 and RFC 5869', () => {
    expect(Buffer.from(tokenPrimitives.sha256(Buffer.from('abc'))).toString('hex')).toBe(
      'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
    )
    // RFC 5869, test case 1.
    const okm = tokenPrimitives.hkdf(
      Buffer.alloc(22, 0x0b),
      Buffer.from('000102030405060708090a0b0c', 'hex'),
      Buffer.from('f0f1f2f3f4f5f6f7f8f9', 'hex'),
      42,
    )
    expect(Buffer.from(okm).toString('hex')).toBe(
      '3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865',
    )
  })
})

describe('the operator key', () => {
  const key = operatorKeyFromSeed(new Uint8Array(32).fill(9))
  const order = { kind: 'spec', serial: 1 }
  let root: string
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'muster-operator-'))
  })
  afterEach(() => rm(root, { recursive: true, force: true }))

  it('signs orders that its public half verifies, and no others', () => {
    const { signer, signature } = signOrder(key.privateKeyText, order)
    expect(signer).toBe(key.publicKey)
    expect(crypto.verifyOperator(signer, 'muster/order/1', order, signature)).toBe(true)
    expect(crypto.verifyOperator(signer, 'muster/order/1', { ...order, serial: 2 }, signature)).toBe(false)
    expect(crypto.verifyOperator('none', 'muster/order/1', order, signature)).toBe(false)
  })

  it('lives in a file for its owner alone, which is never overwritten', async () => {
    const path = join(root, 'operator.key')
    await writeOperatorKey(path, key)
    expect((await stat(path)).mode & 0o777).toBe(0o600)
    expect(await readOperatorKey(path)).toMatchObject(key)
    await expect(writeOperatorKey(path, operatorKeyFromSeed(generateSeed()))).rejects.toMatchObject({
      code: 'ERR_OPERATOR_KEY',
      message: expect.stringContaining('EEXIST'),
    })
    expect((await readFile(path, 'utf8')).trim()).toBe(key.privateKeyText)
    await expect(readOperatorKey(join(root, 'none'))).rejects.toMatchObject({ code: 'ERR_OPERATOR_KEY' })
    await writeFile(path, 'ssh-ed25519 AAAA')
    await expect(readOperatorKey(path)).rejects.toMatchObject({ code: 'ERR_OPERATOR_KEY' })
  })

  it('with a typing error is refused without being shown', () => {
    const text = key.privateKeyText
    for (let at = 0; at < text.length; at += 1) {
      const wrong = text.slice(0, at) + (text[at] === 'q' ? 'r' : 'q') + text.slice(at + 1)
      try {
        parseOperatorKey(wrong)
        expect.unreachable()
      } catch (error) {
        expect(error).toMatchObject({ code: 'ERR_OPERATOR_KEY' })
        expect(String(error)).not.toContain(text.slice(20, 40))
      }
    }
  })
})
