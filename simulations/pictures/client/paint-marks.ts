import type { Layout } from './layout.ts'
import { gutter } from './layout.ts'
import { lowerBound } from './search.ts'
import type { PageState } from './state.ts'
import { lineageColour } from './theme.ts'

/** Small marks below the bars: disk, log, k3s. */
export function paintHappenings(brush: CanvasRenderingContext2D, state: PageState, layout: Layout): void {
  const { picture, theme, window, hiddenKinds } = state
  const { laneHeight, barHeight, x, y } = layout
  if (laneHeight < 20) return
  const { at, node, kind } = picture.happenings
  const drawn = new Set<string>()
  for (let index = lowerBound(at, window.from); index < at.length; index += 1) {
    const time = at[index] ?? 0
    if (time > window.to) break
    const name = picture.kinds[kind[index] ?? 0] ?? ''
    const lane = node[index] ?? -1
    if (lane < 0 || hiddenKinds.has(kind[index] ?? 0)) continue
    if (name !== 'persist' && name !== 'log' && name !== 'k3s') continue
    const left = Math.round(x(time))
    const place = `${name}${lane}:${left}`
    if (drawn.has(place)) continue
    drawn.add(place)
    brush.fillStyle = theme(`kind-${name}`)
    const middle = y(lane)
    if (name === 'persist') brush.fillRect(left, middle + barHeight / 2, 1, 5)
    else if (name === 'k3s') brush.fillRect(left - 2, middle + barHeight / 2 + 2, 5, 5)
    else dot(brush, left, middle - barHeight / 2 - 4, 2)
  }
}

/** Diamonds on the bars: a machine takes a plan. The colour is the cluster's. */
export function paintAdoptions(brush: CanvasRenderingContext2D, state: PageState, layout: Layout): void {
  const { picture, theme, window } = state
  const { x, y, laneHeight, barHeight } = layout
  const half = Math.max(4, Math.min(7, laneHeight / 4))
  for (const [node, { adoptions }] of picture.lanes.entries()) {
    let labelledTo = -Infinity
    for (const { at, decision } of adoptions) {
      const known = picture.decisions[decision]
      if (known === undefined || at < window.from || at > window.to) continue
      const left = x(at)
      const middle = y(node)
      brush.beginPath()
      brush.moveTo(left - half, middle)
      brush.lineTo(left, middle - half)
      brush.lineTo(left + half, middle)
      brush.lineTo(left, middle + half)
      brush.closePath()
      brush.fillStyle = lineageColour(theme, known.lineage)
      brush.fill()
      brush.strokeStyle = theme(known.conflict ? 'violation' : 'ground')
      brush.lineWidth = known.conflict ? 2 : 1.5
      brush.stroke()
      brush.lineWidth = 1
      if (laneHeight < 36 || left < labelledTo) continue
      brush.font = '600 11px system-ui, sans-serif'
      brush.fillStyle = theme(known.conflict ? 'violation' : 'text')
      brush.fillText(known.label, left - 3, middle - Math.max(half, barHeight / 2) - 7)
      labelledTo = left + brush.measureText(known.label).width + 4
    }
  }
}

/** Upright lines over all lanes: first sight of a plan, the healing, violations. */
export function paintMoments(brush: CanvasRenderingContext2D, state: PageState, layout: Layout): void {
  const { picture, theme, window } = state
  const { x, y, decisionTop, barHeight } = layout
  paintDecisions(brush, state, layout)
  if (picture.healedAt !== undefined) {
    const left = Math.round(x(picture.healedAt)) + 0.5
    upright(brush, theme('healed'), left, decisionTop + 4, layout.height, [6, 3])
    brush.fillStyle = theme('healed')
    brush.font = '600 11px system-ui, sans-serif'
    const breadth = brush.measureText('healed').width
    const fits = left + breadth + 6 < layout.width
    brush.fillText('healed', fits ? left + 4 : left - breadth - 4, decisionTop + 10)
  }
  for (const { at, node } of picture.violations) {
    if (at < window.from || at > window.to) continue
    const left = Math.round(x(at)) + 0.5
    upright(brush, theme('violation'), left, 0, layout.height, [])
    brush.fillStyle = theme('violation')
    brush.beginPath()
    brush.moveTo(left - 6, 0)
    brush.lineTo(left + 6, 0)
    brush.lineTo(left, 10)
    brush.fill()
    if (node < 0) continue
    brush.strokeStyle = theme('violation')
    brush.lineWidth = 2.5
    brush.beginPath()
    brush.arc(left, y(node), barHeight / 2 + 7, 0, 2 * Math.PI)
    brush.stroke()
    brush.lineWidth = 1
  }
}

/** A line where a plan was first taken; its name as long as there is room until the next one. */
function paintDecisions(
  brush: CanvasRenderingContext2D,
  { picture, theme, window }: PageState,
  layout: Layout,
): void {
  const { x, decisionTop } = layout
  const shown = picture.decisions.filter(({ firstAt }) => firstAt >= window.from && firstAt <= window.to)
  let labelledTo = -Infinity
  brush.font = '600 11px system-ui, sans-serif'
  for (const [index, { firstAt, label, phase, lineage, conflict }] of shown.entries()) {
    const left = Math.round(x(firstAt)) + 0.5
    upright(brush, lineageColour(theme, lineage), left, decisionTop + 4, layout.height, [2, 3])
    const next = shown[index + 1]?.firstAt
    const room = (next === undefined ? layout.width : x(next)) - left - 8
    const long = `${label} ${phase}`
    const text = brush.measureText(long).width < room ? long : label
    if (left < labelledTo) continue
    brush.fillStyle = theme(conflict ? 'violation' : 'text')
    brush.fillText(text, left + 4, decisionTop + 10)
    labelledTo = left + brush.measureText(text).width + 6
  }
}

/** Where the pointer and the pin are. */
export function paintCursors(brush: CanvasRenderingContext2D, state: PageState, layout: Layout): void {
  const { hover, pin, theme } = state
  if (hover !== undefined && hover.x >= gutter) {
    upright(brush, theme('cursor'), Math.round(hover.x) + 0.5, 0, layout.height, [])
  }
  if (pin === undefined) return
  const left = Math.round(layout.x(pin.at)) + 0.5
  upright(brush, theme('pin'), left, 0, layout.height, [])
  if (pin.node >= 0) {
    brush.fillStyle = theme('pin')
    dot(brush, left, layout.y(pin.node), 4)
  }
}

function upright(
  brush: CanvasRenderingContext2D,
  colour: string,
  x: number,
  top: number,
  bottom: number,
  dash: number[],
): void {
  brush.strokeStyle = colour
  brush.setLineDash(dash)
  brush.beginPath()
  brush.moveTo(x, top)
  brush.lineTo(x, bottom)
  brush.stroke()
  brush.setLineDash([])
}

function dot(brush: CanvasRenderingContext2D, x: number, y: number, radius: number): void {
  brush.beginPath()
  brush.arc(x, y, radius, 0, 2 * Math.PI)
  brush.fill()
}
