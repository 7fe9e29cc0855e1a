import type { ComparisonRow } from '../kairos/compare.ts'
import { escapeHtml } from './escape.ts'

const width = 900
const left = 240
const barWidth = 420
const barHeight = 16
const barStep = 21
const groupGap = 30
const top = 34

/**
 * How many runs of each rule ended in two clusters, by faults, as an SVG that stands alone. A bar of full width is all runs; what
 * none of them did is said in words, since an empty bar looks like a missing one.
 */
export function renderComparison(rows: readonly ComparisonRow[]): string {
  const groups = [...Map.groupBy(rows, ({ preset }) => preset)]
  const height =
    top + groups.reduce((sum, [, bars]) => sum + groupGap + bars.length * barStep, 0) + groupGap / 2
  let y = top
  const drawn = groups.map(([preset, bars]) => {
    y += groupGap
    const head = `<text class="group" x="0" y="${y - 8}">${escapeHtml(preset)}</text>`
    const lines = bars.map((row) => {
      const line = renderBar(row, y)
      y += barStep
      return line
    })
    return [head, ...lines].join('\n')
  })
  const title = 'Runs that ended in two clusters'
  return `<svg xmlns="http://www.w3.org/2000/svg" class="comparison" viewBox="0 0 ${width} ${height}" width="${width}" role="img" aria-label="${escapeHtml(`${title}: ${rows.map(describe).join('; ')}`)}">
<style>${style}</style>
<text class="title" x="0" y="16">${title}</text>
${drawn.join('\n')}
</svg>`
}

const style = `.comparison{font:12px system-ui,'DejaVu Sans',sans-serif;max-width:100%;height:auto}
.comparison text{fill:#1b1f27}.comparison .title{font-size:14px;font-weight:600}.comparison .group{font-weight:600}
.comparison .rest{fill:#e0e4ea}.comparison .two{fill:#c8102e}.comparison .quiet{fill:#656d7a}
@media screen and (prefers-color-scheme:dark){.comparison text{fill:#e4e8ef}.comparison .quiet{fill:#939cab}
.comparison .rest{fill:#2a313c}.comparison .two{fill:#ff6b7d}}`

function renderBar(row: ComparisonRow, y: number): string {
  const share = row.forked / Math.max(1, row.runs)
  const text = y + 12
  const bar =
    row.forked === 0
      ? ''
      : `<rect class="two" x="${left}" y="${y}" width="${Math.max(1, share * barWidth).toFixed(1)}" height="${barHeight}"/>`
  return `<text x="12" y="${text}">${escapeHtml(row.rule)}</text>
<rect class="rest" x="${left}" y="${y}" width="${barWidth}" height="${barHeight}"/>${bar}
<text class="quiet" x="${left + barWidth + 12}" y="${text}">${escapeHtml(wordsOf(row))}</text>`
}

function wordsOf({ runs, forked, outsideBound, none }: ComparisonRow): string {
  return [
    `${forked} of ${runs} (${((100 * forked) / Math.max(1, runs)).toFixed(0)} %)`,
    ...(outsideBound === 0 ? [] : [`${outsideBound} outside the bound`]),
    ...(none === 0 ? [] : [`${none} without a cluster`]),
  ].join(', ')
}

function describe(row: ComparisonRow): string {
  return `${row.preset}, ${row.rule}: ${wordsOf(row)}`
}
