import { formatTime } from './client/time.ts'
import type { Distribution } from './distribution.ts'
import { quantileMs, rangesOf } from './distribution.ts'
import { escapeHtml } from './escape.ts'

/** One row of a picture of distributions. */
export interface DistributionRow {
  readonly name: string
  readonly distribution: Distribution
}

const width = 900
const left = 190
const right = 20
const rowHeight = 74
const top = 34
const columns = 130

/** Quantiles that are marked, and how they are called. */
export const markedShares = [
  [0.5, 'p50'],
  [0.9, 'p90'],
  [0.99, 'p99'],
] as const

/**
 * Distributions one below the other over one logarithmic axis of time, as an SVG that stands alone: in a page as well as
 * in a file beside a document. The height of a row shows shares of its own runs.
 */
export function renderDistributions(title: string, rows: readonly DistributionRow[]): string {
  const height = top + rows.length * rowHeight + 26
  const scale = scaleOf(rows)
  const ticks = scale.ticks.map((ms) => {
    const x = scale.x(ms).toFixed(1)
    return `<line class="grid" x1="${x}" x2="${x}" y1="${top}" y2="${height - 24}"/><text class="tick" x="${x}" y="${height - 8}">${formatTime(ms, ms < 1_000 ? 1 : 1_000)}</text>`
  })
  const drawn = rows.map((row, index) => renderRow(row, top + index * rowHeight, scale.x))
  return `<svg xmlns="http://www.w3.org/2000/svg" class="distributions" viewBox="0 0 ${width} ${height}" width="${width}" role="img" aria-label="${escapeHtml(`${title}: ${rows.map(describeRow).join('; ')}`)}">
<style>${style}</style>
<text class="title" x="0" y="16">${escapeHtml(title)}</text>
${ticks.join('\n')}
${drawn.join('\n')}
</svg>`
}

const style = `.distributions{font:12px system-ui,'DejaVu Sans',sans-serif;max-width:100%;height:auto}
.distributions text{fill:#1b1f27}.distributions .title{font-size:14px;font-weight:600}
.distributions .tick{text-anchor:middle;fill:#656d7a}.distributions .quiet{fill:#656d7a}
.distributions .grid{stroke:#e0e4ea}.distributions .shape{fill:#2f5fd0;fill-opacity:.75}
.distributions .base{stroke:#b5bcc8}.distributions .mark{stroke:#c8102e;stroke-width:1.5}
.distributions .label{font-size:11px;text-anchor:middle}
@media screen and (prefers-color-scheme:dark){.distributions text{fill:#e4e8ef}.distributions .tick,.distributions .quiet{fill:#939cab}
.distributions .grid{stroke:#2a313c}.distributions .shape{fill:#86a8ff}.distributions .base{stroke:#4a5362}.distributions .mark{stroke:#ff6b7d}}`

function renderRow({ name, distribution }: DistributionRow, y: number, x: (ms: number) => number): string {
  const floor = y + rowHeight - 8
  const head = `<text x="0" y="${y + 34}" font-weight="600">${escapeHtml(name)}</text>
<text class="quiet" x="0" y="${y + 50}">${distribution.count.toLocaleString('en')} ${distribution.count === 1 ? 'run' : 'runs'}${distribution.never === 0 ? '' : `, ${distribution.never.toLocaleString('en')} never`}</text>
<line class="base" x1="${left}" x2="${width - right}" y1="${floor}" y2="${floor}"/>`
  if (distribution.count === 0) return head
  const heights = heightsOf(distribution, x)
  const most = Math.max(...heights)
  const breadth = (width - left - right) / columns
  const bars = heights.flatMap((count, column) => {
    if (count === 0) return []
    const tall = Math.max(0.8, (count / most) * (rowHeight - 32))
    return [
      `M${(left + column * breadth).toFixed(1)} ${floor}v${(-tall).toFixed(1)}h${(breadth - 0.6).toFixed(1)}V${floor}z`,
    ]
  })
  let labelledTo = -Infinity
  // Of a single run there are no shares.
  const marked = distribution.count === 1 ? markedShares.slice(0, 1) : markedShares
  const marks = marked.map(([share, label]) => {
    const ms = quantileMs(distribution, share)
    if (ms === undefined) return ''
    const at = x(ms)
    // Labels that would touch stand further right; their lines show where they belong.
    const middle = Math.max(at, labelledTo + 44)
    labelledTo = middle + 44
    return `<line class="mark" x1="${at.toFixed(1)}" x2="${at.toFixed(1)}" y1="${y + 20}" y2="${floor}"/><text class="label" x="${middle.toFixed(1)}" y="${y + 14}">${label} ${formatTime(ms, 100)}</text>`
  })
  return `${head}\n<path class="shape" d="${bars.join('')}"/>\n${marks.join('')}`
}

/** Runs in each column of the picture; a bucket that spans several is shared out among them. */
function heightsOf(distribution: Distribution, x: (ms: number) => number): readonly number[] {
  const heights = Array.from({ length: columns }, () => 0)
  const breadth = (width - left - right) / columns
  for (const { fromMs, toMs, count } of rangesOf(distribution)) {
    const from = (x(fromMs) - left) / breadth
    const to = (x(toMs) - left) / breadth
    for (let column = Math.floor(from); column < to; column += 1) {
      const share = (Math.min(to, column + 1) - Math.max(from, column)) / (to - from)
      const place = Math.max(0, Math.min(columns - 1, column))
      heights[place] = (heights[place] ?? 0) + count * share
    }
  }
  return heights
}

/** A logarithmic axis around all rows, with round times. */
function scaleOf(rows: readonly DistributionRow[]): {
  readonly x: (ms: number) => number
  readonly ticks: readonly number[]
} {
  const filled = rows.filter(({ distribution }) => distribution.count > 0)
  const least = Math.max(1, Math.min(...filled.map(({ distribution }) => distribution.leastMs), 1e12))
  const most = Math.max(least * 2, ...filled.map(({ distribution }) => distribution.mostMs))
  const from = filled.length === 0 ? 100 : least / 1.15
  const to = filled.length === 0 ? 10_000 : most * 1.15
  const scale = (width - left - right) / Math.log(to / from)
  const x = (ms: number): number => left + Math.log(Math.max(ms, from) / from) * scale
  const ticks: number[] = []
  for (const ms of roundTimes) {
    const before = ticks.at(-1)
    if (ms >= from && ms <= to && (before === undefined || x(ms) - x(before) > 48)) ticks.push(ms)
  }
  return { x, ticks }
}

const roundTimes = [
  ...[1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 3_000, 5_000, 10_000, 20_000, 30_000],
  ...[60_000, 120_000, 300_000, 600_000, 1_200_000, 1_800_000, 3_600_000, 7_200_000, 21_600_000, 86_400_000],
]

function describeRow({ name, distribution }: DistributionRow): string {
  const marks = markedShares.map(([share, label]) => {
    const ms = quantileMs(distribution, share)
    return `${label} ${ms === undefined ? 'never' : formatTime(ms, 100)}`
  })
  return `${name} ${marks.join(', ')}`
}
