import type { Band, Lane } from '../picture.ts'
import type { Layout } from './layout.ts'
import { gutter } from './layout.ts'
import { lastUpTo } from './search.ts'
import type { PageState } from './state.ts'
import { phaseColour } from './theme.ts'

/** What lies behind all: a ground for each lane, and the sides of partitions. */
export function paintGrounds(brush: CanvasRenderingContext2D, state: PageState, layout: Layout): void {
  for (const node of state.picture.lanes.keys()) {
    const y = layout.y(node)
    if (!isInSight(layout, y)) continue
    paintGround(brush, state, layout, node, y)
    for (const band of state.picture.bands) paintBand(brush, state, layout, band, node, y)
  }
}

function isInSight({ laneTop, laneHeight, height }: Layout, y: number): boolean {
  return y > laneTop - laneHeight && y < height + laneHeight
}

/** Covers the time of which nothing was kept. */
export function paintUnrecorded(
  brush: CanvasRenderingContext2D,
  { picture, theme }: PageState,
  { x, width, height, laneTop }: Layout,
): void {
  const left = Math.max(gutter, x(picture.recordedMs))
  if (picture.recordedMs >= picture.endMs || left >= width) return
  hatch(brush, theme('unrecorded'), left, laneTop, width - left, height - laneTop)
  brush.font = '600 12px system-ui, sans-serif'
  brush.fillStyle = theme('quiet')
  brush.fillText('not recorded', left + 12, laneTop + 14)
}

/** Lanes: phases, pauses and faults. */
export function paintLanes(brush: CanvasRenderingContext2D, state: PageState, layout: Layout): void {
  const { picture } = state
  for (const [node, lane] of picture.lanes.entries()) {
    const y = layout.y(node)
    if (!isInSight(layout, y)) continue
    paintSpans(brush, state, layout, lane, y)
    paintFaults(brush, state, layout, lane, y)
  }
}

function paintGround(
  brush: CanvasRenderingContext2D,
  { theme, focus, pin }: PageState,
  { laneHeight, width }: Layout,
  node: number,
  y: number,
): void {
  const top = y - laneHeight / 2
  const chosen = focus === node || pin?.node === node
  brush.fillStyle = theme(chosen ? 'lane-chosen' : node % 2 === 0 ? 'lane-even' : 'lane-odd')
  brush.fillRect(gutter, top, width - gutter, laneHeight)
}

/** Each side of a partition has its own tint. */
function paintBand(
  brush: CanvasRenderingContext2D,
  { theme, window }: PageState,
  { x, laneHeight }: Layout,
  { from, to, groups, how }: Band,
  node: number,
  y: number,
): void {
  if (to < window.from || from > window.to) return
  const side = groups.findIndex((group) => group.includes(node))
  if (side === -1) return
  const left = x(Math.max(from, window.from))
  const breadth = Math.max(1, x(Math.min(to, window.to)) - left)
  brush.fillStyle = theme(how === 'partition' ? `side-${side % 4}` : `side-${how}`)
  brush.fillRect(left, y - laneHeight / 2, breadth, laneHeight)
}

