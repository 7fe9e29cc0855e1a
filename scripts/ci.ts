import { spawn } from 'node:child_process'
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
const quietSeconds = 1_390
/** No machine test begins that would probably end later than this after the start, in seconds. */
const limitSeconds = 3_540

/** A machine test that takes longer than was left of it by so much is ended, in seconds. */
const graceSeconds = 600
/** So many tests of a single machine run side by side: an emulated machine fills a processor, and one that hangs none. */
const lanes = 3

interface MachineTest {
  readonly file: string
  /** Part of the title of the one test that is meant. */
  readonly only?: string
  /** What it takes on the same quiet machine, beside others unless it is alone. */
  readonly seconds: number
}

/** Fills this machine by itself. */
const siteTests: readonly MachineTest[] = [{ file: 'test/vm/three-machines.vm.ts', seconds: 700 }]

/** Tests of one machine, in the order in which they begin: first those whose stories no other test tells. */
const singleTests: readonly MachineTest[] = [
  { file: 'test/vm/life.vm.ts', seconds: 1_200 },
  { file: 'test/vm/medium-left.vm.ts', seconds: 1_100 },
  { file: 'test/vm/bad-image.vm.ts', only: 'whose first program ends', seconds: 400 },
  { file: 'test/vm/recovery.vm.ts', seconds: 800 },
  { file: 'test/vm/bad-image.vm.ts', only: 'that hangs', seconds: 1_050 },
  { file: 'test/vm/power.vm.ts', seconds: 1_000 },
  { file: 'test/vm/bad-image.vm.ts', only: 'never gets onto the network', seconds: 900 },
  { file: 'test/vm/bad-image.vm.ts', only: 'whose k3s ends at once', seconds: 900 },
]

interface Count {
  passed: number
  failed: number
  readonly skipped: string[]
}

const startedAt = performance.now()
const directory = mkdtempSync(join(tmpdir(), 'muster-ci-'))
const count: Count = { passed: 0, failed: 0, skipped: [] }
let reports = 0
try {
  await runCommand('check', ['npm', 'run', 'check'])
  await runTests('test', ['npm', 'test', '--'])
  await runCommand('explore', ['npm', 'run', 'explore'])
  // A seeded bug that no checker finds fails.
  await runCommand('mutants', ['npm', 'run', 'sim', '--', '--mutants'])
  await runTests('test:lab', ['npm', 'run', 'test:lab', '--'])
  await runMachineTests()
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
async function runCommand(name: string, argv: readonly string[]): Promise<void> {
  if (await run(name, argv)) count.passed += 1
  else count.failed += 1
}

/** A vitest run, counted test by test; `only`: those with this in their title, of which there must be one. */
async function runTests(name: string, argv: readonly string[], only = '', beside = false): Promise<void> {
  // No two runs write to one file: what one wrote is no report of another.
  const file = join(directory, `report-${++reports}.json`)
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${file}`]
  const ok = await run(name, [...argv, ...reporters], beside)
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

/** As many as there is time for: emulation takes minutes, and this machine may be a slow one. */
async function runMachineTests(): Promise<void> {
  // Much of a machine test is its own waiting, which no faster processor shortens.
  const slowness = Math.max(0.7, secondsSinceStart() / quietSeconds)
  // Machines of these tests alone: somebody may have others here.
  process.env['MUSTER_VM_DIRECTORY'] = join(directory, 'vm')
  for (const test of siteTests) await runMachineTest(test, slowness, false)
  const waiting = [...singleTests]
  const lane = async (): Promise<void> => {
    for (let test = waiting.shift(); test !== undefined; test = waiting.shift())
      await runMachineTest(test, slowness, true)
  }
  await Promise.all(Array.from({ length: lanes }, lane))
  // A test that was ended leaves its machines running.
  await run('test:vm: end every machine', ['npm', 'run', '-s', 'vm', '--', 'down', '--all'])
}

async function runMachineTest(test: MachineTest, slowness: number, beside: boolean): Promise<void> {
  const { file, only, seconds } = test
  const name = only === undefined ? file : `${file}: ${only}`
  const left = limitSeconds - secondsSinceStart()
  const needed = seconds * slowness
  if (needed > left) {
    const note = `no time: ${(left / 60).toFixed(0)} min left, about ${(needed / 60).toFixed(0)} needed`
    count.skipped.push(`test:vm: ${name} (${note})`)
    return
  }
  // What hangs all the same is ended, and has failed.
  const end = ['timeout', '--kill-after=60', (left + graceSeconds).toFixed(0)]
  const chosen = only === undefined ? [file] : [file, '-t', only]
  await runTests(
    `test:vm ${basename(file)}`,
    [...end, 'npm', 'run', 'test:vm', '--', ...chosen],
    only,
    beside,
  )
}

function secondsSinceStart(): number {
  return (performance.now() - startedAt) / 1_000
}

/** Whether it ended well. `beside`: others run at the same time, and what it says is shown when it has ended. */
async function run(name: string, argv: readonly string[], beside = false): Promise<boolean> {
  process.stdout.write(`\n== ${name}${beside ? ' begins' : ''}\n`)
  const started = performance.now()
  const [program = '', ...rest] = argv
  const child = spawn(program, rest, { stdio: beside ? ['ignore', 'pipe', 'pipe'] : 'inherit' })
  let said = ''
  child.stdout?.setEncoding('utf8').on('data', (text: string) => (said += text))
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (said += text))
  const ok = await new Promise<boolean>((resolve) => {
    child.on('error', () => resolve(false))
    child.on('close', (code) => resolve(code === 0))
  })
  const seconds = ((performance.now() - started) / 1_000).toFixed(0)
  process.stdout.write(`${said}== ${name}: ${ok ? 'ok' : 'FAILED'} after ${seconds} s\n`)
  return ok
}

function readReport(file: string): Report | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Report
  } catch {
    return undefined
  }
}
