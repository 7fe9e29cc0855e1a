// Proves that an acceptor never goes back, by random histories of messages; and each reason to refuse, by one case.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import type { AcceptorContext, AcceptorStep } from '../../../src/core/consensus/acceptor.ts'
import { acceptPrepare, acceptPropose } from '../../../src/core/consensus/acceptor.ts'
import { compareBallots } from '../../../src/core/consensus/ballot.ts'
import { voteIsGenuine } from '../../../src/core/consensus/certificate.ts'
import { voteClaim } from '../../../src/core/consensus/electorate.ts'
import type { Register } from '../../../src/core/consensus/register.ts'
import { emptyRegister, registerCodec } from '../../../src/core/consensus/register.ts'
import { decodeStrict, encodeCanonical } from '../../../src/core/model/codec.ts'
import type { PrepareMessage, ProposeMessage } from '../../../src/core/model/message.ts'
import type { Ballot, CharterTerms } from '../../../src/core/model/plan.ts'
import { planHash } from '../../../src/core/model/plan-hash.ts'
import {
  certifiedCharter,
  charterElectorate,
  contextOf,
  digests,
  electorateAfter,
  expectThree,
  id,
  planFor,
} from './decisions.ts'

const electorate = electorateAfter(certifiedCharter())
const context = contextOf(id(0), electorate)
const empty = emptyRegister(electorate.generation, electorate.parentHash)
const { generation, parentHash } = electorate

const ballot = (number: number, rank = 1): Ballot => ({ number, proposer: id(rank) })

function prepare(at: Ballot, terms: CharterTerms | null = null): PrepareMessage {
  return { kind: 'prepare', generation, parentHash, ballot: at, terms }
}

function propose(at: Ballot, mark = 1, terms: CharterTerms | null = null): ProposeMessage {
  return { kind: 'propose', ballot: at, plan: planFor(electorate, mark), terms }
}

/** Delivers a message as its ballot's proposer. */
function deliver(register: Register, message: PrepareMessage | ProposeMessage, on = context): AcceptorStep {
  const from = message.ballot.proposer
  return message.kind === 'prepare'
    ? acceptPrepare(register, from, message, on)
    : acceptPropose(register, from, message, on)
}

const anyMessage = fc
  .record({ number: fc.nat({ max: 4 }), rank: fc.nat({ max: 2 }), mark: fc.nat({ max: 2 }) })
  .map(({ number, rank, mark }) =>
    mark === 0 ? prepare(ballot(number, rank)) : propose(ballot(number, rank), mark),
  )

describe('an acceptor, whatever it is sent', () => {
  const histories = fc.array(anyMessage, { maxLength: 25 })

  it('never lowers what it promised or accepted, and never accepts below its promise', () => {
    fc.assert(
      fc.property(histories, (messages) => {
        let before = empty
        for (const message of messages) {
          const { register, reply } = deliver(before, message)
          if (before.promised !== null) {
            expect(register.promised).not.toBeNull()
            expect(compareBallots(register.promised!, before.promised)).toBeGreaterThanOrEqual(0)
          }
          if (before.accepted !== null) {
            expect(compareBallots(register.accepted!.ballot, before.accepted.ballot)).toBeGreaterThanOrEqual(
              0,
            )
          }
          if (reply.kind !== 'refuse') expect(register.promised).toEqual(message.ballot)
          before = register
        }
      }),
    )
  })

  it('votes for one plan in a ballot', () => {
    fc.assert(
      fc.property(histories, (messages) => {
        const votes = new Map<string, string>()
        let register = empty
        for (const message of messages) {
          const step = deliver(register, message)
          register = step.register
          if (step.reply.kind !== 'accept') continue
          const key = JSON.stringify(step.reply.ballot)
          expect(votes.get(key) ?? step.reply.planHash).toBe(step.reply.planHash)
          votes.set(key, step.reply.planHash)
        }
      }),
    )
  })

  it('changes its register, and its vote sequence by one, only when it has to be written', () => {
    fc.assert(
      fc.property(histories, (messages) => {
        let before = empty
        for (const message of messages) {
          const { register, reply } = deliver(before, message)
          if (reply.kind === 'refuse') expect(register).toBe(before)
          if (register !== before) expect(register.voteSequence).toBe(before.voteSequence + 1)
          if (reply.kind !== 'refuse') expect(reply.stamp.voteSequence).toBe(register.voteSequence)
          before = register
        }
      }),
    )
  })

  it('answers a repeated message alike, and writes nothing for it', () => {
    fc.assert(
      fc.property(histories, anyMessage, (messages, last) => {
        const before = messages.reduce((register, message) => deliver(register, message).register, empty)
        const once = deliver(before, last)
        const twice = deliver(once.register, last)
        expect(twice.register).toBe(once.register)
        expect(twice.reply).toEqual(once.reply)
      }),
    )
  })

  it('goes on after a restart as if nothing had been', () => {
    fc.assert(
      fc.property(histories, anyMessage, (messages, last) => {
        const register = messages.reduce((held, message) => deliver(held, message).register, empty)
        const restored = decodeStrict(registerCodec, encodeCanonical(register))
        expect(restored).toEqual(register)
        expect(deliver(restored, last)).toEqual(deliver(register, last))
      }),
    )
  })
})

