import { closeSync, fstatSync, openSync, readSync } from 'node:fs'

// How far a machine is, as its serial console tells it. The console is all that there is before the guest agent runs.

/** Where a machine stands between power and agent. */
export type MachineStage = 'firmware' | 'live' | 'installing' | 'installed' | 'recovery'

/** What a console log says of the newest boot. */
export interface ConsoleView {
  readonly stage: MachineStage
  /** Newest step of the installer, or the reason that a boot failed; empty: none. */
  readonly note: string
  /** Boots that got to the firmware's choice, all since the machine was made. */
  readonly boots: number
  /** What the machine's own screen says of its agent, line by line, since that boot. */
  readonly agent: string
  /** The newest kernel panicked. */
  readonly hasPanicked: boolean
}

/** The firmware names each entry that it starts. */
const firmwareMark = /BdsDxe: starting Boot/g
/** The kernel prints its command line among its first lines. */
const modeMark = /command line: [^\n]*muster\.mode=(live|installed|recovery)/gi
/** What the installer prints for each step. */
const installMark = /muster install: ([^\r\n]*)/g
/** What the initrd prints before it starts the machine again. */
const failureMark = /muster: this boot has failed: ([^\r\n]*)/g

/** What the screen's log prints of the agent. */
const agentMark = /muster: (?:phase|role|plan|waits for|ready): [^\r\n]*/g

/** Most of a log that is looked at: many boots. */
const tailBytes = 512 * 1_024

/** Judges a console log. Pure. */
export function viewConsole(text: string): ConsoleView {
  const starts = [...text.matchAll(firmwareMark)]
  const newest = text.slice(starts.at(-1)?.index ?? 0)
  const mode = [...newest.matchAll(modeMark)].at(-1)?.[1] as 'live' | 'installed' | 'recovery' | undefined
  const step = [...newest.matchAll(installMark)].at(-1)?.[1]?.trim() ?? ''
  const trouble = [...newest.matchAll(failureMark)].at(-1)?.[1]?.trim() ?? ''
  const hasPanicked = /Kernel panic - not syncing/.test(newest)
  return {
    stage: stageOf(mode, step),
    note: hasPanicked ? 'the kernel panicked' : mode === 'live' ? step || trouble : trouble || step,
    boots: starts.length,
    agent: [...newest.matchAll(agentMark)].map(([line]) => line).join('\n'),
    hasPanicked,
  }
}

function stageOf(mode: 'live' | 'installed' | 'recovery' | undefined, step: string): MachineStage {
  if (mode === undefined) return 'firmware'
  return mode === 'live' && step !== '' ? 'installing' : mode
}

/** The end of a console log; empty while there is none. */
export function readConsole(path: string, bytesMax = tailBytes): string {
  let file: number
  try {
    file = openSync(path, 'r')
  } catch {
    return ''
  }
  try {
    const { size } = fstatSync(file)
    const buffer = Buffer.alloc(Math.min(size, bytesMax))
    readSync(file, buffer, 0, buffer.length, size - buffer.length)
    // Terminal controls of firmware and boot loader only stand in the way.
    return buffer.toString('utf8').replaceAll(controls, '')
  } finally {
    closeSync(file)
  }
}

// eslint-disable-next-line no-control-regex -- the controls that firmware writes are what is looked for
const controls = /\u001B\[[0-9;?=]*[A-Za-z]|\u0000/g
