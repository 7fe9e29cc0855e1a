// Runs the port's suite on the real device, in whatever network namespace it was started in; prints one JSON
// line a case. The child of overlay-suite.spec.ts.
import { createClock } from '../../../src/adapters/clock.ts'
import { runProgram } from '../../../src/adapters/exec.ts'
import { createLinks } from '../../../src/adapters/netlink/links.ts'
import { createOverlayDevice } from '../../../src/adapters/tun/overlay-device.ts'
import { overlaySuite } from '../../../src/testing/overlay-suite.ts'

for (const { name, run } of overlaySuite) {
  const device = createOverlayDevice(
    { links: createLinks({ run: runProgram }), clock: createClock() },
    { psk: new Uint8Array(32), self: '12D3KooWSelf', port: 0 },
  )
  let failure = ''
  try {
    await run({ device, deviceName: 'muster0' })
  } catch (error) {
    failure = String(error)
  }
  await device.stop()
  process.stdout.write(`${JSON.stringify({ name, failure })}\n`)
}
