import { readFileSync } from 'node:fs'
import { injectConfig } from '../../../src/image/inject.ts'
import type { MachineObservation, VmGoal } from '../../../src/lab/vm/observe.ts'
import type { VmOptions } from '../../../src/lab/vm/up.ts'
import { createVmLab, type VmLab } from '../../../src/lab/vm/vm-lab.ts'
import { etcdProbe, type EtcdSite } from '../../lab/support/etcd.ts'
import { hasPower } from '../../../src/lab/vm/state.ts'
import { type Said, timeFactor } from '../../support/site.ts'

/** How much longer than with KVM a machine may take under emulation. */
const emulationFactor = { kvm: 1, tcg: 5 } as const

/** Runs a test on emulated machines of its own, which are gone afterwards, whatever happened. */
export async function withVms(
  options: Omit<VmOptions, 'inject'>,
  test: (lab: VmLab) => Promise<void>,
): Promise<void> {
  const inject = async (iso: string, config: string): Promise<void> => injectConfig(iso, config)
  const lab = await createVmLab({ ...options, inject })
  try {
    await test(lab)
  } finally {
    await lab.down()
  }
}

/** Milliseconds that something may take that takes `seconds` on a quiet machine with KVM. */
export function patienceMs(lab: VmLab, seconds: number): number {
  return seconds * 1_000 * timeFactor * emulationFactor[lab.state.settings.accelerator]
}

/** Waits for a goal and throws with the machines' last words if it is not reached. Says what changes meanwhile. */
export async function reached(
  lab: VmLab,
  goal: VmGoal,
  seconds: number,
): Promise<readonly MachineObservation[]> {
  const awaited = await lab.await(goal, { timeoutMs: patienceMs(lab, seconds) })
  if (awaited.reached) return awaited.machines
  throw new Error(
    `not ${goal} after ${(awaited.elapsedMs / 1_000).toFixed(0)} s: ${awaited.failure}\n${lastWords(lab)}`,
  )
}

/** Waits until `done` says something of the machines; throws with their last words if it never does. */
export async function vmUntil<T>(
  lab: VmLab,
  what: string,
  seconds: number,
  done: () => Promise<T | undefined> | T | undefined,
): Promise<T> {
  const end = performance.now() + patienceMs(lab, seconds)
  for (;;) {
    const startedAt = performance.now()
    const found = await done()
    if (found !== undefined) return found
    if (performance.now() > end) throw new Error(`${what}: not in time\n${lastWords(lab)}`)
    // To look costs an emulated machine work: most of the time is its own.
    const restMs = Math.max(1_000, 8 * (performance.now() - startedAt))
    await new Promise((resolve) => setTimeout(resolve, restMs))
  }
}

/** What each machine's agent says, by name. A silent one is left out. */
export async function vmStatuses(lab: VmLab): Promise<Said> {
  const machines = await lab.status()
  return new Map(
    machines.flatMap(({ name, status }) => (status === undefined ? [] : [[name, status] as const])),
  )
}

/** Runs a command that must succeed and returns what it said. */
export async function mustExec(
  lab: VmLab,
  machine: string,
  command: readonly string[],
  seconds = 120,
): Promise<string> {
  const { code, stdout, stderr } = await lab.exec(machine, command, { timeoutMs: patienceMs(lab, seconds) })
  if (code !== 0) throw new Error(`${machine}: ${command.join(' ')}: exit ${code}: ${stderr || stdout}`)
  return stdout
}

/** The machines as a place where etcd runs. */
export function etcdSiteOf(lab: VmLab): EtcdSite {
  const program = readFileSync(etcdProbe, 'utf8')
  return {
    switchedOn: () => lab.machines.filter(hasPower).map(({ name }) => name),
    exec: (host, command) => lab.exec(host, command),
    probe: (host) => lab.exec(host, ['node', '--input-type=module-typescript', '-', '/'], { input: program }),
  }
}

function lastWords(lab: VmLab): string {
  return lab.machines
    .map(({ name }) => `--- the last of ${name}'s console\n${lab.console(name, 25)}`)
    .join('\n')
}
