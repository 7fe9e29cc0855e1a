import { spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { copyFile, mkdir, open, readFile, rename, stat, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { ServiceManager, ServiceState, ServiceUnit } from '../../core/ports.ts'
import { MusterError } from '../../errors.ts'
import type { ProcessMark } from './process-table.ts'
import { isAlive, markOf } from './process-table.ts'

/** How a plain supervisor is set up. */
export interface ProcessServicesInit {
  /** One directory per service lies here: what it is, who it is, and its log. */
  readonly directory: string
  /** Named in the environment of every child (MUSTER_HOST), so that leftovers of a lab can be found. */
  readonly host: string
  /** Between the end of a service and its next start. As k3s' unit: 5 s. */
  readonly restartDelayMs?: number
  /** From the request to end to the order. */
  readonly stopTimeoutMs?: number
  /** A log that has grown beyond it is kept once as `log.1` and begun again. */
  readonly logBytesMax?: number
}

/** A plain supervisor, with an end to its watching (the services go on). */
export interface ProcessServices extends ServiceManager {
  close(): void
}

/** What is on the disk about one service. */
interface Entry {
  readonly unit: ServiceUnit
  readonly wanted: boolean
  readonly mark: ProcessMark | null
  readonly restarts: number
  readonly detail: string
}

const watchIntervalMs = 1_000

/**
 * Services as plain processes, for hosts without systemd. They outlive the agent: the next one finds them by
 * pid *and* start time, so it takes over its own and never touches a stranger. A service that ends is started
 * again after a pause as long as an agent watches.
 *
 * ```
 *            start                 ends                     pause over, not forbidden
 *   stopped ───────▶ running ─────────────▶ failed ─────────────────────────────────▶ running
 *      ▲                │ stop: TERM, then KILL │ stop
 *      └────────────────┴───────────────────────┘
 * ```
 */
export function processServices(init: ProcessServicesInit): ProcessServices {
  return new PlainSupervisor(init)
}

class PlainSupervisor implements ProcessServices {
  readonly #init: Required<ProcessServicesInit>
  /** Calls for one service never overlap. */
  readonly #turns = new Map<string, Promise<unknown>>()
  readonly #watches = new Map<string, NodeJS.Timeout>()
  readonly #endedAt = new Map<string, number>()

  constructor(init: ProcessServicesInit) {
    this.#init = { restartDelayMs: 5_000, stopTimeoutMs: 20_000, logBytesMax: 8 * 1_024 * 1_024, ...init }
  }

  close(): void {
    for (const timer of this.#watches.values()) clearInterval(timer)
    this.#watches.clear()
  }

  start(unit: ServiceUnit): Promise<void> {
    return this.#inTurn(unit.name, async () => {
      const entry = await this.#read(unit.name)
      const same = JSON.stringify(entry?.unit) === JSON.stringify(unit)
      const running = entry?.mark !== null && entry?.mark !== undefined && (await isAlive(entry.mark))
      if (!running || !same) {
        if (entry !== undefined) await this.#end(entry)
        await this.#launch(unit, 0)
      } else if (!entry.wanted) {
        await this.#write(unit.name, { ...entry, wanted: true })
      }
      this.#watch(unit.name)
    })
  }

  stop(name: string): Promise<void> {
    return this.#inTurn(name, async () => {
      clearInterval(this.#watches.get(name))
      this.#watches.delete(name)
      const entry = await this.#read(name)
      if (entry === undefined) return
      // First the wish: an agent that dies here must not leave one behind that starts it again.
      await this.#write(name, { ...entry, wanted: false })
      await this.#end(entry)
      await this.#write(name, { ...entry, wanted: false, mark: null })
    })
  }

  state(name: string): Promise<ServiceState> {
    return this.#inTurn(name, async () => {
      const entry = await this.#read(name)
      if (entry === undefined) return { name, state: 'absent', pid: undefined, restarts: 0, detail: '' }
      if (entry.wanted) this.#watch(name)
      const running = entry.mark !== null && (await isAlive(entry.mark))
      return {
        name,
        state: running ? 'running' : entry.wanted ? 'failed' : 'stopped',
        pid: running ? entry.mark.pid : undefined,
        restarts: entry.restarts,
        detail: entry.detail || (await this.#lastLine(name)),
      }
    })
  }

  #watch(name: string): void {
    if (this.#watches.has(name)) return
    const timer = setInterval(() => {
      // A failed look is repeated at the next tick; the state shows what is known.
      this.#inTurn(name, () => this.#look(name)).catch(() => undefined)
    }, watchIntervalMs)
    timer.unref()
    this.#watches.set(name, timer)
  }

  async #look(name: string): Promise<void> {
    const entry = await this.#read(name)
    if (entry === undefined || !entry.wanted || !this.#watches.has(name)) return
    if (entry.mark !== null && (await isAlive(entry.mark))) {
      this.#endedAt.delete(name)
      await this.#capLog(name)
      return
    }
    const now = performance.now()
    const endedAt = this.#endedAt.get(name) ?? now
    this.#endedAt.set(name, endedAt)
    if (now - endedAt < this.#init.restartDelayMs) return
    this.#endedAt.delete(name)
    await this.#launch(entry.unit, entry.restarts + 1)
  }

  async #launch(unit: ServiceUnit, restarts: number): Promise<void> {
    const directory = join(this.#init.directory, unit.name)
    await mkdir(directory, { recursive: true, mode: 0o700 })
    const entry: Entry = { unit, wanted: true, mark: null, restarts, detail: '' }
    if (unit.unlessExists !== undefined && (await isThere(unit.unlessExists))) {
      await this.#write(unit.name, { ...entry, detail: `not started while ${unit.unlessExists} exists` })
      return
    }
    const [program = '', ...args] = unit.command
    const log = openSync(join(directory, 'log'), 'a', 0o600)
    try {
      const child = spawn(program, args, {
        detached: true,
        stdio: ['ignore', log, log],
        env: {
          ...process.env,
          ...unit.environment,
          MUSTER_HOST: this.#init.host,
          MUSTER_SERVICE: unit.name,
        },
      })
      const failed = await new Promise<Error | undefined>((resolve) => {
        child.once('spawn', () => resolve(undefined))
        child.once('error', resolve)
      })
      child.unref()
      const mark = child.pid === undefined ? undefined : await markOf(child.pid)
      const detail = failed?.message ?? ''
      await this.#write(unit.name, { ...entry, mark: mark ?? null, detail })
      if (failed !== undefined) {
        throw new MusterError(
          'ERR_SERVICE',
          { name: unit.name, action: 'started', detail },
          { cause: failed },
        )
      }
    } finally {
      closeSync(log)
    }
  }

  /** Asks the process to end, then ends it and its group. Its group only while the process is still itself. */
  async #end(entry: Entry): Promise<void> {
    const { mark, unit } = entry
    if (mark === null || !(await isAlive(mark))) return
    signal(mark.pid, 'SIGTERM')
    const deadline = performance.now() + this.#init.stopTimeoutMs
    while (await isAlive(mark)) {
      if (performance.now() > deadline) {
        signal(-mark.pid, 'SIGKILL')
        await delay(100)
        if (!(await isAlive(mark))) return
        throw new MusterError('ERR_SERVICE', {
          name: unit.name,
          action: 'stopped',
          detail: 'it does not end',
        })
      }
      await delay(50)
    }
  }

  async #capLog(name: string): Promise<void> {
    const log = join(this.#init.directory, name, 'log')
    if ((await stat(log)).size <= this.#init.logBytesMax) return
    // The child holds the file open for appending: copy, then empty the one it writes to.
    await copyFile(log, `${log}.1`)
    await truncate(log, 0)
  }

  async #lastLine(name: string): Promise<string> {
    try {
      const file = await open(join(this.#init.directory, name, 'log'), 'r')
      try {
        const { size } = await file.stat()
        const length = Math.min(size, 1_024)
        const { buffer } = await file.read(Buffer.alloc(length), 0, length, size - length)
        return buffer.toString('utf8').trimEnd().split('\n').at(-1) ?? ''
      } finally {
        await file.close()
      }
    } catch {
      return ''
    }
  }

  async #read(name: string): Promise<Entry | undefined> {
    try {
      return JSON.parse(await readFile(join(this.#init.directory, name, 'service.json'), 'utf8')) as Entry
    } catch {
      return undefined
    }
  }

  async #write(name: string, entry: Entry): Promise<void> {
    const path = join(this.#init.directory, name, 'service.json')
    await writeFile(`${path}.new`, JSON.stringify(entry), { mode: 0o600, flush: true })
    await rename(`${path}.new`, path)
  }

  #inTurn<T>(name: string, action: () => Promise<T>): Promise<T> {
    const turn = (this.#turns.get(name) ?? Promise.resolve()).then(action, action)
    this.#turns.set(
      name,
      turn.catch(() => undefined),
    )
    return turn
  }
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name)
  } catch {
    // It ended in between.
  }
}

async function isThere(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  )
}
