// Proves the console: what it shows of a machine in each mode, that nothing which other machines say moves the cursor or
// breaks the screen's size (property), and that it draws and writes only when something has changed.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import fc from 'fast-check'
import { afterEach, describe, expect, it } from 'vitest'
import type { StatusResource } from '../../src/agent/api/resources.ts'
import { addressesOf, runConsole } from '../../src/machine/console.ts'
import type { ConsoleView } from '../../src/machine/console-view.ts'
import { consoleMarkers, consoleScreen } from '../../src/machine/console-view.ts'
import { FakeAgent } from '../cli/fake-agent.ts'
import { DirectoryMachine } from './directory-machine.ts'

const status: StatusResource = {
  apiVersion: 'muster/v1',
  kind: 'Status',
  now: 0,
  nodeId: '12D3KooWQ7XJ8yH8mXz2mPqsEAF3cV9uPq1bq7nT4nJmC1xS9dZk',
  hostname: 'n1',
  version: '0.1.0',
  phase: 'plan',
  note: '',
  assignment: null,
  plan: null,
  members: { known: 3, alive: 2 },
  peers: { connected: 1 },
  waiting: [
    {
      for: 'machines',
      have: 2,
      need: 3,
      missing: [],
      since: 0,
      retryAt: undefined,
      message: 'one is missing',
    },
  ],
  conditions: [],
}
const view: ConsoleView = {
  facts: {
    mode: 'installed',
    imageId: 'a'.repeat(64),
    machineId: '0'.repeat(32),
    uuid: '',
    hostname: 'n1',
    osIds: ['muster'],
    osVersion: '12',
    imageVersion: '1.0.0',
    arch: 'amd64',
  },
  version: '0.1.0',
  partition: 'muster-a',
  addresses: ['eth0 192.0.2.1'],
  agent: status,
  fingerprint: 'f1e2',
  install: undefined,
  missing: [],
  errors: [],
}

describe('the screen', () => {
  it('shows an installed machine and what its agent waits for', () => {
    const screen = consoleScreen(view).join('\n')
    for (const text of [
      'n1',
      'installed, from muster-a, image 1.0.0',
      'eth0 192.0.2.1',
      'fingerprint f1e2',
      status.nodeId,
      'machines 2/3: one is missing',
    ])
      expect(screen).toContain(text)
  })

  it('shows an installation, and one that failed', () => {
    const live: ConsoleView = { ...view, agent: undefined, facts: { ...view.facts, mode: 'live' } }
    expect(consoleScreen(live).join('\n')).toContain('not begun')
    const install = { title: 'Writing', number: 4, of: 10, bytes: 3 * 1_048_576 }
    expect(consoleScreen({ ...live, install }).join('\n')).toMatch(
      /\[#{9}\.{21}\] step 4 of 10\n\s+Writing, 3 MiB/,
    )
    expect(consoleScreen({ ...live, install: { ...install, error: 'no disk' } }).join('\n')).toContain(
      'failed: no disk',
    )
    expect(consoleScreen(live).join('\n')).not.toContain('agent')
  })

  it('says where to look when the agent does not answer', () => {
    expect(consoleScreen({ ...view, agent: undefined }).join('\n')).toContain('systemctl status muster')
  })

  it('says which partition is not there, and the log does', () => {
    const missing = ['/persist is not mounted: it could not be mounted when this boot began']
    expect(consoleScreen({ ...view, missing }).join('\n')).toMatch(/disk +\/persist is not mounted/)
    expect(consoleMarkers(view, { ...view, missing })).toEqual([`muster: disk: ${missing[0]}`])
  })

  it('has 24 lines of at most 79 plain characters, whatever others say', () => {
    const text = fc.string({ unit: 'binary', maxLength: 400 })
    fc.assert(
      fc.property(text, text, fc.array(text, { maxLength: 6 }), (one, two, many) => {
        const wild: ConsoleView = {
          ...view,
          facts: { ...view.facts, hostname: one },
          addresses: many,
          missing: many,
          errors: many,
          agent: { ...status, note: two, waiting: [{ ...status.waiting[0]!, message: one, for: two }] },
        }
        const screen = consoleScreen(wild)
        expect(screen).toHaveLength(24)
        for (const line of screen) expect(line).toMatch(/^[\x20-\x7e]{0,79}$/)
        for (const line of consoleMarkers(undefined, wild)) expect(line).toMatch(/^[\x20-\x7e]*$/)
      }),
    )
  })
})

describe('the lines of the log', () => {
  it('tell what has changed, and nothing twice', () => {
    expect(consoleMarkers(view, view)).toEqual([])
    const assignment = {
      role: 'control-plane',
      name: 'n1',
      address4: '10.1.0.1',
      address6: '',
      reason: '',
    } as const
    expect(consoleMarkers(view, { ...view, agent: { ...status, assignment, waiting: [] } })).toEqual([
      'muster: role: control-plane n1 10.1.0.1',
    ])
  })
})

describe('addresses', () => {
  it('are those of the own links, link-local ones only where there are no others', () => {
    const entry = (address: string, internal = false): never => ({ address, internal }) as never
    expect(
      addressesOf({
        lo: [entry('127.0.0.1', true)],
        eth0: [entry('192.0.2.1'), entry('fe80::1')],
        eth1: [entry('169.254.1.1')],
        muster0: [entry('10.1.0.1')],
        cni0: [entry('10.42.0.1')],
      }),
    ).toEqual(['eth0 192.0.2.1', 'eth1 169.254.1.1'])
  })
})

describe('the console', () => {
  const machine = new DirectoryMachine()
  let fake: FakeAgent | undefined
  afterEach(async () => {
    await fake?.close()
    machine.remove()
  })

  it('draws at a change only, writes each as a line, and makes no file where there is no terminal', async () => {
    fake = new FakeAgent()
    await fake.listen()
    fake.answer({ '/v1/status': status })
    for (const name of ['tty', 'log']) writeFileSync(join(machine.root, name), '')
    const end = new AbortController()
    const done = runConsole(
      {
        root: machine.root,
        socketPath: fake.socket,
        tty: join(machine.root, 'tty'),
        log: join(machine.root, 'log'),
        intervalMs: 5,
      },
      end.signal,
    )
    const until = async (condition: () => boolean): Promise<void> => {
      while (!condition()) await sleep(5)
    }
    await until(() => (fake?.requests.length ?? 0) > 5)
    const drawings = (): number => machine.read('/tty').split('\u001B[H').length - 1
    expect(drawings()).toBe(1)
    fake.answer({ '/v1/status': { ...status, phase: 'overlay' } })
    await until(() => machine.read('/log').includes('phase: overlay'))
    end.abort()
    await done
    expect(drawings()).toBe(2)
    const lines = machine.read('/log').split('\r\n')
    expect(lines.filter((line) => line.startsWith('muster: phase:'))).toEqual([
      'muster: phase: plan',
      'muster: phase: overlay',
    ])

    const absent = AbortSignal.timeout(30)
    await runConsole(
      {
        root: machine.root,
        socketPath: fake.socket,
        tty: undefined,
        log: join(machine.root, 'none'),
        intervalMs: 5,
      },
      absent,
    )
    expect(() => machine.read('/none')).toThrow('ENOENT')
  })
})
