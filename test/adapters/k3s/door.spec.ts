// Proves that looking at the API's door starts a program only now and then, and that what was set is seen at once.
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { ApiDoor } from '../../../src/adapters/k3s/guard.ts'
import { accessKeyOf } from '../../../src/core/k3s/files.ts'
import type { RunProgram } from '../../../src/core/ports.ts'

let rule = ''
let reads = 0
/** What happens while a rule is read. */
let meanwhile = async (): Promise<void> => undefined

const exec: RunProgram = async (_argv, options = {}) => {
  const script = options.input ?? ''
  let stdout = ''
  if (script === '') {
    reads += 1
    stdout = rule
    await meanwhile()
  } else rule = script
  return { exitCode: 0, stdout, stderr: '', truncated: false }
}

beforeEach(() => {
  rule = ''
  reads = 0
  meanwhile = async () => undefined
  vi.useFakeTimers({ toFake: ['performance'] })
})
afterEach(() => {
  vi.useRealTimers()
})

it('is read once in fifteen seconds, and anew after it was set', async () => {
  const door = new ApiDoor(exec)
  expect(await door.read()).toBe('')
  await door.set('all')
  expect(await door.read()).toBe(accessKeyOf('all'))
  expect(await door.read()).toBe(accessKeyOf('all'))
  expect(reads).toBe(2)
  // Somebody flushed the firewall.
  rule = ''
  vi.advanceTimersByTime(14_000)
  expect(await door.read()).toBe(accessKeyOf('all'))
  vi.advanceTimersByTime(1_000)
  expect(await door.read()).toBe('')
})

it('does not remember what was read while it was set', async () => {
  const door = new ApiDoor(exec)
  meanwhile = async () => {
    meanwhile = async () => undefined
    await door.set(['10.144.0.1'])
  }
  expect(await door.read()).toBe('')
  expect(await door.read()).toBe(accessKeyOf(['10.144.0.1']))
})
