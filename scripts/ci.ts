import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'

// What `.ci/run` runs once the packages are there: the checks, the README's test command, the lab's tests, and of the
// stories of emulated machines as many as an hour has room for. Every part runs although one before it failed; the last line
// counts all of them, and names what was left out.

interface Report {
  readonly numPassedTests: number
  readonly numFailedTests: number
  readonly numPendingTests: number
  readonly numTodoTests: number
  readonly numFailedTestSuites: number
  readonly testResults: readonly {
    readonly name: string
    readonly status: string
    readonly assertionResults: readonly { readonly status: string; readonly fullName: string }[]
  }[]
}

/** All parts before the machine tests take so long on a quiet machine with two processors, in seconds. */
const quietSeconds = 1_300
/** No machine test begins that would probably end later than this after the start, in seconds. */
const limitSeconds = 3_540

/** A machine test that takes longer than was left of it by so much is ended, in seconds. */
const graceSeconds = 600

/** The machine tests, and what each takes on the same quiet machine, in seconds. Undefined: never seen green from its start to its end yet. */
const machineTests: readonly {
  readonly file: string
  /** Part of the title of the one test that is meant. */
  readonly only?: string
  readonly seconds: number | undefined
}[] = [
  { file: 'test/vm/bad-image.vm.ts', only: 'whose first program ends', seconds: 400 },
  { file: 'test/vm/life.vm.ts', seconds: 1_100 },
  { file: 'test/vm/bad-image.vm.ts', only: 'that hangs', seconds: undefined },
  { file: 'test/vm/bad-image.vm.ts', only: 'whose k3s ends at once', seconds: undefined },
  { file: 'test/vm/bad-image.vm.ts', only: 'never gets onto the network', seconds: undefined },
  { file: 'test/vm/three-machines.vm.ts', seconds: undefined },
  { file: 'test/vm/power.vm.ts', seconds: undefined },
]

interface Count {
  passed: number
  failed: number
  readonly skipped: string[]
}

const startedAt = performance.now()
const directory = mkdtempSync(join(tmpdir(), 'muster-ci-'))
const count: Count = { passed: 0, failed: 0, skipped: [] }
try {
  runCommand('check', ['npm', 'run', 'check'])
  runTests('test', ['npm', 'test', '--'])
  runCommand('explore', ['npm', 'run', 'explore'])
  runTests('test:lab', ['npm', 'run', 'test:lab', '--'])
  runMachineTests()
} finally {
  rmSync(directory, { recursive: true, force: true })
}
if (count.skipped.length > 0) {
  process.stdout.write(
    `\nSkipped, and not counted as passed:\n${count.skipped.map((name) => `  ${name}\n`).join('')}`,
  )
}
process.stdout.write(`\n${count.passed} passed, ${count.failed} failed, ${count.skipped.length} skipped\n`)
process.exitCode = count.failed === 0 && count.passed > 0 ? 0 : 1

/** A command that passes or fails as a whole. */
function runCommand(name: string, argv: readonly string[]): void {
  const ok = run(name, argv)
  if (ok) count.passed += 1
  else count.failed += 1
}

/** A vitest run, counted test by test; `only`: those with this in their title, of which there must be one. */
function runTests(name: string, argv: readonly string[], only = ''): void {
  const file = join(directory, `${name.replaceAll(/[: ]/g, '-')}.json`)
  // Two runs of one file have one name: what the first wrote is no report of the second.
  rmSync(file, { force: true })
  const ok = run(name, [...argv, '--reporter=default', '--reporter=json', `--outputFile.json=${file}`])
  const report = readReport(file)
  if (report === undefined) {
    count.failed += 1
    return
  }
  const titles = report.testResults.flatMap(({ assertionResults }) =>
    assertionResults.map(({ fullName }) => fullName),
  )
  if (!titles.some((title) => title.includes(only))) {
    process.stdout.write(`== ${name}: no test has "${only}" in its title\n`)
    count.failed += 1
  }
  const broken = report.testResults.filter(
    ({ status, assertionResults }) =>
      status === 'failed' && assertionResults.every((one) => one.status !== 'failed'),
  ).length
  count.passed += report.numPassedTests
  count.failed += report.numFailedTests + broken + (ok || report.numFailedTests + broken > 0 ? 0 : 1)
  for (const { assertionResults } of report.testResults) {
    for (const { status, fullName } of assertionResults) {
      const isSkipped = status !== 'passed' && status !== 'failed'
      if (isSkipped && fullName.includes(only)) count.skipped.push(`${name}: ${fullName}`)
    }
  }
}

/** One file after another, as long as there is time: emulation takes minutes, and this machine may be a slow one. */
function runMachineTests(): void {
  const slowness = Math.max(1, secondsSinceStart() / quietSeconds)
  for (const { file, only, seconds } of machineTests) {
    const name = only === undefined ? file : `${file}: ${only}`
    if (seconds === undefined) {
      count.skipped.push(`test:vm: ${name} (was never seen green yet)`)
      continue
    }
    const left = limitSeconds - secondsSinceStart()
    const needed = seconds * slowness
    if (needed > left) {
      const note = `no time: ${(left / 60).toFixed(0)} min left, about ${(needed / 60).toFixed(0)} needed`
      count.skipped.push(`test:vm: ${name} (${note})`)
    } else {
      // What hangs all the same is ended, with all that it started, and has failed.
      const end = ['timeout', '--kill-after=60', (left + graceSeconds).toFixed(0)]
      const chosen = only === undefined ? [file] : [file, '-t', only]
      runTests(`test:vm ${basename(file)}`, [...end, 'npm', 'run', 'test:vm', '--', ...chosen], only)
    }
  }
}

function secondsSinceStart(): number {
  return (performance.now() - startedAt) / 1_000
}

function run(name: string, argv: readonly string[]): boolean {
  process.stdout.write(`\n== ${name}\n`)
  const started = performance.now()
  const [program = '', ...rest] = argv
  const { status } = spawnSync(program, rest, { stdio: ['ignore', 'inherit', 'inherit'] })
  const seconds = ((performance.now() - started) / 1_000).toFixed(0)
  process.stdout.write(`== ${name}: ${status === 0 ? 'ok' : 'FAILED'} after ${seconds} s\n`)
  return status === 0
}

function readReport(file: string): Report | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Report
  } catch {
    return undefined
  }
}
