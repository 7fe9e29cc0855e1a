// Proves what one membership machine says to each single word: hello, forged and replayed records, accusations,
// digests, floods, clones, its own changes, and what it keeps connected among a thousand.
import { describe, expect, it } from 'vitest'

import type { MembershipOutput } from '../../../src/core/membership/contract.ts'
import type { Membership } from '../../../src/core/membership/membership.ts'
import { incarnationAtBoot } from '../../../src/core/membership/own-record.ts'
import { recordsPerMessageMax } from '../../../src/core/model/limits.ts'
import type { LivenessClaim, MemberRecord, SignedRecord } from '../../../src/core/model/member.ts'
import type { MembershipMessage } from '../../../src/core/model/message.ts'
import { defaultTimers } from '../../../src/core/model/spec.ts'
import { FakeCrypto, machine, nodeName, recordOf, signed } from './virtual-network.ts'

const self = nodeName(5)
const peer = nodeName(1)

function sends(outputs: readonly MembershipOutput[]): { to: string; message: MembershipMessage }[] {
  return outputs.flatMap((output) =>
    output.kind === 'send' ? [{ to: output.to, message: output.message }] : [],
  )
}

function without(kind: MembershipOutput['kind'], outputs: readonly MembershipOutput[]): MembershipOutput[] {
  return outputs.filter((output) => output.kind !== kind)
}

/** A machine that knows `count` others, with nothing left to drain. */
function acquainted(count: number, own: Partial<MemberRecord> = {}): Membership {
  const membership = machine(self, { own })
  membership.handle(peer, { kind: 'hello', record: signed(recordOf(peer)) }, 0)
  const records: SignedRecord[] = []
  for (let index = 0; records.length < count - 1; index++) {
    if (nodeName(index) !== self && nodeName(index) !== peer) records.push(signed(recordOf(nodeName(index))))
  }
  for (let start = 0; start < records.length; start += recordsPerMessageMax) {
    const some = records.slice(start, start + recordsPerMessageMax)
    membership.handle(peer, { kind: 'gossip', records: some, claims: [] }, 0)
  }
  membership.drain()
  return membership
}

function claim(
  subject: string,
  liveness: LivenessClaim['liveness'],
  by: string,
  incarnation = 0,
): MembershipMessage {
  return { kind: 'gossip', records: [], claims: [{ subject, incarnation, liveness, by }] }
}

describe('a connection', () => {
  it('begins with hello on both sides and a digest from the smaller id', () => {
    const larger = machine(self)
    larger.peerUp(peer, 0)
    expect(sends(larger.drain()).map(({ message }) => message.kind)).toEqual(['hello'])
    const smaller = machine(peer)
    smaller.peerUp(self, 0)
    expect(sends(smaller.drain()).map(({ message }) => message.kind)).toEqual(['hello', 'digest'])
  })

  it('asks a peer that does not say who it is, until it does', () => {
    const membership = machine(self)
    membership.peerUp(peer, 0)
    membership.handleDeadline(defaultTimers.probeIntervalMs)
    const asked = sends(membership.drain()).find(({ message }) => message.kind === 'records-request')
    expect(asked).toEqual({ to: peer, message: { kind: 'records-request', ids: [peer] } })
    membership.handle(peer, { kind: 'gossip', records: [signed(recordOf(peer))], claims: [] }, 1_500)
    membership.drain()
    for (let now = 2_000; now < 6_000; now += 100) membership.handleDeadline(now)
    expect(sends(membership.drain()).map(({ message }) => message.kind)).not.toContain('records-request')
  })

  it('that goes makes the next probe go there, and is no death', () => {
    const membership = acquainted(30)
    membership.peerUp(peer, 0)
    membership.peerDown(peer, 10)
    expect(membership.nextDeadline()).toBeLessThanOrEqual(10 + defaultTimers.probeTimeoutMs)
    for (let now = 10; now <= 10 + defaultTimers.probeTimeoutMs / 2; now += 10) membership.handleDeadline(now)
    const pings = sends(membership.drain()).filter(({ message }) => message.kind === 'ping')
    expect(pings.map(({ to }) => to)).toContain(peer)
    expect(membership.member(peer)?.liveness).toBe('alive')
  })
})

