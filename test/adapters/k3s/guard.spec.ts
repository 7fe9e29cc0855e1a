// Proves that the API's door is closed to all but the team before `active` (S14): real nftables and real
// connections inside a network namespace of its own.
import { spawnSync } from 'node:child_process'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readAccess, rulesFor, setAccess } from '../../../src/adapters/k3s/guard.ts'
import { accessKeyOf } from '../../../src/core/k3s/files.ts'
import type { ApiAccess } from '../../../src/core/k3s/types.ts'
import type { RunProgram } from '../../../src/core/ports.ts'

const inside = `k3s-guard-${process.pid}`
const outside = `${inside}-out`

function run(...argv: readonly string[]): { status: number | null; stdout: string; stderr: string } {
  const [program = '', ...rest] = argv
  return spawnSync(program, rest, { encoding: 'utf8' })
}

const mayRun =
  process.getuid?.() === 0 && run('nft', '--version').status === 0 && run('ip', 'netns', 'list').status === 0

/** Programs run inside the namespace. */
const exec: RunProgram = async (argv, options = {}) => {
  const result = spawnSync('ip', ['netns', 'exec', inside, ...argv], {
    encoding: 'utf8',
    input: options.input ?? '',
  })
  return { exitCode: result.status ?? 1, stdout: result.stdout, stderr: result.stderr, truncated: false }
}

/** Whether somebody at `from` reaches a port of the guarded machine: refused counts, silence does not. */
function reaches(from: string, port: number): boolean {
  const script = `
    const socket = require('net').connect({ host: '10.9.0.1', port: ${port}, localAddress: '${from}' })
    socket.on('error', (error) => { console.log(error.code); process.exit() })
    setTimeout(() => { console.log('silence'); process.exit() }, 700)`
  const { stdout } = run('ip', 'netns', 'exec', outside, process.execPath, '-e', script)
  if (stdout.includes('ECONNREFUSED')) return true
  if (stdout.trim() !== 'silence') throw new Error(`unexpected: ${stdout}`)
  return false
}

describe.skipIf(!mayRun)(`the guard${mayRun ? '' : ' (NOT RUN: needs root, nft and ip netns)'}`, () => {
  beforeAll(() => {
    for (const command of [
      `netns add ${inside}`,
      `netns add ${outside}`,
      `-n ${inside} link set lo up`,
      `-n ${inside} link add muster-g type veth peer name muster-g netns ${outside}`,
      `-n ${inside} addr add 10.9.0.1/24 dev muster-g`,
      `-n ${outside} addr add 10.9.0.2/24 dev muster-g`,
      `-n ${outside} addr add 10.9.0.3/24 dev muster-g`,
      `-n ${inside} link set muster-g up`,
      `-n ${outside} link set muster-g up`,
    ]) {
      const result = run('ip', ...command.split(' '))
      if (result.status !== 0) throw new Error(`ip ${command}: ${result.stderr}`)
    }
  })

  afterAll(() => {
    run('ip', 'netns', 'del', inside)
    run('ip', 'netns', 'del', outside)
  })

  it('lets the team in and nobody else, then everybody, and knows which', async () => {
    expect(await readAccess(exec)).toBe('')
    expect(reaches('10.9.0.3', 6443)).toBe(true)

    const team: ApiAccess = ['10.9.0.2', 'fd00::2']
    await setAccess(exec, team)
    expect(await readAccess(exec)).toBe(accessKeyOf(team))
    expect(reaches('10.9.0.2', 6443)).toBe(true)
    for (const port of [6443, 2379, 2380]) expect(reaches('10.9.0.3', port), String(port)).toBe(false)
    expect(reaches('10.9.0.3', 22)).toBe(true)

    await setAccess(exec, 'all')
    expect(await readAccess(exec)).toBe('all')
    expect(reaches('10.9.0.3', 6443)).toBe(true)
    expect(reaches('10.9.0.3', 2379)).toBe(false)
  })

  it('replaces its rules instead of adding to them', async () => {
    await setAccess(exec, ['10.9.0.2'])
    await setAccess(exec, ['10.9.0.3'])
    const { stdout } = run('ip', 'netns', 'exec', inside, 'nft', 'list', 'table', 'inet', 'muster')
    expect(stdout).not.toContain('10.9.0.2')
    expect(stdout.match(/drop/g)).toHaveLength(1)
  })
})

describe('without nftables', () => {
  it('is a coded error, and no rule is seen', async () => {
    const missing: RunProgram = () => Promise.reject(new Error('spawn nft ENOENT'))
    await expect(setAccess(missing, 'all')).rejects.toMatchObject({ code: 'ERR_API_GUARD' })
    expect(await readAccess(missing)).toBe('')
  })
})

describe('the script', () => {
  it('closes the port to all where the team has no address yet', () => {
    expect(rulesFor([])).not.toContain('saddr')
    expect(rulesFor([])).toContain('drop')
  })
})
