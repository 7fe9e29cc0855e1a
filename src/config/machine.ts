import type { MachineConfig } from './agent-config.ts'
import type { RootBlock } from './schema/root.ts'
import { runStages, stageNames, unsupportedStepKeys } from './schema/stages.ts'
import type { StageStep } from './schema/stages.ts'
import type { Statements } from './statements.ts'
import { notYet } from './statements.ts'
import { closest } from './suggest.ts'

/**
 * Who carries a configuration out: a machine with muster's image does what the keys for the machine say; an agent on
 * another system does not.
 */
export type Reader = 'agent' | 'machine'

/** Reads the keys for the machine itself. Whatever the reader will pass over is a warning with its place. */
export function readMachine(root: RootBlock, statements: Statements, reader: Reader): MachineConfig {
  for (const key of Object.keys(root) as (keyof RootBlock)[]) {
    if (root[key] === undefined || always.has(key)) continue
    if (!onMachines.has(key)) notYet(statements, key, instead[key])
    else if (reader === 'agent') {
      statements.warning(key, 'is acted on where muster is the whole system, not by an agent on another one')
    }
  }
  for (const [name, steps] of Object.entries(root.stages ?? {})) {
    checkStageName(name, statements, reader)
    if (reader === 'machine') steps.forEach((step, index) => checkStep(step, name, index, statements))
  }
  return {
    users: root.users ?? [],
    sshAuthorizedKeys: root.ssh_authorized_keys ?? [],
    writeFiles: root.write_files ?? [],
    runCommands: root.runcmd ?? [],
    stages: root.stages ?? {},
    install: root.install,
  }
}

/** Top-level keys with an effect everywhere, or with warnings of their own. */
const always: ReadonlySet<string> = new Set([
  'muster',
  'p2p',
  'k3s',
  'k3s-agent',
  'k0s',
  'k0s-worker',
  'kubevip',
  'name',
  'hostname',
])

/** Top-level keys that a machine with an image carries out. */
const onMachines: ReadonlySet<string> = new Set([
  'users',
  'ssh_authorized_keys',
  'write_files',
  'runcmd',
  'stages',
  'install',
])

/** Top-level keys that nobody acts on, and what does the same. */
const instead: Readonly<Partial<Record<keyof RootBlock, string>>> = {
  upgrade: 'an upgrade is asked for with `muster upgrade`, and what it does with its flags',
  reset: 'a reset is asked for with `muster reset`, and what it does with its flags',
}

function checkStageName(name: string, statements: Statements, reader: Reader): void {
  const stage = name.replace(/\.(before|after)$/, '')
  const warn = (message: string, suggestion?: string): void =>
    statements.report.warning(statements.keyAt(['stages', name]), `stages.${name}`, message, suggestion)
  if (!stageNames.includes(stage) && !stageNames.includes(name)) {
    const near = closest(stage, stageNames)
    const message = `no stage \`${name}\` is known; it runs only where somebody calls it`
    return warn(message, near === undefined ? undefined : `Did you mean \`${near}\`?`)
  }
  if (reader === 'machine' && !runStages.includes(stage)) {
    warn(
      `the stage \`${name}\` does not run by itself on a machine of muster`,
      `Stages that run are ${runStages.map((each) => `\`${each}\``).join(', ')}; \`muster machine apply --stage ${name}\` runs this one.`,
    )
  }
}

function checkStep(step: StageStep, stage: string, index: number, statements: Statements): void {
  for (const [key, reason] of Object.entries(unsupportedStepKeys)) {
    if (step[key as keyof StageStep] === undefined) continue
    const path = ['stages', stage, String(index), key]
    statements.report.warning(statements.keyAt(path), path.join('.'), `is not carried out: ${reason}`)
  }
}