describe('misconduct', () => {
  it('is a hello with the record of somebody else', () => {
    const membership = machine(self)
    membership.handle(peer, { kind: 'hello', record: signed(recordOf(nodeName(2))) }, 0)
    expect(membership.drain()).toMatchObject([{ kind: 'misconduct', peer, code: 'Garbage' }])
    expect(membership.view().members).toHaveLength(1)
  })

  it('is a forged record; the rest of that message is not read', () => {
    const membership = machine(self)
    const forged = { record: recordOf(nodeName(2)), signature: new Uint8Array(64) }
    const records = [forged, signed(recordOf(nodeName(3)))]
    membership.handle(peer, { kind: 'gossip', records, claims: [] }, 0)
    expect(membership.drain()).toMatchObject([{ kind: 'misconduct', peer, code: 'Garbage' }])
    expect(membership.view().members).toHaveLength(1)
  })

  it('is a record of another network', () => {
    const membership = machine(self)
    const foreign = signed(recordOf(peer, { networkId: 'd'.repeat(64) }))
    membership.handle(peer, { kind: 'hello', record: foreign }, 0)
    expect(membership.drain()).toMatchObject([{ kind: 'misconduct', peer, code: 'Replay' }])
  })

  it('is a flood, but not the backlog of ten minutes', () => {
    const membership = acquainted(1)
    const ping: MembershipMessage = { kind: 'ping', nonce: 1, claims: [] }
    for (let index = 0; index < 3_000; index++) membership.handle(peer, ping, 600_000)
    expect(without('send', membership.drain())).toEqual([])
    for (let index = 0; index < 3_000; index++) membership.handle(peer, ping, 600_000)
    expect(without('send', membership.drain())[0]).toMatchObject({ kind: 'misconduct', peer, code: 'Flood' })
  })
})

describe('an old record', () => {
  it('that is replayed changes nothing', () => {
    const membership = machine(self)
    const old = signed(recordOf(peer, { note: 'old' }))
    membership.handle(peer, { kind: 'hello', record: old }, 0)
    membership.handle(
      peer,
      { kind: 'hello', record: signed(recordOf(peer, { sequence: 1, note: 'new' })) },
      1,
    )
    membership.drain()
    membership.handle(nodeName(2), { kind: 'gossip', records: [old], claims: [] }, 2)
    expect(membership.drain()).toEqual([])
    expect(membership.member(peer)?.record.note).toBe('new')
  })

  it('as its hello shows a peer with a rolled-back disk what we know of it', () => {
    const membership = machine(self)
    const newest = signed(recordOf(peer, { incarnation: incarnationAtBoot(7), bootNonce: 'seventh' }))
    membership.handle(peer, { kind: 'hello', record: newest }, 0)
    membership.drain()
    const rolledBack = signed(recordOf(peer, { incarnation: incarnationAtBoot(6), bootNonce: 'again' }))
    membership.handle(peer, { kind: 'hello', record: rolledBack }, 1)
    expect(sends(membership.drain())).toEqual([
      { to: peer, message: { kind: 'gossip', records: [newest], claims: [] } },
    ])
    const victim = machine(peer, { own: { incarnation: incarnationAtBoot(6), bootNonce: 'again' } })
    victim.handle(self, { kind: 'gossip', records: [newest], claims: [] }, 1)
    expect(victim.drain()).toMatchObject([{ kind: 'clone', id: peer }])
  })
})

