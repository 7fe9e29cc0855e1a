import { gutter } from './layout.ts'
import type { PageState } from './state.ts'
import { isShown } from './state.ts'
import { lineageColour } from './theme.ts'
import type { TimeWindow } from './time.ts'

/** The whole run on one line: how many messages, which links were cut, what was decided and broken, what is shown below. */
export function paintOverview(
  brush: CanvasRenderingContext2D,
  state: PageState,
  width: number,
  height: number,
): void {
  const { picture, theme, window } = state
  const x = overviewScale(state, width)
  brush.clearRect(0, 0, width, height)
  brush.textBaseline = 'middle'
  brush.font = '11px system-ui, sans-serif'
  brush.fillStyle = theme('quiet')
  brush.fillText('whole run', 10, height / 2)
  brush.fillStyle = theme('lane-odd')
  brush.fillRect(gutter, 0, width - gutter, height)
  for (const { from, to, how } of picture.bands) {
    brush.fillStyle = theme(`band-${how}`)
    brush.globalAlpha = 0.35
    brush.fillRect(x(from), 0, Math.max(2, x(to) - x(from)), height)
    brush.globalAlpha = 1
  }
  const columns = messageCounts(state, width - gutter)
  const most = Math.max(1, ...columns)
  brush.fillStyle = theme('density')
  for (const [column, count] of columns.entries()) {
    const tall = count === 0 ? 0 : Math.max(1, (height - 8) * Math.sqrt(count / most))
    brush.fillRect(gutter + column, height - tall, 1, tall)
  }
  for (const { firstAt, lineage } of picture.decisions) {
    brush.fillStyle = lineageColour(theme, lineage)
    brush.fillRect(x(firstAt) - 1, 0, 2, height)
  }
  if (picture.healedAt !== undefined) {
    brush.fillStyle = theme('healed')
    brush.fillRect(x(picture.healedAt), 0, 2, height)
  }
  for (const { at } of picture.violations) {
    brush.fillStyle = theme('violation')
    brush.fillRect(x(at) - 1.5, 0, 3, height)
  }
  paintFrame(brush, state, window, x, width, height)
}

function paintFrame(
  brush: CanvasRenderingContext2D,
  { theme }: PageState,
  { from, to }: TimeWindow,
  x: (at: number) => number,
  width: number,
  height: number,
): void {
  const left = Math.max(gutter, x(from))
  const right = Math.min(width, Math.max(x(to), left + 3))
  brush.fillStyle = theme('veil')
  brush.fillRect(gutter, 0, left - gutter, height)
  brush.fillRect(right, 0, width - right, height)
  brush.strokeStyle = theme('pin')
  brush.lineWidth = 2
  brush.strokeRect(left + 1, 1, Math.max(1, right - left - 2), height - 2)
  brush.lineWidth = 1
}

/** Where a time lies in the overview. */
export function overviewScale({ picture }: PageState, width: number): (at: number) => number {
  return (at) => gutter + (at / picture.endMs) * (width - gutter)
}

/** Shown messages that left in each column of pixels. */
function messageCounts(state: PageState, columns: number): Uint32Array {
  const { flights, picture } = state
  const counts = new Uint32Array(Math.max(1, Math.floor(columns)))
  const scale = counts.length / picture.endMs
  for (let index = 0; index < flights.count; index += 1) {
    if (!isShown(state, index)) continue
    const column = Math.min(counts.length - 1, Math.floor((flights.sentAt[index] ?? 0) * scale))
    counts[column] = (counts[column] ?? 0) + 1
  }
  return counts
}