describe('an acceptor', () => {
  it('reports in a promise what it accepted in a lower ballot', () => {
    const { register } = deliver(empty, propose(ballot(1)))
    const { reply } = deliver(register, prepare(ballot(2)))
    expect(reply).toMatchObject({
      kind: 'promise',
      accepted: { ballot: ballot(1), plan: planFor(electorate) },
    })
  })

  it('signs its vote for exactly this plan and ballot', () => {
    const { reply } = deliver(empty, propose(ballot(1)))
    if (reply.kind !== 'accept') throw new Error(reply.kind)
    const hash = planHash(planFor(electorate).header, digests)
    expect(reply.planHash).toBe(hash)
    expect(voteIsGenuine(voteClaim(electorate, hash, ballot(1), null), reply.vote, digests)).toBe(true)
    expect(voteIsGenuine(voteClaim(electorate, hash, ballot(2), null), reply.vote, digests)).toBe(false)
  })

  it('refuses another plan in a ballot that it accepted', () => {
    const { register } = deliver(empty, propose(ballot(1), 1))
    const again = deliver(register, propose(ballot(1), 2))
    expect(again.register).toBe(register)
    expect(again.reply).toMatchObject({ kind: 'refuse', reason: 'BallotReused' })
  })

  it('names the higher promise when that is the reason, and only then', () => {
    const { register } = deliver(empty, prepare(ballot(5)))
    expect(deliver(register, propose(ballot(4))).reply).toMatchObject({
      reason: 'HigherPromise',
      promised: ballot(5),
    })
    const other = { ...prepare(ballot(6)), parentHash: 'f'.repeat(64) }
    expect(deliver(register, other).reply).toMatchObject({ reason: 'OtherParent', promised: null })
  })

  it('orders ballots of one number by their proposer', () => {
    const { register } = deliver(empty, prepare(ballot(1, 2)))
    expect(deliver(register, prepare(ballot(1, 1))).reply.kind).toBe('refuse')
    expect(deliver(empty, prepare(ballot(1, 1))).reply.kind).toBe('promise')
  })
})

describe('an acceptor refuses', () => {
  const refusing = (reason: string): AcceptorContext =>
    contextOf(id(0), electorate, { judge: () => ({ ok: false, reason, message: '' }) })

  it.each<[string, PrepareMessage | ProposeMessage, AcceptorContext]>([
    ['OtherParent', { ...prepare(ballot(1)), generation: generation + 1 }, context],
    ['OtherParent', { ...prepare(ballot(1)), generation: generation - 1 }, context],
    ['OtherParent', { ...prepare(ballot(1)), parentHash: 'f'.repeat(64) }, context],
    ['BadTerms', prepare(ballot(1), expectThree), context],
    ['BadTerms', propose(ballot(1), 1, expectThree), context],
    ['NotAVoter', prepare(ballot(1, 5)), context],
    ['NotAVoter', propose(ballot(1, 5)), context],
    ['NotAVoter', prepare(ballot(1)), contextOf(id(5), electorate)],
    ['Unwise', propose(ballot(1)), refusing('Unwise')],
  ])('%s (case %#)', (reason, message, on) => {
    const step = deliver(empty, message, on)
    expect(step.reply).toMatchObject({ kind: 'refuse', reason })
    expect(step.register).toBe(empty)
  })

  it.each([prepare(ballot(1)), propose(ballot(1))])('a $kind that its proposer did not send', (message) => {
    const step =
      message.kind === 'prepare'
        ? acceptPrepare(empty, id(2), message, context)
        : acceptPropose(empty, id(2), message, context)
    expect(step.reply).toMatchObject({ kind: 'refuse', reason: 'NotTheProposer' })
    expect(step.register).toBe(empty)
  })
})

describe('an acceptor of the charter', () => {
  const blank = emptyRegister(0, '')
  const question = (terms: CharterTerms | null): PrepareMessage => ({
    kind: 'prepare',
    generation: 0,
    parentHash: '',
    ballot: ballot(0),
    terms,
  })
  const offer = (mark = 1): ProposeMessage => ({
    kind: 'propose',
    ballot: ballot(0),
    plan: planFor(charterElectorate, mark),
    terms: expectThree,
  })

  it('needs terms, and sound ones', () => {
    const open = contextOf(id(0), charterElectorate)
    expect(deliver(blank, question(expectThree), open).reply.kind).toBe('promise')
    expect(deliver(blank, question(null), open).reply).toMatchObject({ reason: 'BadTerms' })
    const unsound = { ...expectThree, quorum: 2 }
    expect(deliver(blank, question(unsound), open).reply).toMatchObject({ reason: 'BadTerms' })
  })

  it('asks in both phases whether the terms are admissible now, and hands back its view', () => {
    const view = [id(0), id(4)]
    const closed = contextOf(id(0), charterElectorate, {
      admits: () => ({ ok: false, reason: 'ViewNotInList', message: 'knows more', view }),
    })
    for (const message of [question(expectThree), offer()]) {
      const step = deliver(blank, message, closed)
      expect(step.reply).toMatchObject({ kind: 'refuse', reason: 'ViewNotInList', view })
      expect(step.register).toBe(blank)
    }
  })

  it('votes only where it is listed', () => {
    const terms: CharterTerms = {
      setting: { mode: 'auto' },
      quorum: 3,
      list: [id(1), id(2), id(3)],
      without: [],
    }
    expect(deliver(blank, question(terms), contextOf(id(2), charterElectorate)).reply.kind).toBe('promise')
    const stranger = contextOf(id(4), charterElectorate)
    expect(deliver(blank, question(terms), stranger).reply).toMatchObject({ reason: 'NotAVoter' })
  })
})

describe('the register of the next generation', () => {
  it('is empty but for the sequence and the stamps of others', () => {
    const stamps = { [id(1)]: { bootCounter: 3, voteSequence: 9 } }
    const used: Register = { ...deliver(empty, propose(ballot(7))).register, proposedNumber: 7, stamps }
    expect(emptyRegister(2, 'e'.repeat(64), used)).toEqual({
      generation: 2,
      parentHash: 'e'.repeat(64),
      promised: null,
      accepted: null,
      proposedNumber: -1,
      voteSequence: used.voteSequence,
      stamps,
    })
  })
})
