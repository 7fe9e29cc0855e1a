// Proves what systemd is told and how its answers are read: unit text and calls against a recorded `systemctl`.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { readState, systemdServices, unitText } from '../../../src/adapters/service/systemd.ts'
import type { RunProgram, ServiceUnit } from '../../../src/core/ports.ts'

const unit: ServiceUnit = {
  name: 'k3s',
  description: 'Lightweight Kubernetes',
  command: ['/usr/bin/k3s', 'server', '--data-dir', '/with space/100%/$HOME'],
  environment: { K3S_DEBUG: 'a "b"' },
  unlessExists: '/var/lib/rancher/k3s/server/db/etcd/tombstone',
}

let directory = ''
let calls: string[] = []
let show = ''

const exec: RunProgram = async (argv) => {
  calls.push(argv.slice(1).join(' '))
  return { exitCode: 0, stdout: argv[1] === 'show' ? show : '', stderr: '', truncated: false }
}

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'muster-units-'))
  calls = []
  show = 'LoadState=loaded\nActiveState=inactive\nMainPID=0\nNRestarts=0\nResult=success\n'
})
afterEach(() => rmSync(directory, { recursive: true, force: true }))

describe('the unit', () => {
  it('is that of k3s’ own installer, and does not start over a tombstone', () => {
    const lines = unitText(unit).split('\n')
    for (const line of [
      'Type=notify',
      'KillMode=process',
      'Delegate=yes',
      'Restart=always',
      'RestartSec=5s',
      'TimeoutStartSec=0',
      'ConditionPathExists=!/var/lib/rancher/k3s/server/db/etcd/tombstone',
    ]) {
      expect(lines).toContain(line)
    }
  })

  it('quotes what systemd would expand', () => {
    expect(unitText(unit)).toContain(
      'ExecStart="/usr/bin/k3s" "server" "--data-dir" "/with space/100%%/$$HOME"',
    )
    expect(unitText(unit)).toContain(String.raw`Environment="K3S_DEBUG=a \"b\""`)
  })
})

describe('systemctl', () => {
  it('is never waited for at a start, and only restarts what changed', async () => {
    const services = systemdServices({ exec }, { directory })
    await services.start(unit)
    expect(readFileSync(join(directory, 'k3s.service'), 'utf8')).toBe(unitText(unit))
    expect(calls.filter((call) => !call.startsWith('show'))).toEqual([
      'daemon-reload',
      'restart --no-block k3s.service',
    ])
    calls = []
    await services.start(unit)
    expect(calls.filter((call) => !call.startsWith('show'))).toEqual(['start --no-block k3s.service'])
  })

  it('forgives a failed unit before it starts it', async () => {
    show = show.replace('inactive', 'failed')
    await systemdServices({ exec }, { directory }).start(unit)
    expect(calls).toContain('reset-failed k3s.service')
  })

  it('is waited for at a stop: nobody may write the data that are renamed next', async () => {
    writeFileSync(join(directory, 'k3s.service'), '')
    await systemdServices({ exec }, { directory }).stop('k3s')
    expect(calls).toContain('stop k3s.service')
    writeFileSync(join(directory, 'k3s.service'), '')
    show = 'LoadState=not-found\nActiveState=inactive\n'
    calls = []
    await systemdServices({ exec }, { directory }).stop('k3s')
    expect(calls.filter((call) => !call.startsWith('show'))).toEqual([])
  })

  it('is not started to say that there is no unit; one that somebody else put there counts', async () => {
    const services = systemdServices({ exec }, { directory, searched: [join(directory, 'others')] })
    expect(await services.state('k3s')).toMatchObject({ name: 'k3s', state: 'absent', pid: undefined })
    expect(calls).toEqual([])
    mkdirSync(join(directory, 'others'))
    writeFileSync(join(directory, 'others/k3s.service'), '')
    expect((await services.state('k3s')).state).toBe('stopped')
    expect(calls).toEqual([expect.stringContaining('show k3s.service')])
  })

  it('gives a coded error with its words', async () => {
    writeFileSync(join(directory, 'k3s.service'), '')
    const failing: RunProgram = async () => ({
      exitCode: 1,
      stdout: '',
      stderr: 'no bus\n',
      truncated: false,
    })
    const state = systemdServices({ exec: failing }, { directory }).state('k3s')
    await expect(state).rejects.toMatchObject({ code: 'ERR_SERVICE', details: { detail: 'no bus' } })
  })

  it.each([
    ['LoadState=not-found\nActiveState=inactive', 'absent'],
    ['LoadState=loaded\nActiveState=activating', 'starting'],
    ['LoadState=loaded\nActiveState=active', 'running'],
    ['LoadState=loaded\nActiveState=failed\nResult=exit-code', 'failed'],
    ['LoadState=loaded\nActiveState=inactive', 'stopped'],
  ])('%s means %s', (output, state) => {
    expect(readState('k3s', output).state).toBe(state)
  })
})
