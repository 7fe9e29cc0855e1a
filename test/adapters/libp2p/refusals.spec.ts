// Proves that strangers, other versions and misbehaving members are turned away by name, with real hosts.
import { fileURLToPath } from 'node:url'
import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { canNetns, createNetLab } from '../../support/netns.ts'
import type { NetLab } from '../../support/netns.ts'
import { startHost } from './host.ts'

const rogue = fileURLToPath(new URL('rogue-child.ts', import.meta.url))
const victim = '/ip4/10.9.0.1/tcp/4710'

async function withPair(run: (lab: NetLab) => Promise<void>): Promise<void> {
  const lab = await createNetLab('muster-refuse', [{ ipv4: '10.9.0.1/24' }, { ipv4: '10.9.0.2/24' }])
  try {
    await run(lab)
  } finally {
    await lab.close()
  }
}

describe.skipIf(!canNetns).concurrent('turning away (skipped without root and network namespaces)', () => {
  it('names a foreign network on both ends, once a while, and admits nothing', () =>
    withPair(async (lab) => {
      const a = await startHost(lab.host(0), 0)
      const b = await startHost(lab.host(1), 1, { token: 'two', staticPeers: [victim] })
      const [seenByB, seenByA] = await Promise.all([b.event('peer-refused'), a.event('peer-refused')])
      expect(seenByB).toMatchObject({ code: 'ForeignNetwork', address: expect.stringContaining('10.9.0.1') })
      expect(seenByA).toMatchObject({ code: 'ForeignNetwork', address: expect.stringContaining('10.9.0.2') })
      await delay(3_000) // Some more tries: they are not told again.
      expect(a.seen('peer-refused')).toHaveLength(1)
      expect([...a.seen('peer-up'), ...b.seen('peer-up'), ...a.seen('peer-found')]).toEqual([])
    }))

  it('names a peer that passed the handshake without the admission key', () =>
    withPair(async (lab) => {
      const a = await startHost(lab.host(0), 0)
      const b = await startHost(lab.host(1), 1, { admission: 'other', staticPeers: [victim] })
      expect(await a.event('peer-refused')).toMatchObject({ code: 'ForeignNetwork', peer: b.id })
      expect(await b.event('peer-refused')).toMatchObject({ code: 'ForeignNetwork', peer: a.id })
      expect([...a.seen('peer-up'), ...b.seen('peer-up')]).toEqual([])
    }))

  it('names both versions when they differ', () =>
    withPair(async (lab) => {
      const a = await startHost(lab.host(0), 0)
      const b = await startHost(lab.host(1), 1, { protocolVersion: 9 })
      const [atA, atB] = await Promise.all([a.event('peer-refused'), b.event('peer-refused')])
      expect(atA).toMatchObject({ code: 'ProtocolVersion', peer: b.id })
      expect(atA.detail).toMatch(/version 1.*speaks 9/)
      expect(atB).toMatchObject({ code: 'ProtocolVersion', peer: a.id })
      expect(atB.detail).toMatch(/version 9.*speaks 1/)
    }))

  it.each([
    { deed: 'garbage', code: 'Garbage' },
    { deed: 'oversize', code: 'Garbage' },
    { deed: 'flood', code: 'Flood' },
    { deed: 'endless-length', code: 'Garbage' },
  ])('cuts off a member that sends: $deed', ({ deed, code }) =>
    withPair(async (lab) => {
      const a = await startHost(lab.host(0), 0, {
        limits: { messagesBurstMax: 500, messagesPerSecondMax: 50 },
      })
      const b = lab.host(1).node(rogue, JSON.stringify({ deed, address: victim, token: 'one' }))
      const id = await b.until('the rogue', (line) => (line as { id?: string }).id, 20_000)
      await a.event('peer-up', (event) => event.peer === id)
      expect(await a.event('peer-refused')).toMatchObject({ code, peer: id })
      expect(await a.event('peer-down')).toMatchObject({ peer: id, reason: expect.stringContaining(code) })
      // It dials again at once, with good manners this time, and is kept out for a while.
      await b.until('its second refusal', (line) => (line as { second?: string }).second === 'refused')
      expect(a.seen('peer-up')).toHaveLength(1)
    }),
  )

  it('believes no round trip that it did not measure', () =>
    withPair(async (lab) => {
      const a = await startHost(lab.host(0), 0, { limits: { linkAnswerMs: 1_000 } })
      lab.host(1).node(rogue, JSON.stringify({ deed: 'false-pong', address: victim, token: 'one' }))
      await a.event('peer-up')
      await delay(3_000)
      const [peer] = await a.status('the rogue', (peers) => peers.length > 0)
      expect(peer).toMatchObject({ connected: true })
      expect(peer?.rttMs).toBeUndefined()
    }))

  it('keeps a peer out that the core cut off', () =>
    withPair(async (lab) => {
      const a = await startHost(lab.host(0), 0)
      const b = await startHost(lab.host(1), 1)
      await a.event('peer-up')
      a.tell({ do: 'cut-off', peer: b.id, code: 'Replay' })
      expect(await a.event('peer-down')).toMatchObject({ reason: expect.stringContaining('Replay') })
      expect(await b.event('peer-refused')).toMatchObject({ code: 'Replay', peer: a.id })
      expect(a.seen('peer-up')).toHaveLength(1)
    }))

  it('says which port is taken', () =>
    withPair(async (lab) => {
      await startHost(lab.host(0), 0)
      await expect(startHost(lab.host(0), 5)).rejects.toThrow(/ERR_PORT_IN_USE/)
    }))
})
