import type { OverlayIntent } from '../core/overlay/intent.ts'
import type { OverlayDevice } from '../core/ports.ts'

/** What a test framework must give: `test` and `expect` of vitest or node:test fit with a line of glue. */
export interface SuiteFramework {
  test(name: string, run: () => Promise<void>): void
  /** Fails the test with `message` where `actual` is not deeply equal to `expected`. */
  equal(actual: unknown, expected: unknown, message: string): void
}

/** Makes one device for one test. */
export type OverlayDeviceFactory = () => Promise<{
  readonly device: OverlayDevice
  /** Name of a network device that the test may make. */
  readonly name: string
  /** Removes what the test made. */
  dispose(): Promise<void>
}>

/**
 * What every `OverlayDevice` does, whatever moves its packets. The real adapter needs CAP_NET_ADMIN in a
 * network namespace of its own.
 */
export function overlayDeviceSuite(framework: SuiteFramework, create: OverlayDeviceFactory): void {
  const { equal } = framework

  const test = (name: string, run: (device: OverlayDevice, intent: OverlayIntent) => Promise<void>): void => {
    framework.test(name, async () => {
      const { device, name: deviceName, dispose } = await create()
      try {
        await run(device, exampleIntent(deviceName))
      } finally {
        await device.stop()
        await dispose()
      }
    })
  }

  test('is down before it is told what to be', async (device) => {
    equal(device.state().up, false, 'not up before start')
    const started = await device.start()
    equal(/^[0-9a-f]{64}$/.test(started.publicKey), true, 'the public key is 32 bytes in hex')
    equal(started.port > 0 && started.port < 65_536, true, 'the port is a UDP port')
    equal(device.state().up, false, 'not up before an intent')
    equal(device.state().detail === '', false, 'it says why')
  })

  test('is what the intent says', async (device, intent) => {
    await device.start()
    await device.apply(intent)
    const { up, address4, address6, mtu, device: name, peers } = device.state()
    const { address4: want4, address6: want6, mtu: wantMtu, device: wantName } = intent
    equal(
      { up, address4, address6, mtu, name },
      { up: true, address4: want4, address6: want6, mtu: wantMtu, name: wantName },
      'state equals intent',
    )
    equal(
      peers.map((peer) => peer.id),
      intent.peers.map((peer) => peer.id),
      'peers equal the intent, in its order',
    )
  })

  test('takes the same intent again, and a changed one, as often as it is told', async (device, intent) => {
    await device.start()
    await device.apply(intent)
    await device.apply(intent)
    const moved = { ...intent, mtu: 1_300, peers: [] }
    await Promise.all([device.apply(intent), device.apply(moved)])
    const { up, mtu, peers } = device.state()
    equal({ up, mtu, peers }, { up: true, mtu: 1_300, peers: [] }, 'the last intent holds')
  })

  test('is down after stop, and has another key after the next start', async (device, intent) => {
    const first = await device.start()
    await device.apply(intent)
    await device.stop()
    equal(device.state().up, false, 'down after stop')
    await device.stop()
    const second = await device.start()
    equal(second.publicKey === first.publicKey, false, 'a start makes its own key')
    await device.apply(intent)
    equal(device.state().up, true, 'up again')
  })

  test('refuses an intent before start', async (device, intent) => {
    const outcome = await device.apply(intent).then(
      () => 'taken',
      () => 'refused',
    )
    equal(outcome, 'refused', 'an intent before start is refused')
  })
}

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
