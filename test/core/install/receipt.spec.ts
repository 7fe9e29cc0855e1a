// Proves that the record of an installation is read back, old ones too, and tells which medium it is from.
import { describe, expect, it } from 'vitest'
import type { InstallReceipt } from '../../../src/core/install/receipt.ts'
import { encodeReceipt, isFrom, parseReceipt } from '../../../src/core/install/receipt.ts'

const receipt = {
  format: 1,
  version: '1',
  imageId: 'a'.repeat(64),
  epoch: 1,
  diskId: 'd',
  installer: '0.1.0',
  fingerprint: 'f',
  configDigest: 'c',
} as const satisfies InstallReceipt

describe('a receipt', () => {
  it('is read back as it was written', () => {
    expect(parseReceipt(encodeReceipt(receipt))).toEqual(receipt)
  })

  it('is from a medium that has its image and its configuration, and from no other', () => {
    const { imageId, configDigest } = receipt
    expect(isFrom(receipt, { imageId, configDigest })).toBe(true)
    expect(isFrom(receipt, { imageId, configDigest: 'e' })).toBe(false)
    expect(isFrom(receipt, { imageId: 'b'.repeat(64), configDigest })).toBe(false)
    expect(isFrom(undefined, { imageId, configDigest })).toBe(false)
  })

  it('of a time before it named its configuration is read, and is from no medium', () => {
    const { configDigest, ...old } = receipt
    const read = parseReceipt(JSON.stringify(old))
    expect(read).toEqual({ ...old, configDigest: undefined })
    expect(isFrom(read, { imageId: receipt.imageId, configDigest })).toBe(false)
  })

  it.each(['', 'null', '[]', '{}', '{"format":2}', encodeReceipt(receipt).slice(0, 40)])(
    'that is damaged is none: %j',
    (text) => expect(parseReceipt(text)).toBeUndefined(),
  )
})