describe('a clone', () => {
  it('of our own key is reported once, and an older boot of ours is none', () => {
    const membership = machine(self, { own: { incarnation: incarnationAtBoot(3), bootNonce: 'mine' } })
    const earlier = signed(recordOf(self, { incarnation: incarnationAtBoot(2) + 9, bootNonce: 'before' }))
    membership.handle(peer, { kind: 'gossip', records: [earlier], claims: [] }, 0)
    expect(membership.drain()).toEqual([])
    const twin = signed(recordOf(self, { incarnation: incarnationAtBoot(3), bootNonce: 'twin' }))
    membership.handle(peer, { kind: 'gossip', records: [twin, twin], claims: [] }, 0)
    membership.handle(peer, { kind: 'gossip', records: [twin], claims: [] }, 0)
    expect(membership.drain()).toMatchObject([{ kind: 'clone', id: self }])
  })

  it('of our key that nobody signed is misconduct of who tells it', () => {
    const membership = machine(self)
    const forged = { record: recordOf(self, { incarnation: 9 }), signature: new Uint8Array(64) }
    membership.handle(peer, { kind: 'gossip', records: [forged], claims: [] }, 0)
    expect(membership.drain()).toMatchObject([{ kind: 'misconduct', peer }])
  })

  it('of another is reported by whoever sees both', () => {
    const membership = acquainted(3)
    const twin = signed(recordOf(nodeName(2), { bootNonce: 'twin' }))
    membership.handle(peer, { kind: 'gossip', records: [twin], claims: [] }, 0)
    expect(without('send', membership.drain())).toContainEqual(
      expect.objectContaining({ kind: 'clone', id: nodeName(2) }),
    )
  })
})

describe('an accusation', () => {
  it('of this node is refuted by the next incarnation, at once to the accuser', () => {
    const membership = acquainted(5)
    membership.handle(peer, claim(self, 'suspect', peer), 0)
    expect(membership.own().record.incarnation).toBe(1)
    expect(sends(membership.drain())).toEqual([
      { to: peer, message: { kind: 'gossip', records: [membership.own()], claims: [] } },
    ])
    // The same word again is refuted already: it gets the record, no further incarnation.
    membership.handle(peer, claim(self, 'dead', peer), 1)
    expect(membership.own().record.incarnation).toBe(1)
    expect(sends(membership.drain())).toHaveLength(1)
    // Nobody can drive us up with an incarnation that we never had.
    membership.handle(peer, claim(self, 'dead', peer, 1_000), 2)
    expect(membership.own().record.incarnation).toBe(1)
  })

  it('of another starts a wait, which others shorten, and which the accused can end', () => {
    const membership = acquainted(5)
    const subject = nodeName(2)
    membership.handle(peer, claim(subject, 'suspect', peer), 0)
    expect(membership.member(subject)?.liveness).toBe('suspect')
    const refuted = signed(recordOf(subject, { incarnation: 1 }))
    membership.handle(peer, { kind: 'gossip', records: [refuted], claims: [] }, 100)
    expect(membership.member(subject)?.liveness).toBe('alive')
    // A claim about the version before is void now.
    membership.handle(peer, claim(subject, 'suspect', peer), 200)
    expect(membership.member(subject)?.liveness).toBe('alive')
  })

  it('of death does not kill at once', () => {
    const membership = acquainted(5)
    const subject = nodeName(2)
    membership.handle(peer, claim(subject, 'dead', peer), 0)
    membership.handle(nodeName(3), claim(subject, 'dead', nodeName(3)), 1)
    expect(membership.member(subject)?.liveness).toBe('suspect')
    for (let now = 0; now <= 3_900; now += 100) membership.handleDeadline(now)
    expect(membership.member(subject)?.liveness).toBe('suspect')
    for (let now = 3_900; now <= 4_100; now += 100) membership.handleDeadline(now)
    expect(membership.member(subject)?.liveness).toBe('dead')
  })

  it('is not proved by a pause of our own: the wait goes on where it stood', () => {
    const membership = acquainted(5)
    const subject = nodeName(2)
    membership.handle(peer, claim(subject, 'suspect', peer), 0)
    for (let now = 0; now <= 2_000; now += 100) membership.handleDeadline(now)
    membership.handleDeadline(600_000)
    expect(membership.member(subject)?.liveness).toBe('suspect')
    membership.handle(
      subject,
      { kind: 'hello', record: signed(recordOf(subject, { incarnation: 1 })) },
      600_100,
    )
    expect(membership.member(subject)?.liveness).toBe('alive')
  })

  it('is the first thing that the accused hears from us', () => {
    const membership = acquainted(5)
    const subject = nodeName(2)
    membership.handle(peer, claim(subject, 'suspect', peer), 0)
    membership.drain()
    membership.handle(subject, { kind: 'ping', nonce: 7, claims: [] }, 10)
    expect(sends(membership.drain())).toMatchObject([
      { to: subject, message: { kind: 'ack', nonce: 7, claims: [{ subject, liveness: 'suspect' }] } },
    ])
  })

  it('of somebody unknown, or of a version that we do not hold, is not heard', () => {
    const membership = acquainted(5)
    membership.handle(peer, claim(nodeName(99), 'dead', peer), 0)
    membership.handle(peer, claim(nodeName(2), 'dead', peer, 5), 0)
    expect(membership.drain()).toEqual([])
  })
})

