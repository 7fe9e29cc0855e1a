// Proves that somebody on the link without a token, and two machines with one identity, do little harm.
import { fileURLToPath } from 'node:url'
import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { canNetns, createNetLab, timeFactor } from '../../support/netns.ts'
import type { NetLab, NetProcess } from '../../support/netns.ts'
import { only, startHost } from './host.ts'

const program = fileURLToPath(new URL('stranger-child.ts', import.meta.url))
const victim = '10.9.0.1'

async function withThree(run: (lab: NetLab) => Promise<void>): Promise<void> {
  const plans = [1, 2, 3].map((n) => ({ ipv4: `10.9.0.${n}/24`, linkLocal: false, defaultRoute: true }))
  const lab = await createNetLab('muster-strange', plans)
  try {
    await run(lab)
  } finally {
    await lab.close()
  }
}

function stranger(lab: NetLab, deed: 'half-open' | 'replay' | 'lie'): NetProcess {
  return lab.host(2).node(program, JSON.stringify({ deed, self: '10.9.0.3', victim, token: 'one' }))
}

// Four tests with three hosts each run side by side: on a busy machine their starts alone take most of the usual time.
const options = { timeout: 120_000 * timeFactor, concurrent: true }

describe.skipIf(!canNetns)('strangers (skipped without root and network namespaces)', options, () => {
  it('cannot keep members out by connections that say nothing', () =>
    withThree(async (lab) => {
      const a = await startHost(lab.host(0), 0, { discovery: only('none') })
      await stranger(lab, 'half-open').until(
        'many',
        (line) => (line as { open?: number }).open! > 300,
        30_000,
      )
      const b = await startHost(lab.host(1), 1, {
        discovery: only('none'),
        staticPeers: [`/ip4/${victim}/tcp/4710`],
      })
      await b.event('peer-up', (event) => event.peer === a.id)
    }))

  it('cannot turn members to themselves with a repeated call of the beacon', () =>
    withThree(async (lab) => {
      const other = stranger(lab, 'replay')
      // The members cannot reach each other: whoever believed the stranger would dial him.
      const [a] = await Promise.all(
        [0, 1].map((n) => startHost(lab.host(n), n, { discovery: only('beacon') })),
      )
      await a!.event('peer-up')
      await other.until(
        'repeated calls of both',
        (line) => (line as { repeated?: string }).repeated === victim,
      )
      await delay(4_000)
      a!.tell({ do: 'peers' })
      const [peer] = await a!.status('its peers', (peers) => peers.length > 0)
      expect(peer?.connected).toBe(true)
      expect(other.lines.filter((line) => 'believed' in (line as object))).toEqual([])
      lab.setReachable(1, false)
      await delay(4_000)
      expect(other.lines.filter((line) => 'believed' in (line as object))).toEqual([])
    }))

  it('cannot add identities to those that a birth counts', () =>
    withThree(async (lab) => {
      const a = await startHost(lab.host(0), 0, { discovery: only('mdns') })
      const liar = stranger(lab, 'lie')
      await liar.until('its lies are heard', (line) => (line as { found?: string }).found === a.id)
      const b = await startHost(lab.host(1), 1, { discovery: only('mdns') })
      await a.event('peer-up', (event) => event.peer === b.id, 30_000)
      // They are tried in vain, and are listed as what they are.
      await a.status(
        'failed dials',
        (peers) => peers.filter(({ lastError }) => lastError !== '').length === 5,
      )
      expect(a.seen('peer-found').map(({ peer }) => peer)).toEqual([b.id])
    }))

  it('two machines with one identity do not drive each other out without end', () =>
    withThree(async (lab) => {
      const a = await startHost(lab.host(0), 0, { discovery: only('none') })
      const init = { discovery: only('none'), staticPeers: [`/ip4/${victim}/tcp/4710`] }
      await startHost(lab.host(1), 1, init)
      await startHost(lab.host(2), 1, init)
      // Whoever came first is driven out, or the other is refused: both have had their turns by then.
      await a.event('peer-up')
      await delay(10_000)
      const early = a.seen('peer-up').length
      await delay(8_000)
      // Each time later than the last: by now a few in eight seconds.
      expect(a.seen('peer-up').length - early).toBeLessThan(8)
    }))
})
