// Proves that an agent which cannot start says so in one coded error with a hint, ends with the exit code of its
// kind, and changes nothing: real processes, stopped before they open any socket to the network.
import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { newNetwork } from '../../src/agent/api/operator.ts'

const factor = Number(process.env['MUSTER_TEST_TIME_FACTOR'] ?? '1')
const main = join(import.meta.dirname, '../../src/cli/main.ts')
const directory = mkdtempSync(join(tmpdir(), 'muster-bad-luck-'))
const { token } = newNetwork({ name: 'site' })
const mistyped = `${token.slice(0, 30)}${token[30] === 'a' ? 'b' : 'a'}${token.slice(31)}`

afterAll(() => rmSync(directory, { recursive: true, force: true }))

interface Ended {
  readonly code: number
  readonly stderr: string
  readonly root: string
}

/** Starts an agent with this configuration, and waits until it has given up. */
function start(name: string, config: string, prepare?: (root: string) => void): Promise<Ended> {
  const root = join(directory, name)
  const file = join(directory, `${name}.yaml`)
  mkdirSync(root, { recursive: true })
  writeFileSync(file, `#cloud-config\n${config}\n`)
  prepare?.(root)
  const words = [main, 'agent', '--root', root, '--config', file, '--services', 'process']
  return new Promise((resolve) => {
    execFile(process.execPath, words, { timeout: 60_000 * factor }, (error, _, stderr) => {
      resolve({ code: typeof error?.code === 'number' ? error.code : error === null ? 0 : -1, stderr, root })
    })
  })
}

describe('an agent that cannot start', () => {
  it.each([
    [
      'a cut token',
      `muster: {token: ${token.slice(0, -20)}}`,
      'ERR_TOKEN_TRUNCATED',
      /Copy the whole token again/,
    ],
    ['a mistyped token', `muster: {token: ${mistyped}}`, 'ERR_TOKEN_CHECKSUM', /do not type it/],
    ['something else than a token', 'muster: {token: hello}', 'ERR_TOKEN_UNKNOWN', /muster token new/],
    ['no token', 'muster: {control_plane: 3}', 'ERR_TOKEN_MISSING', /on every machine/],
  ])(
    'because of %s says what to do, and touches nothing',
    async (name, config, code, hint) => {
      const ended = await start(name.replaceAll(' ', '-'), config)
      expect(ended.stderr).toContain(`(${code})`)
      expect(ended.stderr).toMatch(hint)
      expect(ended.stderr.match(/\(ERR_/g)).toHaveLength(1)
      expect(ended.code).toBe(4)
      expect(readdirSync(ended.root)).toEqual([])
    },
    90_000 * factor,
  )

  it(
    'names every mistake in its files at once, each with its place',
    async () => {
      const config = `muster:\n  token: ${token}\n  controlplane: 3\n  listen: {port: high}\n  addresses: {ipv4: 10.42.0.0/16}`
      const { code, stderr, root } = await start('mistakes', config)
      expect(stderr).toMatch(/mistakes\.yaml:4:3: .*controlplane/)
      expect(stderr).toMatch(/did you mean .*control_plane/i)
      expect(stderr).toMatch(/mistakes\.yaml:5:\d+: .*port/)
      expect(stderr).toMatch(/mistakes\.yaml:6:\d+: .*overlaps/)
      expect(stderr).toContain('(ERR_CONFIG_INVALID)')
      expect(code).toBe(4)
      expect(readdirSync(root)).toEqual([])
    },
    90_000 * factor,
  )

  it(
    'because its state directory is no directory names it, and leaves it alone',
    async () => {
      const { code, stderr, root } = await start('no-directory', `muster: {token: ${token}}`, (place) => {
        mkdirSync(join(place, 'var/lib'), { recursive: true })
        writeFileSync(join(place, 'var/lib/muster'), 'not ours')
      })
      expect(stderr).toContain(join(root, 'var/lib/muster'))
      expect(stderr).toContain('Nothing was changed. (ERR_STATE_UNREADABLE)')
      expect(code).toBe(1)
      expect(readdirSync(join(root, 'var/lib'))).toEqual(['muster'])
    },
    90_000 * factor,
  )
})
