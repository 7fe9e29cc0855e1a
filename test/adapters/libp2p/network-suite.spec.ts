// Proves the promises of port Network on the fake in one process and on real hosts in a network namespace.
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { MemoryMedium } from '../../../src/testing/memory-network.ts'
import { networkSuite } from '../../../src/testing/network-suite.ts'
import { canNetns, createNetLab } from '../../support/netns.ts'

const runner = fileURLToPath(new URL('suite-runner.ts', import.meta.url))

describe('the network in memory', () => {
  it.each(networkSuite)('$name', async ({ run }) => {
    const medium = new MemoryMedium()
    const make = async (node: number, token = 'one') => medium.join({ id: `node-${node}`, token })
    await expect(run({ make })).resolves.toBeUndefined()
  })

  it('cuts a pair apart and joins it again', async () => {
    const medium = new MemoryMedium()
    const told: string[] = []
    const [a, b] = [medium.join({ id: 'a', token: 't' }), medium.join({ id: 'b', token: 't' })]
    await a.start((event) => told.push(event.kind))
    await b.start(() => undefined)
    medium.setReachable('a', 'b', false)
    medium.setReachable('a', 'b', true)
    await Promise.resolve()
    expect(told).toEqual(['machine-changed', 'peer-found', 'peer-up', 'peer-down', 'peer-up'])
  })
})

describe.skipIf(!canNetns)('real hosts (skipped without root and network namespaces)', () => {
  it('keep every promise', async () => {
    const lab = await createNetLab('muster-suite', [{ ipv4: '10.9.0.1/24' }])
    try {
      const child = lab.host(0).node(runner)
      await child.until('the end of the suite', (line) => (line as { done?: boolean }).done, 90_000)
      expect(child.lines.slice(0, -1)).toEqual(networkSuite.map(({ name }) => ({ name, failure: '' })))
    } finally {
      await lab.close()
    }
  }, 120_000)
})
