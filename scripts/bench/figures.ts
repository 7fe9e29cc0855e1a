import { formatTable } from '../../src/table.ts'

/** What was measured, how often, and what it should be. */
export interface Figure {
  readonly what: string
  readonly unit: string
  /** At most this of the median or of the worst, or at least this of the median; undefined: no goal, only known. */
  readonly goal?:
    | { readonly of: 'p50' | 'max'; readonly most: number }
    | { readonly of: 'p50'; readonly least: number }
  /** One value for each run, or for each host. */
  readonly values: readonly number[]
}

/** The middle one; of an even number the larger of the two. Throws where nothing was measured. */
export function median(values: readonly number[]): number {
  const middle = values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]
  if (middle === undefined || values.some((value) => !Number.isFinite(value)))
    throw new Error(`not measured: [${values.join(', ')}]`)
  return middle
}

/** The figures as a table. Throws where one has no values: a figure that could not be measured is no blank. */
export function formatFigures(figures: readonly Figure[]): string {
  for (const { what, values } of figures) {
    if (values.length === 0) throw new Error(`${what}: not measured`)
  }
  return formatTable<Figure>(
    [
      { title: 'FIGURE', of: ({ what }) => what },
      { title: 'UNIT', of: ({ unit }) => unit },
      { title: 'GOAL', of: ({ goal }) => (goal === undefined ? '' : describeGoal(goal)) },
      { title: 'MET', of: (figure) => (figure.goal === undefined ? '' : isMet(figure) ? 'yes' : 'no') },
      { title: 'P50', of: ({ values }) => rounded(median(values)) },
      { title: 'MIN', of: ({ values }) => rounded(Math.min(...values)) },
      { title: 'MAX', of: ({ values }) => rounded(Math.max(...values)) },
      { title: 'N', of: ({ values }) => String(values.length) },
    ],
    figures,
  )
}

function describeGoal(goal: NonNullable<Figure['goal']>): string {
  return 'least' in goal ? `${goal.of} ≥ ${goal.least}` : `${goal.of} ≤ ${goal.most}`
}

function isMet({ goal, values }: Figure): boolean {
  if (goal === undefined) return true
  if ('least' in goal) return median(values) >= goal.least
  return (goal.of === 'p50' ? median(values) : Math.max(...values)) <= goal.most
}

/** Three digits that mean something. */
function rounded(value: number): string {
  if (value >= 100) return value.toFixed(0)
  return value >= 10 ? value.toFixed(1) : value.toFixed(2)
}
