import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'

/** Time runs faster in tests: 1 is k3s' own pace. */
const timeScale = Number(process.env['K3S_CONTRACT_TIME_SCALE'] ?? '1')

/** k3s' duration on the clock of this run, never under `floorMs`. */
export function scaled(durationMs: number, floorMs = 50): number {
  return Math.max(floorMs, Math.round(durationMs * timeScale))
}

/** Sleeps one of k3s' durations. */
export function pause(durationMs: number): Promise<void> {
  return delay(scaled(durationMs))
}

/** One line in k3s' style on stderr. */
export function log(level: 'info' | 'warning' | 'error' | 'fatal', message: string): void {
  const time = new Date().toISOString()
  process.stderr.write(`time="${time}" level=${level} msg=${JSON.stringify(message)}\n`)
}

/** An end of the process that k3s calls fatal; the supervisor starts it again. */
export class Fatal extends Error {
  override readonly name = 'Fatal'
}

/** The file's text, or undefined. */
export function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}

/** Writes a file and its directories. */
export function write(path: string, content: string, mode = 0o600): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  writeFileSync(path, content, { mode })
}

/** Runs openssl; throws with its words. */
export function openssl(args: readonly string[], input = ''): string {
  const result = spawnSync('openssl', args, { input, encoding: 'utf8' })
  if (result.status === 0) return result.stdout
  throw new Fatal(`openssl ${args[0] ?? ''}: ${result.stderr || String(result.error)}`)
}
