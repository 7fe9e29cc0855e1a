// Proves the merge of member records: a lattice whatever the order of arrival (fast-check), owner-signed, never
// back, verified only when it matters, and able to tell a clone.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { mergeRecords } from '../../../src/core/membership/record-merge.ts'
import { RecordTable } from '../../../src/core/membership/record-table.ts'
import type { MemberRecord, SignedRecord } from '../../../src/core/model/member.ts'
import { FakeCrypto, nodeName, recordOf, seeded, signed } from './virtual-network.ts'

const self = nodeName(0)
const other = nodeName(1)

function tableWith(crypto = new FakeCrypto(self)): RecordTable {
  return new RecordTable(signed(recordOf(self)), crypto, seeded(1), 0)
}

/** Genuine records of a few owners, with clones: few versions, so that they collide often. */
const genuine = fc
  .record({
    owner: fc.integer({ min: 1, max: 3 }),
    incarnation: fc.integer({ min: 0, max: 2 }),
    sequence: fc.integer({ min: 0, max: 2 }),
    bootNonce: fc.constantFrom('x', 'y'),
    left: fc.boolean(),
  })
  .map(({ owner, ...changes }) => signed(recordOf(nodeName(owner), changes)))

function versionsAfter(offers: readonly SignedRecord[]): unknown {
  const table = tableWith()
  for (const offer of offers) table.offer(offer, 0)
  return table.ids.map((id) => table.signed(id)?.record)
}

describe('merging records', () => {
  it('is commutative, associative and idempotent for two and three records of one owner', () => {
    const crypto = new FakeCrypto(self)
    const merge = (a: SignedRecord, b: SignedRecord): MemberRecord => mergeRecords(a, b, crypto).record
    const same = genuine.map(({ record }) => signed({ ...record, nodeId: other }))
    fc.assert(
      fc.property(same, same, same, (a, b, c) => {
        expect(merge(a, a)).toEqual(a.record)
        expect(merge(a, b)).toEqual(merge(b, a))
        expect(merge(mergeRecords(a, b, crypto), c)).toEqual(merge(a, mergeRecords(b, c, crypto)))
      }),
    )
  })

  it('gives the same table for any order and any repetition of arrivals', () => {
    const cases = fc
      .array(genuine, { maxLength: 12 })
      .chain((offers) =>
        fc.tuple(fc.constant(offers), fc.shuffledSubarray(offers, { minLength: offers.length })),
      )
    fc.assert(
      fc.property(cases, ([offers, shuffled]) => {
        const expected = versionsAfter(offers)
        expect(versionsAfter(shuffled)).toEqual(expected)
        expect(versionsAfter([...offers, ...shuffled])).toEqual(expected)
      }),
    )
  })

  it('never goes back, and never loses the count of the living', () => {
    fc.assert(
      fc.property(fc.array(genuine, { maxLength: 12 }), (offers) => {
        const table = tableWith()
        const reached = new Map<string, number>()
        for (const offer of offers) {
          table.offer(offer, 0)
          for (const { record } of table.view().members) {
            const version = record.incarnation * 10 + record.sequence
            expect(version).toBeGreaterThanOrEqual(reached.get(record.nodeId) ?? 0)
            reached.set(record.nodeId, version)
          }
          expect(table.living).toBe(
            table.view().members.filter(({ liveness }) => liveness === 'alive').length,
          )
        }
      }),
    )
  })
})

describe('an offered record', () => {
  it('is verified only if it would change something', () => {
    const crypto = new FakeCrypto(self)
    const table = tableWith(crypto)
    const newest = signed(recordOf(other, { sequence: 5 }))
    expect(table.offer(newest, 0).kind).toBe('accepted')
    expect(crypto.verifications).toBe(1)
    expect(table.offer(newest, 0)).toMatchObject({ kind: 'known', order: 'same' })
    expect(table.offer(signed(recordOf(other, { sequence: 4 })), 0)).toMatchObject({ order: 'older' })
    expect(crypto.verifications).toBe(1)
  })

  it('is refused when another than the owner signed it, when it is of another network, or revoked', () => {
    const table = tableWith()
    const forged = {
      record: recordOf(other),
      signature: new FakeCrypto(nodeName(9)).sign('muster/record/1', recordOf(other)),
    }
    expect(table.offer(forged, 0)).toEqual({ kind: 'refused', fault: 'forged' })
    const altered = { ...signed(recordOf(other)), record: recordOf(other, { note: 'altered' }) }
    expect(table.offer(altered, 0)).toEqual({ kind: 'refused', fault: 'forged' })
    const foreign = signed(recordOf(other, { networkId: 'd'.repeat(64) }))
    expect(table.offer(foreign, 0)).toEqual({ kind: 'refused', fault: 'foreign' })
    table.revoke(other)
    expect(table.offer(signed(recordOf(other)), 0)).toEqual({ kind: 'refused', fault: 'revoked' })
    expect(table.ids).toEqual([self])
  })

  it('with the incarnation of another boot nonce is evidence of a clone, reported once', () => {
    const table = tableWith()
    table.offer(signed(recordOf(other, { bootNonce: 'x', sequence: 3 })), 0)
    const clone = signed(recordOf(other, { bootNonce: 'y', sequence: 1 }))
    expect(table.offer(clone, 0)).toMatchObject({
      kind: 'known',
      clone: 'boot nonces x and y in incarnation 0',
    })
    expect(table.offer(clone, 0)).toMatchObject({ kind: 'known', clone: '' })
    const later = signed(recordOf(other, { bootNonce: 'z', incarnation: 1 }))
    expect(table.offer(later, 0)).toMatchObject({ kind: 'accepted', clone: '' })
  })

  it('with the version of another content is evidence of a clone, but not if only the signature differs', () => {
    const crypto = new FakeCrypto(self)
    const table = tableWith(crypto)
    const held = signed(recordOf(other, { note: 'one' }))
    table.offer(held, 0)
    const twin = signed(recordOf(other, { note: 'two' }))
    expect(table.offer(twin, 0)).toMatchObject({ clone: 'two contents of version 0.0' })
    const anySignature = new (class extends FakeCrypto {
      override verify(): boolean {
        return true
      }
    })(self)
    const lenient = tableWith(anySignature)
    lenient.offer(held, 0)
    expect(lenient.offer({ ...held, signature: new Uint8Array(64) }, 0)).toMatchObject({ clone: '' })
  })
})

describe('a table', () => {
  it('has equal digests exactly if the versions are equal', () => {
    const a = tableWith()
    const b = tableWith()
    for (const index of [1, 2, 3]) a.offer(signed(recordOf(nodeName(index))), 0)
    for (const index of [3, 1, 2]) b.offer(signed(recordOf(nodeName(index))), 7)
    expect(a.whole()).toBe(b.whole())
    b.offer(signed(recordOf(nodeName(2), { sequence: 1 })), 9)
    expect(a.whole()).not.toBe(b.whole())
  })

  it('keeps its view as long as nothing changed, sorted by id', () => {
    const table = tableWith()
    for (const index of [5, 2, 9]) table.offer(signed(recordOf(nodeName(index))), 0)
    const view = table.view()
    expect(view.members.map(({ record }) => record.nodeId)).toEqual([0, 2, 5, 9].map(nodeName))
    table.touch(nodeName(5), 1_000)
    expect(table.lastHeard(nodeName(5))).toBe(1_000)
    expect(table.view()).toBe(view)
    table.judge(nodeName(5), 'suspect', nodeName(2), 2_000)
    expect(table.view()).not.toBe(view)
    expect(table.lastHeard(nodeName(5))).toBe(1_000)
  })
})
