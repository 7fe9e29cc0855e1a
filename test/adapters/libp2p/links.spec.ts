// Proves that links survive what links meet: partitions, restarts, simultaneous dials and a peer that stalls.
import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { canNetns, createNetLab } from '../../support/netns.ts'
import type { NetLab } from '../../support/netns.ts'
import { only, startHost } from './host.ts'
import type { TestHost } from './host.ts'

const quick = { linkIdleMs: 800, linkAnswerMs: 800, backoffMaxMs: 1_500, dialTimeoutMs: 1_500 }
const endpoint = (index: number): string => `/ip4/10.9.0.${index + 1}/tcp/4710`
const ping = (nonce: number) => ({ kind: 'ping', nonce, claims: [] }) as const

async function withPair(run: (lab: NetLab) => Promise<void>): Promise<void> {
  const lab = await createNetLab('muster-link', [
    { ipv4: '10.9.0.1/24', linkLocal: false },
    { ipv4: '10.9.0.2/24', linkLocal: false },
  ])
  try {
    await run(lab)
  } finally {
    await lab.close()
  }
}

/** Two hosts that know of each other only what `keepPeers` tells them. */
async function pair(lab: NetLab, limits: object): Promise<readonly [TestHost, TestHost]> {
  const init = { discovery: only('none'), limits }
  const [a, b] = await Promise.all([startHost(lab.host(0), 0, init), startHost(lab.host(1), 1, init)])
  a.tell({ do: 'keep', peers: [{ id: b.id, endpoints: [endpoint(1)] }] })
  b.tell({ do: 'keep', peers: [{ id: a.id, endpoints: [endpoint(0)] }] })
  return [a, b]
}

const up = (host: TestHost, from = 0): Promise<unknown> => host.event('peer-up', undefined, 20_000, from)

describe.skipIf(!canNetns).concurrent('links (skipped without root and network namespaces)', () => {
  it('are measured soon, also while messages flow', () =>
    withPair(async (lab) => {
      const [a, b] = await pair(lab, {})
      await Promise.all([up(a), up(b)])
      const talk = setInterval(() => a.tell({ do: 'send', to: b.id, message: ping(1) }), 100)
      try {
        for (const host of [a, b]) await host.status('a round trip', ([peer]) => (peer?.rttMs ?? 0) > 0)
      } finally {
        clearInterval(talk)
      }
    }))

  it('come back after a partition that outlasts every time-out', () =>
    withPair(async (lab) => {
      const [a, b] = await pair(lab, quick)
      await Promise.all([up(a), up(b)])
      lab.setReachable(1, false)
      await Promise.all([a.event('peer-down'), b.event('peer-down')])
      const [status] = await a.status('failed tries', (peers) => peers[0]?.lastError !== '')
      expect(status).toMatchObject({ connected: false, retryInMs: expect.any(Number) })
      await delay(5_000)
      const [fromA, fromB] = [a.process.lines.length, b.process.lines.length]
      lab.setReachable(1, true)
      await Promise.all([up(a, fromA), up(b, fromB)])
    }))

  it('notice a pulled cable and are there soon after it is back', () =>
    withPair(async (lab) => {
      const [a, b] = await pair(lab, { ...quick, backoffMaxMs: 60_000, backoffMinMs: 20_000 })
      await Promise.all([up(a), up(b)])
      lab.setLink(1, false)
      await b.event('machine-changed', (event) => !event.linkUp)
      await Promise.all([a.event('peer-down'), b.event('peer-down')])
      const from = b.process.lines.length
      lab.setLink(1, true)
      // The back-off alone would wait 20 s and more: the link's return is what makes it try.
      expect(await b.event('peer-up', undefined, 8_000, from)).toMatchObject({ peer: a.id })
    }))

  it('settle on one connection after simultaneous dials, without a lost message or a false alarm', () =>
    withPair(async (lab) => {
      const [a, b] = await pair(lab, { politenessMs: 0 })
      const burst = { do: 'send', times: 200 } as const
      a.tell({ ...burst, to: b.id, message: ping(1) })
      b.tell({ ...burst, to: a.id, message: ping(2) })
      await Promise.all([up(a), up(b)])
      await delay(7_000)
      for (const host of [a, b]) {
        expect(host.seen('message')).toHaveLength(200)
        expect(host.seen('peer-up')).toHaveLength(1)
        expect(host.seen('peer-down')).toEqual([])
      }
    }))

  it('tell a peer that was killed and started again, and carry messages after it', () =>
    withPair(async (lab) => {
      const [a, b] = await pair(lab, quick)
      await Promise.all([up(a), up(b)])
      await b.process.kill()
      const again = await startHost(lab.host(1), 1, { discovery: only('none'), staticPeers: [endpoint(0)] })
      expect(again.id).toBe(b.id)
      await up(again)
      await a.event('peer-down')
      await a.event('peer-up', undefined, 10_000, a.process.lines.findIndex(isDown))
      a.tell({ do: 'send', to: again.id, message: ping(3) })
      expect(await again.event('message')).toMatchObject({ message: { nonce: 3 } })
    }))

  it('dial on demand when something is sent, and stop cleanly', () =>
    withPair(async (lab) => {
      const init = { discovery: only('none'), limits: { discoveredLinksMax: 0 } }
      const b = await startHost(lab.host(1), 1, init)
      const a = await startHost(lab.host(0), 0, {
        ...init,
        remembered: [{ id: b.id, endpoints: [endpoint(1)] }],
      })
      await delay(1_000)
      expect(a.seen('peer-up')).toEqual([])
      a.tell({ do: 'send', to: b.id, message: ping(4) })
      expect(await b.event('message')).toMatchObject({ from: a.id, message: { nonce: 4 } })
      a.tell({ do: 'stop' })
      await a.process.until('an orderly end', (line) => (line as { stopped?: boolean }).stopped)
      await b.event('peer-down')
    }))

  it('keep memory bounded while the receiver stalls, and deliver what matters afterwards', () =>
    withPair(async (lab) => {
      const [a, b] = await pair(lab, {})
      await Promise.all([up(a), up(b)])
      const before = await memory(a)
      process.kill(b.process.child.pid ?? 0, 'SIGSTOP')
      // 100 MB of gossip, were it all kept.
      for (let i = 0; i < 10; i++) a.tell({ do: 'send-bulk', to: b.id, messages: 2_000, idCount: 100 })
      a.tell({ do: 'send', to: b.id, message: ping(5) })
      expect((await memory(a)) - before).toBeLessThan(64)
      process.kill(b.process.child.pid ?? 0, 'SIGCONT')
      await b.event('message', (event) => event.message.kind === 'ping' && event.message.nonce === 5)
      expect(a.seen('peer-down')).toEqual([])
    }))
})

function isDown(line: unknown): boolean {
  return (line as { readonly kind?: string }).kind === 'peer-down'
}

async function memory(host: TestHost): Promise<number> {
  const from = host.process.lines.length
  host.tell({ do: 'memory' })
  return await host.process.until('its memory', (line) => (line as { rssMiB?: number }).rssMiB, 20_000, from)
}