describe('an indirect probe', () => {
  it('hands the ack on, or says by a nack that the helper at least is well', () => {
    const membership = acquainted(5)
    const subject = nodeName(2)
    membership.handle(peer, { kind: 'ping-request', nonce: 70, subject }, 0)
    membership.handle(peer, { kind: 'ping-request', nonce: 71, subject }, 0)
    const pings = sends(membership.drain()).map(({ message }) =>
      message.kind === 'ping' ? message.nonce : 0,
    )
    expect(pings).toHaveLength(2)
    membership.handle(subject, { kind: 'ack', nonce: pings[0] ?? 0, claims: [] }, 20)
    expect(sends(membership.drain())).toEqual([{ to: peer, message: { kind: 'ack', nonce: 70, claims: [] } }])
    for (let now = 20; now <= defaultTimers.probeTimeoutMs; now += 20) membership.handleDeadline(now)
    const nacks = sends(membership.drain()).filter(({ message }) => message.kind === 'nack')
    expect(nacks).toEqual([{ to: peer, message: { kind: 'nack', nonce: 71 } }])
  })
})

describe('silence', () => {
  it('makes a node doubt itself first: it probes others ever more slowly, up to eight times', () => {
    const membership = acquainted(60)
    const probed: number[] = []
    for (let now = 0; now <= 40_000; now += 50) {
      membership.handleDeadline(now)
      for (const { message } of sends(membership.drain())) {
        if (message.kind === 'ping') probed.push(now)
      }
    }
    // Each failed probe is two pings, one a second at first: 80 in 40 s for a node that trusts itself.
    expect(probed.length).toBeGreaterThan(8)
    expect(probed.length).toBeLessThan(30)
  })

  it('of the dead is tried again for ever, with the charge, so that they can answer', () => {
    const membership = acquainted(1)
    for (let now = 0; now <= 30_000; now += 50) membership.handleDeadline(now)
    expect(membership.member(peer)?.liveness).toBe('dead')
    membership.drain()
    for (let now = 30_000; now <= 3_630_000; now += 500) membership.handleDeadline(now)
    const knocks = sends(membership.drain()).filter(({ message }) => message.kind === 'ping')
    expect(knocks.length).toBeGreaterThan(3_600 / 37.5 - 5)
    expect(knocks.length).toBeLessThan(3_600 / 22.5 + 10)
    for (const { message } of knocks) {
      expect(message).toMatchObject({ claims: [{ subject: peer, liveness: 'dead' }] })
    }
  })
})

