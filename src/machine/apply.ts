import type { AgentConfig, Diagnostic } from '../config/index.ts'
import { formatDiagnostic, readConfig } from '../config/index.ts'
import { systemPaths } from '../core/install/layout.ts'
import { errorText } from '../errors.ts'
import { gatherConfig, placeGathered, placedSources } from './gather-config.ts'
import { placeHostKeys } from './host-keys.ts'
import type { Machine } from './machine.ts'
import { readFacts } from './machine.ts'
import { makeMounts, planMounts } from './mounts.ts'
import type { Wishes } from './run-stages.ts'
import { StageRunner } from './run-stages.ts'
import { writeWhole } from './rooted-files.ts'
import type { StageProblem, StageResult } from './stage-report.ts'
import { noteResult } from './stage-report.ts'

/**
 * The first thing of a boot: gathers the configuration and carries out what the rest of the boot needs. Whatever fails
 * is told and noted; the boot goes on.
 */
export async function applyEarly(machine: Machine): Promise<StageResult> {
  const { root, say } = machine
  const begin = performance.now()
  const { mode } = readFacts(root)
  const gathered = await gatherConfig(machine, mode)
  const problems: StageProblem[] = [
    ...tellDiagnostics(machine, gathered.diagnostics),
    ...gathered.notes.map((message): StageProblem => ({
      where: 'configuration',
      message,
      severity: 'warning',
    })),
  ]
  for (const note of gathered.notes) say(`configuration: ${note}`)
  const attempt = async (
    where: string,
    work: () => Promise<readonly StageProblem[] | void> | void,
  ): Promise<void> => {
    try {
      for (const each of (await work()) ?? []) {
        say(`${each.where}: ${each.message}`)
        problems.push(each)
      }
    } catch (error) {
      say(`${where}: ${errorText(error)}`)
      problems.push({ where, message: errorText(error), severity: 'error' })
    }
  }
  await attempt('configuration', () => placeGathered(root, gathered.sources))
  const { config } = gathered
  await attempt('install', () => makeMounts(machine, mode, wantedMounts(config)))
  let result: StageResult = { stage: 'early', done: 0, durationMs: 0, problems: [] }
  if (config !== undefined) {
    const runner = new StageRunner(machine, wishesOf(config))
    result = await runner.early()
    await attempt('stages', () => {
      for (const name of runner.wantedLater())
        writeWhole(root, `${systemPaths.stageWanted}${name}`, '', { mode: 0o644 })
    })
  }
  await attempt('ssh', () => placeHostKeys(machine, mode))
  const whole: StageResult = {
    ...result,
    durationMs: Math.round(performance.now() - begin),
    problems: [...problems, ...result.problems],
  }
  noteResult(root, whole)
  return whole
}

/** A later stage of the boot, with the configuration that the early part gathered. */
export async function applyStage(machine: Machine, stage: string): Promise<StageResult> {
  const { config } = readConfig(placedSources(machine.root), 'machine')
  const result: StageResult =
    config === undefined
      ? {
          stage,
          done: 0,
          durationMs: 0,
          problems: [{ where: 'configuration', message: 'there is none that is valid', severity: 'error' }],
        }
      : await new StageRunner(machine, wishesOf(config)).stage(stage)
  noteResult(machine.root, result)
  return result
}

function wishesOf(config: AgentConfig): Wishes {
  return { ...config.machine, hostname: config.hostname }
}

function wantedMounts(config: AgentConfig | undefined): ReturnType<typeof planMounts> {
  const list = (key: string): readonly string[] => {
    const value = config?.machine.install?.[key]
    return Array.isArray(value) ? value.map(String) : []
  }
  return planMounts(list('bind_mounts'), list('ephemeral_mounts'))
}

/** Shows what is wrong with the configuration, with its places. */
function tellDiagnostics(machine: Machine, diagnostics: readonly Diagnostic[]): readonly StageProblem[] {
  return diagnostics.map((diagnostic) => {
    machine.say(formatDiagnostic(diagnostic, { colour: false }))
    const { file, line, column, path, message, severity } = diagnostic
    return {
      where: `${file}:${line}:${column}`,
      message: path === '' ? message : `${path}: ${message}`,
      severity,
    }
  })
}
