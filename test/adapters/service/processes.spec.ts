// Proves that services in a lab outlive their supervisor, are taken over by the next one, and are never mistaken
// for a stranger: real processes in a temporary directory.
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { isAlive, markOf } from '../../../src/adapters/service/process-table.ts'
import type { ProcessServices } from '../../../src/adapters/service/processes.ts'
import { processServices } from '../../../src/adapters/service/processes.ts'
import type { ServiceUnit } from '../../../src/core/ports.ts'

let directory = ''
const supervisors: ProcessServices[] = []

function supervisor(change: { restartDelayMs?: number; logBytesMax?: number } = {}): ProcessServices {
  const made = processServices({ directory, host: 'h1', restartDelayMs: 0, stopTimeoutMs: 1_000, ...change })
  supervisors.push(made)
  return made
}

function unit(script: string, change: Partial<ServiceUnit> = {}): ServiceUnit {
  const command = [process.execPath, '-e', script]
  return { name: 'k3s', description: 'a test', command, environment: { WORD: 'hello' }, ...change }
}

const forever = 'setInterval(() => {}, 1000)'

async function until(what: string, condition: () => Promise<boolean>): Promise<void> {
  const end = performance.now() + 20_000 * Number(process.env['MUSTER_TEST_TIME_FACTOR'] ?? '1')
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`never: ${what}`)
    await delay(50)
  }
}

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'muster-services-'))
})

afterEach(async () => {
  await supervisors[0]?.stop('k3s')
  for (const made of supervisors.splice(0)) made.close()
  rmSync(directory, { recursive: true, force: true })
})

describe('a plain supervisor', () => {
  it('starts a service with its environment and the name of the host, and shows its last words', async () => {
    const services = supervisor()
    const { WORD } = { WORD: 'process.env.WORD + process.env.MUSTER_HOST + process.env.MUSTER_SERVICE' }
    await services.start(unit(`console.log(${WORD}); ${forever}`))
    await until('it speaks', async () => (await services.state('k3s')).detail === 'helloh1k3s')
    expect(await services.state('k3s')).toMatchObject({ state: 'running', restarts: 0 })
    expect((await services.state('unheard-of')).state).toBe('absent')
  })

  it('does not start twice, and restarts when the unit changed', async () => {
    const services = supervisor()
    await services.start(unit(forever))
    const { pid } = await services.state('k3s')
    await services.start(unit(forever))
    expect((await services.state('k3s')).pid).toBe(pid)
    await services.start(unit(forever, { environment: { WORD: 'other' } }))
    expect((await services.state('k3s')).pid).not.toBe(pid)
  })

  it('leaves the service running when it ends, and the next one takes it over', async () => {
    const first = supervisor()
    await first.start(unit(forever))
    const { pid } = await first.state('k3s')
    first.close()
    const second = supervisor()
    expect(await second.state('k3s')).toMatchObject({ state: 'running', pid })
    await second.start(unit(forever))
    expect((await second.state('k3s')).pid).toBe(pid)
    await second.stop('k3s')
    expect(await markOf(pid ?? 0)).toBeUndefined()
    expect((await second.state('k3s')).state).toBe('stopped')
  })

  it('starts a service again that ended, one that was taken over too', async () => {
    const first = supervisor()
    await first.start(unit(forever))
    const { pid } = await first.state('k3s')
    first.close()
    const second = supervisor()
    await second.state('k3s')
    process.kill(pid ?? 0, 'SIGKILL')
    await until('it runs again', async () => {
      const state = await second.state('k3s')
      return state.state === 'running' && state.pid !== pid && state.restarts === 1
    })
  })

  it('never touches a process that got the pid of its service later', async () => {
    const services = supervisor()
    await services.start(unit(forever))
    const { pid } = await services.state('k3s')
    // The kernel counts start times in hundredths of a second, and uses no pid again within one.
    await delay(50)
    const stranger = spawn(process.execPath, ['-e', forever], { stdio: 'ignore' })
    try {
      const path = join(directory, 'k3s/service.json')
      const text = readFileSync(path, 'utf8').replace(`"pid":${pid}`, `"pid":${stranger.pid}`)
      writeFileSync(path, text)
      expect((await services.state('k3s')).state).toBe('failed')
      await services.stop('k3s')
      expect(await markOf(stranger.pid ?? 0)).toBeDefined()
    } finally {
      stranger.kill('SIGKILL')
      process.kill(pid ?? 0, 'SIGKILL')
    }
  })

  it('ends a service that does not want to', async () => {
    const services = supervisor()
    await services.start(unit(`process.on('SIGTERM', () => {}); console.log('deaf'); ${forever}`))
    await until('it is deaf', async () => (await services.state('k3s')).detail === 'deaf')
    const { pid } = await services.state('k3s')
    await services.stop('k3s')
    expect(await markOf(pid ?? 0)).toBeUndefined()
  })

  it('does not start, and not start again, while the forbidding file exists', async () => {
    const unlessExists = join(directory, 'tombstone')
    const services = supervisor()
    await services.start(
      unit(`require('fs').writeFileSync(${JSON.stringify(unlessExists)}, '')`, { unlessExists }),
    )
    await until('it is forbidden', async () =>
      (await services.state('k3s')).detail.includes('not started while'),
    )
    expect(existsSync(unlessExists)).toBe(true)
    await services.start(unit(forever, { unlessExists }))
    expect(await services.state('k3s')).toMatchObject({ state: 'failed', pid: undefined })
  })

  it('keeps its log within bounds', async () => {
    const services = supervisor({ logBytesMax: 10_000 })
    await services.start(unit(`setInterval(() => console.log('x'.repeat(999)), 5)`))
    const log = join(directory, 'k3s/log')
    // Between the copy and the new beginning both are equal.
    await until(
      'the log is begun again',
      async () => existsSync(`${log}.1`) && statSync(log).size < statSync(`${log}.1`).size,
    )
  })

  it('says by a code that a program cannot be started', async () => {
    const services = supervisor()
    const missing = unit('', { command: ['/nowhere/k3s'] })
    await expect(services.start(missing)).rejects.toMatchObject({ code: 'ERR_SERVICE' })
  })
})

describe('the mark of a process', () => {
  it('is alive only with the same start time and boot', async () => {
    const mark = await markOf(process.pid)
    if (mark === undefined) throw new Error('this process is alive')
    expect(await isAlive(mark)).toBe(true)
    expect(await isAlive({ ...mark, startTime: '1' })).toBe(false)
    expect(await isAlive({ ...mark, boot: 'another' })).toBe(false)
  })
})