describe('a digest', () => {
  it('that is equal is not answered; one that differs leads to what differs, both ways', () => {
    const left = acquainted(4)
    const right = machine(peer)
    right.handle(nodeName(9), { kind: 'gossip', records: [signed(recordOf(nodeName(9)))], claims: [] }, 0)
    right.drain()
    right.peerUp(self, 0)
    const [, first] = sends(right.drain())
    expect(first?.message).toMatchObject({ kind: 'digest', versions: [], ask: true })
    left.handle(peer, first!.message, 1)
    const [second] = sends(left.drain())
    expect(second?.message).toMatchObject({ kind: 'digest', ask: false })
    right.handle(self, second!.message, 2)
    const third = sends(right.drain())
    const wanted = [0, 2, 3].map(nodeName)
    expect(third.map(({ message }) => message.kind)).toEqual(['gossip', 'records-request'])
    expect(third[1]?.message).toEqual({
      kind: 'records-request',
      ids: [...wanted.slice(0, 3), self].toSorted(),
    })
    for (const { message } of third) left.handle(peer, message, 3)
    for (const { message } of sends(left.drain())) right.handle(self, message, 4)
    right.drain()
    expect(left.view().members.map(({ record }) => record)).toEqual(
      right.view().members.map(({ record }) => record),
    )
    left.handle(peer, { ...(first!.message as object), whole: wholeOf(right) } as MembershipMessage, 5)
    expect(left.drain()).toEqual([])
  })

  it('is followed by the charges against members whose records are sent', () => {
    const membership = acquainted(4)
    membership.handle(peer, claim(nodeName(2), 'suspect', peer), 0)
    membership.drain()
    membership.handle(nodeName(7), { kind: 'records-request', ids: [nodeName(2)] }, 1)
    expect(sends(membership.drain())).toMatchObject([
      { message: { records: [{}], claims: [{ subject: nodeName(2), liveness: 'suspect' }] } },
    ])
  })
})

function wholeOf(membership: Membership): string {
  membership.peerUp('zzzz', 9)
  const digest = sends(membership.drain()).find(({ message }) => message.kind === 'digest')
  return digest?.message.kind === 'digest' ? digest.message.whole : ''
}

describe('the own record', () => {
  it('changes by one sequence, signed, and not at all if nothing changed', () => {
    const membership = acquainted(3)
    membership.update({ note: 'one', plan: { clusterId: '', generation: -1, hash: '' } }, 5)
    const { record, signature } = membership.own()
    expect(record).toMatchObject({ note: 'one', incarnation: 0, sequence: 1 })
    expect(new FakeCrypto(peer).verify(self, 'muster/record/1', record, signature)).toBe(true)
    expect(membership.drain()).toMatchObject([{ kind: 'changed', id: self, current: { record } }])
    membership.update({ note: 'one', specKeys: {}, endpoints: ['/ip4/192.0.2.1/tcp/1'] }, 6)
    expect(membership.drain()).toEqual([])
    expect(membership.own().record.sequence).toBe(1)
  })
})

describe('a revoked owner', () => {
  it('is not heard, not listed among the contacts, and stays only as a memory', () => {
    const membership = acquainted(4)
    membership.revoke([nodeName(2), self, nodeName(77)])
    expect(membership.drain()).toMatchObject([
      { kind: 'changed', id: nodeName(2), current: { liveness: 'left' } },
    ])
    const newer = signed(recordOf(nodeName(2), { incarnation: 4 }))
    membership.handle(nodeName(2), { kind: 'hello', record: newer }, 1)
    membership.handle(
      peer,
      { kind: 'gossip', records: [newer, signed(recordOf(nodeName(77)))], claims: [] },
      1,
    )
    expect(membership.drain()).toEqual([])
    expect(membership.member(nodeName(2))?.record.incarnation).toBe(0)
    expect(membership.contacts().map(({ id }) => id)).not.toContain(nodeName(2))
  })
})

describe('contacts', () => {
  it('are all others in a small network', () => {
    expect(acquainted(40).contacts()).toHaveLength(40)
  })

  it('are few among a thousand, stable, and include the neighbours in the order of ids', () => {
    const membership = acquainted(999)
    const contacts = membership.contacts().map(({ id }) => id)
    expect(membership.view().members).toHaveLength(1_000)
    expect(contacts.length).toBeGreaterThanOrEqual(12)
    expect(contacts.length).toBeLessThanOrEqual(20)
    for (const index of [3, 4, 6, 7]) expect(contacts).toContain(nodeName(index))
    membership.handle(peer, { kind: 'gossip', records: [signed(recordOf(nodeName(2_000)))], claims: [] }, 0)
    const after = membership.contacts().map(({ id }) => id)
    expect(after.filter((id) => !contacts.includes(id)).length).toBeLessThanOrEqual(1)
  })
})
