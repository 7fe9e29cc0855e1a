import { visitFlights } from './flights.ts'
import type { Layout } from './layout.ts'
import type { PageState } from './state.ts'
import { isShown } from './state.ts'
import { typeColour } from './theme.ts'

/** What was drawn: for the pointer to find, and to say what was left out. */
export interface DrawnMessages {
  readonly indices: readonly number[]
  /** Shown by the filters and in the window. Lines that fall on one another are drawn once. */
  readonly visible: number
  /** Distinct lines, of which only every `stride`-th was drawn. */
  readonly stride: number
}

/** With fewer lines than this, arrows say where they go. */
const arrowsMax = 400

/** With fewer lines than this, words say what they are. */
const wordsMax = 60

/** Thin lines between lanes, by type. `linesMax` bounds the work of one drawing. */
export function paintMessages(
  brush: CanvasRenderingContext2D,
  state: PageState,
  layout: Layout,
  linesMax: number,
): DrawnMessages {
  const { flights, picture, theme } = state
  const { distinct, visible } = distinctLines(state, layout)
  const stride = Math.max(1, Math.ceil(distinct.length / linesMax))
  const drawn = distinct.filter((_, index) => index % stride === 0)
  const byType = Map.groupBy(drawn, (index) => flights.columns.type[index] ?? 0)
  const alpha = Math.max(0.3, Math.min(0.95, 1.35 - 0.28 * Math.log10(drawn.length + 1)))
  brush.lineWidth = drawn.length < arrowsMax ? 1.3 : 1
  // Consensus comes first in the order of types, and last on the canvas: on top.
  for (const [type, indices] of [...byType].toSorted(([a], [b]) => b - a)) {
    const known = picture.types[type]
    if (known === undefined) continue
    const colour = typeColour(theme, known)
    brush.strokeStyle = colour
    brush.fillStyle = colour
    brush.globalAlpha = known.family === 'consensus' ? alpha : alpha * 0.6
    brush.beginPath()
    for (const index of indices) if (isCarried(flights.columns.fate[index])) line(brush, state, layout, index)
    brush.stroke()
    brush.setLineDash([3, 3])
    brush.beginPath()
    for (const index of indices)
      if (!isCarried(flights.columns.fate[index])) line(brush, state, layout, index)
    brush.stroke()
    brush.setLineDash([])
    if (drawn.length < arrowsMax) for (const index of indices) ending(brush, state, layout, index)
  }
  brush.globalAlpha = 1
  brush.lineWidth = 1
  if (drawn.length < wordsMax) nameMessages(brush, state, layout, drawn)
  return { indices: drawn, visible, stride }
}

/** Lines that differ on the screen: the rest would be drawn over and over in one place. */
function distinctLines(
  state: PageState,
  { x }: Layout,
): { readonly distinct: readonly number[]; readonly visible: number } {
  const { flights, picture, window } = state
  const { columns, sentAt, until } = flights
  const lanes = picture.lanes.length
  const types = picture.types.length
  const seen = new Set<number>()
  const distinct: number[] = []
  let visible = 0
  visitFlights(flights, window.from, window.to, (index) => {
    if (!isShown(state, index)) return
    visible += 1
    const left = Math.round(x(sentAt[index] ?? 0))
    const breadth = Math.min(1_023, Math.round(x(until[index] ?? 0)) - left)
    const pair = (columns.from[index] ?? 0) * lanes + (columns.to[index] ?? 0)
    const fate = isCarried(columns.fate[index]) ? 0 : 1
    const place = (left + 100_000) * 1_024 + breadth
    const key = ((place * types + (columns.type[index] ?? 0)) * 2 + fate) * lanes * lanes + pair
    if (Number.isSafeInteger(key) && seen.has(key)) return
    seen.add(key)
    distinct.push(index)
  })
  return { distinct, visible }
}

