import type { Layout } from './layout.ts'
import { gutter } from './layout.ts'
import { hatch } from './paint-lanes.ts'
import type { PageState } from './state.ts'
import { formatTime, ticksOf } from './time.ts'

/** Pixels between two times of the axis, at least. */
const tickSpacing = 90

/** Fine lines at round times, behind everything. */
export function paintGrid(
  brush: CanvasRenderingContext2D,
  { window, theme }: PageState,
  { width, height, x, decisionTop }: Layout,
): void {
  brush.strokeStyle = theme('grid')
  brush.beginPath()
  for (const time of ticksOf(window, width - gutter, tickSpacing).times) {
    const left = Math.round(x(time)) + 0.5
    brush.moveTo(left, decisionTop - 5)
    brush.lineTo(left, height)
  }
  brush.stroke()
}

/** Times along the top. */
export function paintAxis(
  brush: CanvasRenderingContext2D,
  { window, theme }: PageState,
  layout: Layout,
): void {
  const { width, x, decisionTop } = layout
  const { step, times } = ticksOf(window, width - gutter, tickSpacing)
  brush.font = '11px system-ui, sans-serif'
  brush.fillStyle = theme('quiet')
  for (const time of times) {
    const text = formatTime(time, step)
    const left = Math.round(x(time)) + 3.5
    brush.fillText(text, Math.min(left, width - brush.measureText(text).width - 2), decisionTop / 2)
  }
}

/** The track of partitions, one-way losses and clogs above the lanes. */
export function paintBandTrack(brush: CanvasRenderingContext2D, state: PageState, layout: Layout): void {
  const { picture, window, theme } = state
  const { x, bandTop, bandRowHeight, laneTop } = layout
  for (const { from, to, text, how, row } of picture.bands) {
    const top = bandTop + row * bandRowHeight
    if (to < window.from || from > window.to || top + bandRowHeight > laneTop) continue
    const left = x(Math.max(from, window.from))
    const breadth = Math.max(2, x(Math.min(to, window.to)) - left)
    brush.fillStyle = theme(`band-${how}`)
    brush.fillRect(left, top, breadth, bandRowHeight - 3)
    if (how !== 'partition') hatch(brush, theme('band-hatch'), left, top, breadth, bandRowHeight - 3)
    labelBox(brush, theme('band-text'), text, left, top + (bandRowHeight - 3) / 2, breadth)
  }
}

/** As much of a text as a box has room for. */
function labelBox(
  brush: CanvasRenderingContext2D,
  colour: string,
  text: string,
  left: number,
  middle: number,
  breadth: number,
): void {
  if (breadth < 30) return
  brush.font = '600 11px system-ui, sans-serif'
  let shown = text
  while (shown.length > 3 && brush.measureText(shown).width > breadth - 10) shown = `${shown.slice(0, -2)}…`
  if (shown.length <= 3) return
  brush.fillStyle = colour
  brush.fillText(shown, left + 5, middle + 0.5)
}

/** Names of the machines, left of the lanes; above them, what the rows are. */
export function paintNames(brush: CanvasRenderingContext2D, state: PageState, layout: Layout): void {
  const { picture, theme, focus, pin } = state
  const { laneTop, laneHeight, height, y, decisionTop, bandTop } = layout
  brush.fillStyle = theme('ground')
  brush.fillRect(0, 0, gutter, height)
  brush.save()
  brush.beginPath()
  brush.rect(0, laneTop, gutter, height - laneTop)
  brush.clip()
  for (const [node, { name, segment, core }] of picture.lanes.entries()) {
    const middle = y(node)
    if (middle < laneTop - laneHeight || middle > height + laneHeight) continue
    const chosen = focus === node || pin?.node === node
    const two = laneHeight >= 40
    brush.font = `${chosen ? '700' : '600'} ${Math.min(13, Math.max(9, laneHeight - 4))}px system-ui, sans-serif`
    brush.fillStyle = theme(chosen ? 'pin' : 'text')
    brush.fillText(name, 10, two ? middle - 7 : middle + 0.5)
    if (!two) continue
    brush.font = '11px system-ui, sans-serif'
    brush.fillStyle = theme('quiet')
    brush.fillText(core ? (segment < 0 ? '' : `segment ${segment}`) : 'outside the core', 10, middle + 9)
  }
  brush.restore()
  brush.font = '11px system-ui, sans-serif'
  brush.fillStyle = theme('quiet')
  brush.fillText('time', 10, decisionTop / 2)
  brush.fillText('decisions', 10, decisionTop + 10)
  if (laneTop - bandTop > 10) brush.fillText('links', 10, bandTop + 8)
  brush.strokeStyle = theme('line')
  brush.beginPath()
  brush.moveTo(gutter - 0.5, 0)
  brush.lineTo(gutter - 0.5, height)
  brush.moveTo(0, laneTop - 1.5)
  brush.lineTo(layout.width, laneTop - 1.5)
  brush.stroke()
}
