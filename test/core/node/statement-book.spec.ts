// Proves that an old word, told again by whoever likes to, neither takes the place of a newer one nor counts as news.
import { describe, expect, it } from 'vitest'
import type { SignedStatement, Statement } from '../../../src/core/model/statement.ts'
import { isPast, StatementBook } from '../../../src/core/node/statement-book.ts'
import { certifiedCharter, digests, id } from '../consensus/decisions.ts'

const { plan } = certifiedCharter()
const { networkId, epoch, clusterId } = plan.header
const base = { networkId, epoch, clusterId }
const scope = { ...base, operatorKey: 'none' }

function said(statement: Statement): SignedStatement {
  return { statement, signer: id(1), signature: digests.sign('muster/statement/1', statement) }
}

describe('a book of statements', () => {
  const book = (): StatementBook => new StatementBook({ ...digests, verify: () => true })
  const pairs: readonly (readonly [string, Statement, Statement])[] = [
    [
      'list of members',
      { kind: 'members', ...base, generation: 4, members: [] },
      { kind: 'members', ...base, generation: 5, members: [] },
    ],
    [
      'word of lost data',
      { kind: 'lost', ...base, generation: 4, memberId: 'aa' },
      { kind: 'lost', ...base, generation: 5, memberId: 'bb' },
    ],
    [
      'word of a death',
      { kind: 'dead', ...base, subject: id(2), incarnation: 1 },
      { kind: 'dead', ...base, subject: id(2), incarnation: 3 },
    ],
  ]
  it.each(pairs)('keeps the newer %s, whichever comes first', (_, older, newer) => {
    for (const order of [
      [older, newer],
      [newer, older],
    ]) {
      const held = book()
      for (const statement of order) held.add(said(statement), scope)
      expect(held.all().map(({ statement }) => statement)).toEqual([newer])
    }
  })
})

describe('a statement', () => {
  const grant = { number: 3, team: [id(0)] }
  const granted = { ...plan, header: { ...plan.header, generation: 4, phase: 'granted' as const, grant } }
  const active = { ...granted, header: { ...granted.header, phase: 'active' as const } }
  const initialised = (number: number): Statement => ({
    kind: 'initialised',
    ...base,
    grant: number,
    caHash: 'c'.repeat(64),
  })
  const stalled = (number: number): Statement => ({ kind: 'stalled', ...base, grant: number })

  it('of an earlier grant or generation is past, and one of a later plan is not', () => {
    expect([2, 3, 4].map((number) => isPast(initialised(number), granted))).toEqual([true, false, false])
    expect([2, 3, 4].map((number) => isPast(stalled(number), granted))).toEqual([true, false, false])
    expect([2, 3, 4].map((number) => isPast(stalled(number), active))).toEqual([true, true, false])
    const list = (generation: number): Statement => ({ kind: 'members', ...base, generation, members: [] })
    expect([3, 4, 5].map((generation) => isPast(list(generation), active))).toEqual([true, false, false])
    expect(isPast({ kind: 'dead', ...base, subject: id(2), incarnation: 0 }, active)).toBe(false)
  })

  it('of the operator is past once its serial was carried out', () => {
    const { spec } = plan.body
    const order = (serial: number): Statement => ({ kind: 'spec', ...base, serial, spec })
    const later = { ...active, body: { ...active.body, operatorSerial: 2 } }
    expect([1, 2, 3].map((serial) => isPast(order(serial), later))).toEqual([true, true, false])
  })
})
