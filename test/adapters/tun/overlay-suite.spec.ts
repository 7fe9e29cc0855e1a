// Proves the promises of port OverlayDevice on the fake and on the real device, the latter as an ordinary user
// who has a user and a network namespace of their own; and that a machine without leave is told why.
import type { SpawnSyncReturns } from 'node:child_process'
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { FakeOverlayDevice } from '../../../src/testing/overlay-fake.ts'
import { overlaySuite } from '../../../src/testing/overlay-suite.ts'

const runner = fileURLToPath(new URL('suite-runner.ts', import.meta.url))
const hostFile = fileURLToPath(new URL('overlay-host.ts', import.meta.url))

/** `unshare` with these flags, then a command. */
function inNamespaces(flags: string, command: readonly string[], input = ''): SpawnSyncReturns<string> {
  return spawnSync('unshare', [flags, ...command], { encoding: 'utf8', input, timeout: 60_000 })
}

const canUnshare = inNamespaces('-Urn', ['sh', '-c', 'test -r /dev/net/tun']).status === 0

describe('FakeOverlayDevice', () => {
  it.each(overlaySuite)('$name', async ({ run }) => {
    const device = new FakeOverlayDevice()
    await expect(run({ device, deviceName: 'muster0' })).resolves.toBeUndefined()
  })
})

describe.skipIf(!canUnshare)(
  `the real device in a user namespace${canUnshare ? '' : ' (SKIPPED: no user namespaces or no /dev/net/tun)'}`,
  () => {
    it('keeps every promise, and its process ends by itself', () => {
      const { status, stdout, stderr } = inNamespaces('-Urn', [process.execPath, runner])
      expect(stderr).toBe('')
      const results = stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as { name: string; failure: string })
      expect(results).toEqual(overlaySuite.map(({ name }) => ({ name, failure: '' })))
      expect(status).toBe(0)
    })

    it('says what is missing where it may not make a device', () => {
      const intent = {
        device: 'muster0',
        address4: '10.144.0.1',
        prefix4: 16,
        address6: 'fd77::1',
        prefix6: 64,
        mtu: 1_420,
        peers: [],
      }
      const commands = `${JSON.stringify({ do: 'apply', intent })}\n${JSON.stringify({ do: 'stop' })}\n`
      // A user namespace inside the network namespace: root there, without rights over the network here.
      const { stdout, status } = inNamespaces('-n', ['unshare', '-Ur', process.execPath, hostFile], commands)
      expect(stdout).toContain('ERR_OVERLAY_DEVICE')
      expect(stdout).toMatch(/permission denied/i)
      expect(status).toBe(0)
    })
  },
)
