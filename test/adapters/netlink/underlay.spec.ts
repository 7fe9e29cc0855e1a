// Proves which links decide the overlay's MTU, on what `ip -json` prints, and that the overlay never goes under 1280.
import { describe, expect, it } from 'vitest'
import { smallestUnderlayMtu } from '../../../src/adapters/netlink/underlay.ts'
import { overlayMtu } from '../../../src/core/overlay/mtu.ts'
import type { RunProgram } from '../../../src/core/ports.ts'

const answering =
  (links: unknown, exitCode = 0): RunProgram =>
  () =>
    Promise.resolve({ exitCode, stdout: JSON.stringify(links), stderr: '', truncated: false })

const lo = { ifname: 'lo', flags: ['LOOPBACK', 'UP'], mtu: 65_536 }
const link = (ifname: string, mtu: number): object => ({ ifname, mtu, flags: ['BROADCAST', 'UP'] })

describe('the smallest MTU below the overlay', () => {
  it.each<[string, readonly object[], number | undefined]>([
    ['one link', [lo, link('eth0', 1_500)], 1_500],
    ['the smallest of several', [lo, link('eth0', 9_000), link('wg0', 1_400)], 1_400],
    ['not the overlay itself', [link('eth0', 1_500), link('muster0', 1_300)], 1_500],
    [
      'not what the cluster made',
      [link('eth0', 1_500), link('flannel.1', 1_350), link('cni0', 1_350)],
      1_500,
    ],
    ['no link but the loopback', [lo], undefined],
  ])('%s', async (_, links, mtu) => {
    expect(await smallestUnderlayMtu(answering(links), ['muster0'])).toBe(mtu)
  })

  it('is unknown where `ip` fails or is missing', async () => {
    expect(await smallestUnderlayMtu(answering([], 1), [])).toBeUndefined()
    expect(await smallestUnderlayMtu(() => Promise.reject(new Error('ENOENT')), [])).toBeUndefined()
  })

  it.each([
    [1_500, 1_420],
    [9_000, 8_920],
    [1_340, 1_280],
    [576, 1_280],
  ])('over %i bytes the overlay takes %i', (underlay, mtu) => {
    expect(overlayMtu(underlay)).toBe(mtu)
  })
})
