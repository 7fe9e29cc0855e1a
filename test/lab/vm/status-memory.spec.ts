// Proves that whoever waits for emulated machines does not keep them from their work: an agent is asked when its console says
// something new, not oftener than it bears, and once a minute anyway.
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import type { StatusResource } from '../../../src/agent/api/resources.ts'
import { StatusMemory } from '../../../src/lab/vm/status-memory.ts'

let asked = 0
const tookMs = 1_000
const ask = async (): Promise<StatusResource | undefined> => {
  asked++
  vi.advanceTimersByTime(tookMs)
  return { phase: `answer ${asked}` } as unknown as StatusResource
}

beforeEach(() => {
  asked = 0
  vi.useFakeTimers({ toFake: ['performance'] })
})
afterEach(() => {
  vi.useRealTimers()
})

it('asks when the console says something new, after a rest', async () => {
  const memory = new StatusMemory()
  expect(await memory.statusOf('m1', 'phase: plan', ask)).toMatchObject({ phase: 'answer 1' })
  expect(await memory.statusOf('m1', 'phase: plan', ask)).toMatchObject({ phase: 'answer 1' })
  expect(await memory.statusOf('m1', 'phase: k3s', ask)).toMatchObject({ phase: 'answer 1' })
  vi.advanceTimersByTime(8 * tookMs)
  expect(await memory.statusOf('m1', 'phase: plan', ask)).toMatchObject({ phase: 'answer 1' })
  expect(await memory.statusOf('m1', 'phase: k3s', ask)).toMatchObject({ phase: 'answer 2' })
})

it('asks once a minute although the console is silent, and does not before it ever spoke', async () => {
  const memory = new StatusMemory()
  expect(await memory.statusOf('m1', '', ask)).toBeUndefined()
  vi.advanceTimersByTime(59_000)
  expect(await memory.statusOf('m1', '', ask)).toBeUndefined()
  vi.advanceTimersByTime(1_000)
  expect(await memory.statusOf('m1', '', ask)).toMatchObject({ phase: 'answer 1' })
})

it('knows nothing of a machine that starts anew', async () => {
  const memory = new StatusMemory()
  await memory.statusOf('m1', 'phase: ready', ask)
  memory.forget('m1')
  expect(await memory.statusOf('m1', '', ask)).toBeUndefined()
})
