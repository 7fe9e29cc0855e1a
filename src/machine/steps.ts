import type { StageStep } from '../config/index.ts'
import type { MachineFacts } from './machine.ts'

/** A step with its place in the configuration. */
export interface PlacedStep {
  /** `stages.boot.0`, with the step's name where it has one. */
  readonly where: string
  readonly step: StageStep
}

/** What came of ordering: the steps as they run, and what of their wishes cannot be. */
export interface StepOrder {
  readonly steps: readonly PlacedStep[]
  readonly problems: readonly { readonly where: string; readonly message: string }[]
}

/** The steps of a stage: those of `NAME.before`, of `NAME`, of `NAME.after`; within each, `after` counts. */
export function stepsOf(stages: Readonly<Record<string, readonly StageStep[]>>, stage: string): StepOrder {
  const parts = [`${stage}.before`, stage, `${stage}.after`].map((name) =>
    orderSteps(place(stages[name] ?? [], name)),
  )
  return { steps: parts.flatMap(({ steps }) => steps), problems: parts.flatMap(({ problems }) => problems) }
}

function place(steps: readonly StageStep[], stage: string): readonly PlacedStep[] {
  return steps.map((step, index) => ({
    where: `stages.${stage}.${index}${step.name === undefined ? '' : ` (${step.name})`}`,
    step,
  }))
}

/**
 * The order of a file, but for `after`: a step waits for all steps of the names it gives. A name that no step has, and
 * steps that wait for each other, are problems; such steps run in the order of the file.
 */
export function orderSteps(steps: readonly PlacedStep[]): StepOrder {
  const problems: { where: string; message: string }[] = []
  const names = new Set(steps.map(({ step }) => step.name).filter((name) => name !== undefined))
  const waitsFor = new Map<PlacedStep, ReadonlySet<string>>()
  for (const placed of steps) {
    const wanted = (placed.step.after ?? []).map((each) =>
      typeof each === 'string' ? each : (each.name ?? ''),
    )
    for (const name of wanted.filter((each) => !names.has(each))) {
      problems.push({
        where: placed.where,
        message: `comes after ${JSON.stringify(name)}, and no step of this stage has that name`,
      })
    }
    waitsFor.set(placed, new Set(wanted.filter((name) => names.has(name))))
  }
  const ordered: PlacedStep[] = []
  let left = [...steps]
  while (left.length > 0) {
    const open = new Set(left.map(({ step }) => step.name))
    const next = left.find((placed) => [...waitsFor.get(placed)!].every((name) => !open.has(name)))
    if (next === undefined) {
      const list = left.map(({ where }) => where).join(', ')
      problems.push({ where: left[0]!.where, message: `these steps wait for each other: ${list}` })
      return { steps: [...ordered, ...left], problems }
    }
    ordered.push(next)
    left = left.filter((each) => each !== next)
  }
  return { steps: ordered, problems }
}

/** What the conditions of a step are held against, beside the facts. */
export interface ConditionSituation {
  readonly facts: MachineFacts
  readonly exists: (path: string) => boolean
}

/**
 * Why a step is passed over; undefined where it runs. `if` is a program and is asked last, by who runs the step. A
 * pattern that is no regular expression passes the step over and says so.
 */
export function passedOver(step: StageStep, { facts, exists }: ConditionSituation): string | undefined {
  const patterns = [
    ['only_os', step.only_os, facts.osIds],
    ['only_os_version', step.only_os_version, [facts.osVersion]],
    ['only_arch', step.only_arch, [facts.arch]],
    ['only_service_manager', step.only_service_manager, ['systemd']],
  ] as const
  for (const [key, pattern, values] of patterns) {
    if (pattern === undefined) continue
    const matches = matchesPattern(pattern, values)
    if (matches === undefined) return `${key}: ${JSON.stringify(pattern)} is no regular expression`
    if (!matches) return `${key} is ${JSON.stringify(pattern)}, this is ${values.join(', ')}`
  }
  if (step.node !== undefined && step.node !== facts.hostname && step.node !== facts.machineId) {
    return `it is for ${step.node}`
  }
  const { any, all, none } = step.if_files ?? {}
  if (any !== undefined && !any.some(exists)) return `none of ${any.join(', ')} is there`
  const missing = all?.find((path) => !exists(path))
  if (missing !== undefined) return `${missing} is not there`
  const unwanted = none?.find(exists)
  return unwanted === undefined ? undefined : `${unwanted} is there`
}

function matchesPattern(pattern: string, values: readonly string[]): boolean | undefined {
  try {
    const expression = new RegExp(pattern)
    return values.some((value) => expression.test(value))
  } catch {
    return undefined
  }
}
