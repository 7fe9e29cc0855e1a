import { readIfThere, writeWhole } from './rooted-files.ts'

/** Where the report of this boot lies. */
const reportPath = '/run/muster/stages.json'

/** Something that did not go as the configuration says. */
export interface StageProblem {
  /** Key of the configuration, or file:line:column. */
  readonly where: string
  readonly message: string
  readonly severity: 'error' | 'warning'
}

/** What came of one stage of this boot. */
export interface StageResult {
  readonly stage: string
  /** Actions that were carried out. */
  readonly done: number
  readonly durationMs: number
  readonly problems: readonly StageProblem[]
}

/** What came of this boot so far: the last run of each stage. */
export interface StageReport {
  readonly stages: readonly StageResult[]
}

/** The report of this boot; empty where nothing ran, or it cannot be read. */
export function readReport(root: string): StageReport {
  try {
    const report = JSON.parse(readIfThere(root, reportPath) ?? '{}') as Partial<StageReport>
    return { stages: Array.isArray(report.stages) ? report.stages : [] }
  } catch {
    return { stages: [] }
  }
}

/** Puts the result of a stage in the place of its former one. */
export function noteResult(root: string, result: StageResult): void {
  const others = readReport(root).stages.filter(({ stage }) => stage !== result.stage)
  const report: StageReport = { stages: [...others, result] }
  writeWhole(root, reportPath, `${JSON.stringify(report)}\n`, { mode: 0o644 })
}