function paintSpans(
  brush: CanvasRenderingContext2D,
  { theme, window }: PageState,
  { x, barHeight, laneHeight }: Layout,
  { spans, pauses }: Lane,
  y: number,
): void {
  const first = Math.max(
    0,
    lastUpTo(
      spans.map(({ from }) => from),
      window.from,
    ),
  )
  let lastRight = -1
  for (let index = first; index < spans.length; index += 1) {
    const span = spans[index]
    if (span === undefined || span.from > window.to) break
    // A change of the note alone is no change to see.
    while (spans[index + 1]?.phase === span.phase && span.phase !== 'off') index += 1
    const left = x(Math.max(span.from, window.from))
    const right = x(Math.min(spans[index]?.to ?? span.to, window.to))
    if (span.phase === 'off' || span.phase === 'not recorded') {
      paintOff(brush, theme('off'), left, right, y)
      if (span.phase === 'off' && span.from > 0 && span.from >= window.from) {
        paintCrash(brush, theme('crash'), left, y, barHeight)
      }
      lastRight = right
      continue
    }
    // What is narrower than a pixel is drawn as one, and once.
    if (right <= lastRight) continue
    brush.fillStyle = phaseColour(theme, span.phase)
    brush.fillRect(left, y - barHeight / 2, Math.max(1, right - left), barHeight)
    lastRight = Math.max(right, left + 1)
    if (span.from >= window.from && laneHeight >= 24) {
      brush.fillStyle = theme('bar-edge')
      brush.fillRect(left, y - barHeight / 2, 1, barHeight)
    }
    labelSpan(brush, theme('bar-text'), span.phase, left, right, y, barHeight)
  }
  for (const { from, to } of pauses) {
    if (to < window.from || from > window.to) continue
    const left = x(Math.max(from, window.from))
    hatch(brush, theme('pause'), left, y - barHeight / 2, x(Math.min(to, window.to)) - left, barHeight)
  }
}

function labelSpan(
  brush: CanvasRenderingContext2D,
  colour: string,
  text: string,
  left: number,
  right: number,
  y: number,
  barHeight: number,
): void {
  if (barHeight < 12) return
  brush.font = '600 10px system-ui, sans-serif'
  // Room for the diamond that often stands at the beginning.
  if (right - left < brush.measureText(text).width + 18) return
  brush.fillStyle = colour
  brush.fillText(text, left + 11, y + 0.5)
}

function paintOff(
  brush: CanvasRenderingContext2D,
  colour: string,
  left: number,
  right: number,
  y: number,
): void {
  brush.strokeStyle = colour
  brush.lineWidth = 1
  brush.setLineDash([2, 4])
  brush.beginPath()
  brush.moveTo(left, y)
  brush.lineTo(right, y)
  brush.stroke()
  brush.setLineDash([])
}

function paintCrash(
  brush: CanvasRenderingContext2D,
  colour: string,
  x: number,
  y: number,
  size: number,
): void {
  const half = Math.max(3, size / 2 - 2)
  brush.strokeStyle = colour
  brush.lineWidth = 2
  brush.beginPath()
  brush.moveTo(x - half, y - half)
  brush.lineTo(x + half, y + half)
  brush.moveTo(x - half, y + half)
  brush.lineTo(x + half, y - half)
  brush.stroke()
  brush.lineWidth = 1
}

/** Faults of one machine lie under its bar. */
function paintFaults(
  brush: CanvasRenderingContext2D,
  { theme, window }: PageState,
  { x, barHeight, laneHeight }: Layout,
  { faults }: Lane,
  y: number,
): void {
  const top = y + barHeight / 2 + 2
  for (const { from, to, text } of faults) {
    if (to < window.from || from > window.to) continue
    const left = x(Math.max(from, window.from))
    const right = Math.max(left + 3, x(Math.min(to, window.to)))
    brush.fillStyle = theme('fault')
    brush.fillRect(left, top, right - left, 3)
    if (laneHeight < 40) continue
    brush.font = '10px system-ui, sans-serif'
    if (right - left < brush.measureText(text).width) continue
    brush.fillText(text, left, top + 10)
  }
}

/** Slanted lines over a box. */
export function hatch(
  brush: CanvasRenderingContext2D,
  colour: string,
  left: number,
  top: number,
  width: number,
  height: number,
): void {
  brush.save()
  brush.beginPath()
  brush.rect(left, top, Math.max(1, width), height)
  brush.clip()
  brush.strokeStyle = colour
  brush.lineWidth = 2
  brush.beginPath()
  for (let x = left - height; x < left + width; x += 6) {
    brush.moveTo(x, top + height)
    brush.lineTo(x + height, top)
  }
  brush.stroke()
  brush.restore()
  brush.lineWidth = 1
}
