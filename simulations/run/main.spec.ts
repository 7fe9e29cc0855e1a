// Proves what the command line of the simulator promises: exit codes, what it says, and that an interrupted run keeps its counts.
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const program = fileURLToPath(new URL('main.ts', import.meta.url))
const scale = Number(process.env['MUSTER_TEST_TIME_FACTOR'] ?? '1')
const timeoutMs = 60_000 * scale

let directory = ''
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'muster-sim-'))
})
afterAll(() => rmSync(directory, { recursive: true, force: true }))

interface Finished {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs it to its end; `interruptAt`: it is told to end as soon as this is among what it says. */
function sim(argv: readonly string[], interruptAt?: string): Promise<Finished> {
  const child = spawn(process.execPath, [program, ...argv], { stdio: ['ignore', 'pipe', 'pipe'] })
  const said = { stdout: '', stderr: '' }
  for (const stream of ['stdout', 'stderr'] as const) {
    child[stream].setEncoding('utf8').on('data', (text: string) => {
      said[stream] += text
      if (interruptAt !== undefined && said[stream].includes(interruptAt)) child.kill('SIGINT')
    })
  }
  return new Promise((resolve) => {
    child.on('close', (code) => resolve({ code, ...said }))
  })
}

describe('npm run sim', () => {
  it(
    'says what was run and ends with 0 where nothing is broken',
    async () => {
      const { code, stdout } = await sim(['--nodes', '3', '--seeds', '3', '--faults', 'clean'])
      expect(stdout).toContain('3 machines, clean: seeds 1 to 3')
      expect(stdout).toMatch(/runs 3, \d+ a minute; events \d+; virtual time/)
      expect(stdout).toContain('violations: 0')
      expect(code).toBe(0)
    },
    timeoutMs,
  )

  it(
    'replays one run, from a seed and from a file, and draws it',
    async () => {
      const page = join(directory, 'run.html')
      const seed = await sim(['--replay', '2', '--nodes', '3', '--faults', 'clean', '--picture', page])
      expect(seed).toMatchObject({ code: 0, stdout: expect.stringMatching(/seed 2: \d+ events .* digest /) })
      expect(existsSync(page)).toBe(true)
      const corpus = fileURLToPath(new URL('../corpus/hostile-1.json', import.meta.url))
      const file = await sim(['--replay', corpus])
      expect(file).toMatchObject({ code: 0, stdout: expect.stringContaining('seed 1: ') })
    },
    timeoutMs,
  )

  it(
    'keeps what it counted when it is interrupted',
    async () => {
      const { code, stdout } = await sim(
        ['--seeds', '1000000', '--faults', 'clean', '--nodes', '3'],
        ' of 1000000',
      )
      expect(stdout).toMatch(/interrupted after \d+ seeds, from 1 on/)
      expect(stdout).toContain('violations: 0')
      expect(code).toBe(0)
    },
    timeoutMs,
  )

  it.each([
    [['--seeds', '0'], '--seeds needs at least 1'],
    [['--seeds', 'many'], '--seeds needs a whole number, not many'],
    [['--minutes=-1'], '--minutes needs a number above 0, not -1'],
    [['--seedz', '3'], "Unknown option '--seedz'"],
    [['--minutes', '-1'], '--minutes'],
    [['--faults', 'kind'], '--faults is one of'],
    [['--replay', 'nowhere.json'], '--replay needs a whole number, not nowhere.json'],
    [['--mutants', '--only', 'no-such-bug'], 'no seeded bug is named like no-such-bug'],
  ])(
    'refuses %j with one line and ends with 2',
    async (argv, why) => {
      const { code, stdout, stderr } = await sim(argv)
      expect(`${stdout}${stderr}`).toContain(why)
      expect(code).toBe(2)
    },
    timeoutMs,
  )

  it(
    'refuses a plan file that is none',
    async () => {
      const file = join(directory, 'plan.json')
      writeFileSync(file, '{"format":"muster-plan/1"}')
      const { code, stderr } = await sim(['--replay', file])
      expect(stderr).toContain('nodes')
      expect(code).toBe(2)
    },
    timeoutMs,
  )
})