/** Names of types where messages leave, as far as there is room. */
function nameMessages(
  brush: CanvasRenderingContext2D,
  state: PageState,
  layout: Layout,
  drawn: readonly number[],
): void {
  if (layout.laneHeight < 40) return
  const { flights, picture, theme } = state
  const takenTo = new Map<string, number>()
  brush.font = '10px system-ui, sans-serif'
  for (const index of drawn) {
    const type = picture.types[flights.columns.type[index] ?? 0]
    if (type === undefined) continue
    const { x0, y0, x1, y1 } = lineEnds(state, layout, index)
    // Where lines stand almost upright there are too many of them in one place.
    if (x1 - x0 < 8) continue
    const side = y1 < y0 ? -1 : 1
    const place = `${flights.columns.from[index]}/${side}`
    if (x0 < (takenTo.get(place) ?? -Infinity)) continue
    takenTo.set(place, x0 + brush.measureText(type.name).width + 12)
    brush.fillStyle = typeColour(theme, type)
    brush.fillText(type.name, x0 + 4, y0 + side * 14)
  }
}

function isCarried(fate: number | undefined): boolean {
  return fate === 0 || fate === 3
}

/** Both ends of a message's line on the screen. A lost message ends half-way. */
export function lineEnds(
  { flights: { columns, sentAt, until } }: PageState,
  { x, y, barHeight }: Layout,
  index: number,
): { readonly x0: number; readonly y0: number; readonly x1: number; readonly y1: number } {
  const from = columns.from[index] ?? 0
  const to = columns.to[index] ?? 0
  const edge = (Math.sign(to - from) * barHeight) / 2
  const y0 = y(from) + edge
  const far = y(to) - edge
  const lost = !isCarried(columns.fate[index])
  return { x0: x(sentAt[index] ?? 0), y0, x1: x(until[index] ?? 0), y1: lost ? (y0 + far) / 2 : far }
}

function line(brush: CanvasRenderingContext2D, state: PageState, layout: Layout, index: number): void {
  const { x0, y0, x1, y1 } = lineEnds(state, layout, index)
  brush.moveTo(x0, y0)
  brush.lineTo(x1, y1)
}

/** An arrow where a message arrives, a cross where it is lost. */
function ending(brush: CanvasRenderingContext2D, state: PageState, layout: Layout, index: number): void {
  const { x0, y0, x1, y1 } = lineEnds(state, layout, index)
  const fate = state.flights.columns.fate[index]
  if (fate === 2) return
  brush.beginPath()
  if (fate === 1) {
    brush.moveTo(x1 - 3, y1 - 3)
    brush.lineTo(x1 + 3, y1 + 3)
    brush.moveTo(x1 - 3, y1 + 3)
    brush.lineTo(x1 + 3, y1 - 3)
    brush.stroke()
    return
  }
  const angle = Math.atan2(y1 - y0, x1 - x0)
  brush.moveTo(x1, y1)
  brush.lineTo(x1 - 7 * Math.cos(angle - 0.4), y1 - 7 * Math.sin(angle - 0.4))
  brush.lineTo(x1 - 7 * Math.cos(angle + 0.4), y1 - 7 * Math.sin(angle + 0.4))
  brush.fill()
}

/** The message whose line is nearest to a point, within 5 pixels. */
export function flightAt(
  state: PageState,
  layout: Layout,
  drawn: readonly number[],
  px: number,
  py: number,
): number | undefined {
  let best: number | undefined
  let least = 5
  for (const index of drawn) {
    const { x0, y0, x1, y1 } = lineEnds(state, layout, index)
    if (py < Math.min(y0, y1) - 5 || py > Math.max(y0, y1) + 5) continue
    const length = (x1 - x0) ** 2 + (y1 - y0) ** 2
    const share = length === 0 ? 0 : ((px - x0) * (x1 - x0) + (py - y0) * (y1 - y0)) / length
    const along = Math.max(0, Math.min(1, share))
    const distance = Math.hypot(px - x0 - along * (x1 - x0), py - y0 - along * (y1 - y0))
    if (distance < least) {
      least = distance
      best = index
    }
  }
  return best
}
