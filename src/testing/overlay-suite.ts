import assert from 'node:assert/strict'
import type { OverlayIntent } from '../core/overlay/intent.ts'
import type { OverlayDevice } from '../core/ports.ts'

/** What an overlay under test is made of. */
export interface OverlayHarness {
  readonly device: OverlayDevice
  /** Name of a network device that the test may make. */
  readonly deviceName: string
}

/** One promise of the port, to be run in any test runner: `for (const c of overlaySuite) it(c.name, …)`. */
export interface OverlayCase {
  readonly name: string
  /** Run on a device of its own, which the caller stops afterwards. */
  run(harness: OverlayHarness): Promise<void>
}

/**
 * Everything that port `OverlayDevice` promises, whatever moves its packets. The real adapter needs
 * CAP_NET_ADMIN and a network namespace of its own.
 */
export const overlaySuite: readonly OverlayCase[] = [
  {
    name: 'is down, and says why, before it is told what to be',
    async run({ device }) {
      assert.equal(device.state().up, false)
      const { port, publicKey } = await device.start()
      assert.match(publicKey, /^[0-9a-f]{64}$/)
      assert.ok(port > 0 && port < 65_536)
      assert.equal(device.state().up, false)
      assert.notEqual(device.state().detail, '')
    },
  },
  {
    name: 'is what the intent says',
    async run({ device, deviceName }) {
      const intent = exampleIntent(deviceName)
      await device.start()
      await device.apply(intent)
      const { peers, detail, ...link } = device.state()
      const { address4, address6, mtu } = intent
      assert.deepEqual(link, { up: true, device: deviceName, address4, address6, mtu })
      assert.equal(detail, '')
      assert.deepEqual(
        peers.map(({ id }) => id),
        intent.peers.map(({ id }) => id),
      )
    },
  },
  {
    name: 'takes an intent as often as it is told, and the last one holds',
    async run({ device, deviceName }) {
      const intent = exampleIntent(deviceName)
      await device.start()
      await device.apply(intent)
      await device.apply(intent)
      await Promise.all([device.apply(intent), device.apply({ ...intent, mtu: 1_300, peers: [] })])
      const { up, mtu, peers } = device.state()
      assert.deepEqual({ up, mtu, peers }, { up: true, mtu: 1_300, peers: [] })
    },
  },
  {
    name: 'is down after stop, and has another key after the next start',
    async run({ device, deviceName }) {
      const first = await device.start()
      await device.apply(exampleIntent(deviceName))
      await device.stop()
      assert.equal(device.state().up, false)
      await device.stop()
      const second = await device.start()
      assert.notEqual(second.publicKey, first.publicKey)
      await device.apply(exampleIntent(deviceName))
      assert.equal(device.state().up, true)
    },
  },
  {
    name: 'refuses an intent before start',
    async run({ device, deviceName }) {
      await assert.rejects(device.apply(exampleIntent(deviceName)))
    },
  },
]

function exampleIntent(device: string): OverlayIntent {
  const peer = (index: number): OverlayIntent['peers'][number] => ({
    id: `12D3KooWPeer${index}`,
    address4: `10.144.0.${index}`,
    address6: `fd77::${index}`,
    key: `${index}`.padStart(64, '9'),
    endpoint: { host: '127.0.0.1', port: 9 },
  })
  return {
    device,
    address4: '10.144.0.1',
    prefix4: 16,
    address6: 'fd77::1',
    prefix6: 64,
    mtu: 1_420,
    peers: [peer(2), peer(3)],
  }
}
