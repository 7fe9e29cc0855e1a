// Runs every check of the house, one line each, and fails at the end with all failures: `npm run check [NAME…]`.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

interface Check {
  readonly name: string
  /** Argument lists, run one after the other until one fails; the first word is a program of node_modules/.bin. */
  readonly commands: readonly (readonly string[])[]
}

const top = fileURLToPath(new URL('..', import.meta.url))
const bin = join(top, 'node_modules', '.bin')
const packed = mkdtempSync(join(tmpdir(), 'muster-pack-'))
const folders = ['src', 'test', 'simulations', 'scripts'].filter((folder) => existsSync(join(top, folder)))

const checks: readonly Check[] = [
  { name: 'format', commands: [['oxfmt', '--check', ...folders]] },
  { name: 'lint', commands: [['oxlint', '--type-aware', '--deny-warnings', ...folders]] },
  {
    name: 'types',
    commands: [
      ['tsc', '-p', '.'],
      // What runs in a browser, against the types of a browser.
      ['tsc', '-p', 'simulations/pictures/client'],
    ],
  },
  { name: 'architecture', commands: [['vitest', 'run', 'test/architecture.spec.ts']] },
  { name: 'dead code', commands: [['knip']] },
  { name: 'docs', commands: [['node', 'scripts/generate-docs.ts', '--check']] },
  { name: 'build', commands: [['node', 'scripts/build.ts']] },
  {
    name: 'package',
    commands: [
      ['npm', 'pack', '--silent', '--pack-destination', packed],
      ['publint', 'run', packed, '--strict'],
      ['attw', packed, '--profile', 'esm-only'],
    ],
  },
]

/** A packed tarball stands for the folder that it was packed into: its name holds the version. */
function withTarball(command: readonly string[]): string[] {
  const tarball = readdirSync(packed).find((name) => name.endsWith('.tgz'))
  const linter = command[0] === 'publint' || command[0] === 'attw'
  return command.map((word) =>
    linter && word === packed && tarball !== undefined ? join(packed, tarball) : word,
  )
}

/** What a failed check said, or undefined where it passed. */
function run(check: Check): string | undefined {
  for (const command of check.commands) {
    const [program = '', ...rest] = withTarball(command)
    const local = join(bin, program)
    const { status, stdout, stderr, error } = spawnSync(existsSync(local) ? local : program, rest, {
      cwd: top,
      encoding: 'utf8',
      maxBuffer: 64 * 1_024 * 1_024,
      env: { ...process.env, NO_COLOR: '1' },
    })
    if (status !== 0) return `${command.join(' ')}\n${stdout ?? ''}${stderr ?? ''}${error?.message ?? ''}`
  }
  return undefined
}

const wanted = process.argv.slice(2)
const unknown = wanted.filter((name) => !checks.some((check) => check.name === name))
if (unknown.length > 0) {
  console.error(
    `no such check: ${unknown.join(', ')}; there are: ${checks.map(({ name }) => name).join(', ')}`,
  )
  process.exit(2)
}

const failures: string[] = []
try {
  for (const check of checks.filter(({ name }) => wanted.length === 0 || wanted.includes(name))) {
    const begin = performance.now()
    const failure = run(check)
    const seconds = ((performance.now() - begin) / 1_000).toFixed(1)
    console.log(
      `${failure === undefined ? 'ok    ' : 'FAILED'} ${check.name.padEnd(14)}${seconds.padStart(6)} s`,
    )
    if (failure !== undefined) failures.push(`--- ${check.name}: ${failure}`)
  }
} finally {
  rmSync(packed, { recursive: true, force: true })
}
for (const failure of failures) console.error(failure)
process.exitCode = failures.length === 0 ? 0 : 1
