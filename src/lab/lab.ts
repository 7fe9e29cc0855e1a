import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { join } from 'node:path'
import { MusterError } from '../errors.ts'
import { endLab } from './down.ts'
import {
  applyFaults,
  cutPower,
  enclosureOf,
  endAgent,
  logOf,
  setPaused,
  socketOf,
  startAgent,
  wipeHost,
} from './hosts.ts'
import { enterCommand } from './namespaces.ts'
import { faultsBetween, mergeFaults, type Partition } from './network-faults.ts'
import { type GoalReport, type HostObservation, judgeGoal, type LabGoal, observeHosts } from './observe.ts'
import { isAlive } from './processes.ts'
import { type Finished, run } from './run.ts'
import { hostOf, type LabHost, type LabState, loadLabState, updateLabState } from './state.ts'
import { labEnvironment } from './tools.ts'
import { addHost, labDefaults, type LabOptions, raiseLab } from './up.ts'

export interface AwaitOptions {
  readonly timeoutMs?: number
  readonly signal?: AbortSignal
  /** Called with each look at the hosts. */
  readonly onLook?: (hosts: readonly HostObservation[], elapsedMs: number) => void
}

/** What came of waiting for a goal. */
export interface Awaited extends GoalReport {
  readonly elapsedMs: number
  readonly hosts: readonly HostObservation[]
}

/** How often the hosts are looked at while a goal is awaited. */
const lookIntervalMs = 500

/** Makes a lab and starts its agents. `lab.down()` ends it. */
export async function createLab(options: LabOptions = {}): Promise<Lab> {
  const state = await raiseLab(options)
  return new Lab(state.name)
}

/** A lab that runs already. Throws ERR_LAB_ABSENT. */
export function openLab(name: string = labDefaults.name): Lab {
  const lab = new Lab(name)
  void lab.state
  return lab
}

/** Many machines on this one. Holds no state of its own: what counts is in `lab.json` and in the kernel. */
export class Lab {
  readonly name: string

  constructor(name: string) {
    this.name = name
  }

  /** The lab as it is now. Throws ERR_LAB_ABSENT. */
  get state(): LabState {
    const state = loadLabState(this.name)
    if (state === undefined || !isAlive(state.init))
      throw new MusterError('ERR_LAB_ABSENT', { name: this.name })
    return state
  }

  get hosts(): readonly LabHost[] {
    return this.state.hosts
  }

  /** Path of a host's API socket. */
  socket(host: string): string {
    return socketOf(hostOf(this.state, host))
  }

  /** The last lines of a host's agent log; empty when it never wrote one. */
  log(host: string, lines: number = Number.POSITIVE_INFINITY): string {
    try {
      const text = readFileSync(logOf(hostOf(this.state, host)), 'utf8').trimEnd()
      return text.split('\n').slice(-lines).join('\n')
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return ''
      throw error
    }
  }

  /** Each host's processes and its agent's own words. */
  async status(): Promise<HostObservation[]> {
    return observeHosts(this.state)
  }

  /** Waits until every host has come so far, or the time is over. Does not throw for that: see `reached`. */
  async await(goal: LabGoal, options: AwaitOptions = {}): Promise<Awaited> {
    const startedAt = performance.now()
    for (;;) {
      const hosts = await observeHosts(this.state)
      const report = judgeGoal(goal, hosts)
      const elapsedMs = performance.now() - startedAt
      options.onLook?.(hosts, elapsedMs)
      const isOver = elapsedMs >= (options.timeoutMs ?? 180_000) || options.signal?.aborted === true
      if (report.reached || report.failure !== '' || isOver) return { ...report, elapsedMs, hosts }
      await sleep(lookIntervalMs)
    }
  }

  /** Runs a command on a host to its end. */
  async exec(host: string, command: readonly string[], input = ''): Promise<Finished> {
    const { state, entered } = this.#entered(host, command)
    return run(entered, { input, environment: this.#environment(state, host) })
  }

  /** Runs a command on a host with this process' own terminal. Returns its exit code. */
  async execInteractively(host: string, command: readonly string[]): Promise<number> {
    const { state, entered } = this.#entered(host, command)
    const [program = '', ...args] = entered
    const child = spawn(program, args, { stdio: 'inherit', env: this.#environment(state, host) })
    const [code] = (await once(child, 'exit')) as [number | null]
    return code ?? 128
  }

  /** Kills the agent alone with SIGKILL; k3s goes on. */
  async kill(host: string): Promise<void> {
    const state = this.state
    await endAgent(state, hostOf(state, host), 'SIGKILL')
  }

  /** Pulls the plug of a whole host; its disk stays. */
  async cutPower(host: string): Promise<void> {
    return cutPower(hostOf(this.state, host))
  }

  /** Stops the agent in an orderly way. */
  async stop(host: string): Promise<void> {
    const state = this.state
    await endAgent(state, hostOf(state, host), 'SIGTERM')
  }

  /** Starts the agent, and the host if it is off. */
  async start(host: string): Promise<void> {
    return startAgent(this.name, host)
  }

  /** Stops (`SIGTERM`) or kills (`SIGKILL`) the agent and starts it again. */
  async restart(host: string, how: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
    const state = this.state
    await endAgent(state, hostOf(state, host), how)
    await this.start(host)
  }

  /** Empties a host's disk but for the cloud-config, and starts it as a new machine. */
  async wipe(host: string): Promise<void> {
    await wipeHost(hostOf(this.state, host))
    await this.start(host)
  }

  /** Freezes every process of a host. */
  async pause(host: string): Promise<void> {
    const state = this.state
    await setPaused(state, hostOf(state, host), true)
  }

  async resume(host: string): Promise<void> {
    const state = this.state
    await setPaused(state, hostOf(state, host), false)
  }

  /** Starts one more machine with the same cloud-config. Returns its name. */
  async add(): Promise<string> {
    return addHost(this.name)
  }

  /** Loses frames between hosts, in addition to what is lost already. */
  async partition(partition: Partition, lossPercent = 100): Promise<void> {
    const indexOf = (name: string): number => hostOf(this.state, name).index
    const added = faultsBetween(
      partition.left.map(indexOf),
      partition.right.map(indexOf),
      partition.direction,
      lossPercent,
    )
    await this.#setFaults((state) => ({ ...state, faults: mergeFaults(state.faults, added) }))
  }

  /** Ends all partitions and losses. */
  async heal(): Promise<void> {
    return this.#setFaults((state) => ({ ...state, faults: [] }))
  }

  /** Ends the lab and leaves nothing. */
  async down(): Promise<void> {
    return endLab(this.name)
  }

  async #setFaults(change: (state: LabState) => LabState): Promise<void> {
    const state = updateLabState(this.name, change)
    await Promise.all(state.hosts.map((host) => applyFaults(state, host)))
  }

  #entered(host: string, command: readonly string[]): { state: LabState; entered: string[] } {
    const state = this.state
    return { state, entered: enterCommand(enclosureOf(state, hostOf(state, host)), command) }
  }

  /** On a host, `muster` is this program and talks to that host's agent. */
  #environment(state: LabState, host: string): Record<string, string> {
    const environment = labEnvironment(state.toolRoot)
    return {
      ...environment,
      PATH: `${join(state.directory, 'bin')}:${environment['PATH'] ?? ''}`,
      MUSTER_ROOT: hostOf(state, host).root,
    }
  }
}
