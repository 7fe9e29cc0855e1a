import { closeSync, constants, openSync, writeSync } from 'node:fs'
import { networkInterfaces } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { callAgent } from '../agent/api/client.ts'
import type { StatusResource } from '../agent/api/resources.ts'
import { configPaths, systemPaths } from '../core/install/layout.ts'
import { missingPartitions } from '../install/mounted.ts'
import { version } from '../version.ts'
import type { ConsoleView, InstallProgress } from './console-view.ts'
import { consoleMarkers, consoleScreen } from './console-view.ts'
import { readFacts } from './machine.ts'
import { ownLink } from './network-look.ts'
import { readIfThere } from './rooted-files.ts'
import { readReport } from './stage-report.ts'

/** Where the console shows itself. */
export interface ConsoleInit {
  readonly root: string
  readonly socketPath: string
  /** A screen that is drawn whole; undefined: none. */
  readonly tty: string | undefined
  /** A line for a log: each change is one line; undefined: none. */
  readonly log: string | undefined
  readonly intervalMs: number
}

/** Shows the machine until the signal aborts. The screen is drawn again only when something on it has changed. */
export async function runConsole(init: ConsoleInit, signal: AbortSignal): Promise<void> {
  let before: ConsoleView | undefined
  let drawn = ''
  while (!signal.aborted) {
    const startedAt = performance.now()
    const view = await lookAt(init)
    for (const line of consoleMarkers(before, view)) writeTo(init.log, `${line}\r\n`)
    const screen = consoleScreen(view).join('\r\n')
    // Home, the screen line by line over what was there, and nothing below: no flicker, whatever the kernel wrote.
    if (screen !== drawn)
      writeTo(init.tty, `\u001B[H\u001B[?25l${screen.replaceAll('\r\n', '\u001B[K\r\n')}\u001B[K\u001B[J`)
    drawn = screen
    before = view
    // On a slow machine the screen takes little of the time, and is older for it.
    const restMs = Math.max(init.intervalMs, 9 * (performance.now() - startedAt))
    await sleep(restMs, undefined, { signal }).catch(() => undefined)
  }
}

async function lookAt({ root, socketPath }: ConsoleInit): Promise<ConsoleView> {
  const agent = await callAgent<StatusResource>(socketPath, 'GET', '/v1/status', undefined, {
    timeoutMs: 5_000,
  }).catch(() => undefined)
  const boot = jsonAt<{ partition?: string }>(root, systemPaths.boot)
  const receipt = jsonAt<{ fingerprint?: string }>(root, `${systemPaths.config}/${configPaths.receipt}`)
  const facts = readFacts(root)
  return {
    facts,
    version,
    partition: boot?.partition ?? '',
    addresses: addressesOf(networkInterfaces()),
    agent,
    fingerprint: receipt?.fingerprint ?? '',
    install: jsonAt<InstallProgress>(root, systemPaths.progress),
    missing: facts.mode === 'installed' ? await missingPartitions(root) : [],
    errors: readReport(root).stages.flatMap(({ problems }) =>
      problems
        .filter(({ severity }) => severity === 'error')
        .map(({ where, message }) => `${where}: ${message}`),
    ),
  }
}

/** Addresses of the machine's own links; link-local ones only where there is nothing better. */
export function addressesOf(links: ReturnType<typeof networkInterfaces>): readonly string[] {
  return Object.entries(links).flatMap(([link, addresses = []]) => {
    if (!ownLink.test(link)) return []
    const texts = addresses.filter(({ internal }) => !internal).map(({ address }) => address)
    const routed = texts.filter((address) => !/^(fe80:|169\.254\.)/i.test(address))
    return (routed.length > 0 ? routed : texts).map((address) => `${link} ${address}`)
  })
}

function jsonAt<T>(root: string, path: string): T | undefined {
  try {
    const text = readIfThere(root, path)
    return text === undefined ? undefined : (JSON.parse(text) as T)
  } catch {
    return undefined
  }
}

/**
 * Opened anew for each text: a login on the same line hangs up whoever had it open before. A line that nobody is at
 * refuses, and that is no reason to end.
 */
function writeTo(path: string | undefined, text: string): void {
  if (path === undefined) return
  try {
    // Never made: a machine without a serial line would get a file instead. Never waited for: a line may be held.
    const handle = openSync(
      path,
      constants.O_WRONLY | constants.O_APPEND | constants.O_NOCTTY | constants.O_NONBLOCK,
    )
    try {
      writeSync(handle, text)
    } finally {
      closeSync(handle)
    }
  } catch {
    // Shown again with the next change.
  }
}
