import { byId } from './elements.ts'
import type { Layout } from './layout.ts'
import { layoutOf, scrollMax } from './layout.ts'
import { writeLink } from './link.ts'
import { paintOverview } from './overview.ts'
import { paintAxis, paintBandTrack, paintGrid, paintNames } from './paint-frame.ts'
import { paintGrounds, paintLanes, paintUnrecorded } from './paint-lanes.ts'
import { paintAdoptions, paintCursors, paintHappenings, paintMoments } from './paint-marks.ts'
import type { DrawnMessages } from './paint-messages.ts'
import { paintMessages } from './paint-messages.ts'
import type { PageState } from './state.ts'
import { showTooltip } from './tooltip.ts'

/** Lines of messages drawn while the picture moves, and once it rests. */
const movingLinesMax = 4_000
const restingLinesMax = 40_000
const restAfterMs = 120

/** The chart and its overview: when to draw what. */
export interface Chart {
  readonly canvas: HTMLCanvasElement
  readonly overview: HTMLCanvasElement
  readonly layout: () => Layout
  readonly drawn: () => DrawnMessages
  /** Draws with the next frame: fewer lines at once, all once nothing moves. */
  readonly redraw: () => void
  /** Draws all before it returns. */
  readonly redrawNow: () => void
  /** Draws pointer, pin and tooltip over what stands. */
  readonly redrawPointer: () => void
}

/** Makes the chart. `drew` is called after each drawing that moved something. */
export function makeChart(state: PageState, drew: () => void): Chart {
  const canvas = byId('chart', HTMLCanvasElement)
  const overview = byId('overview', HTMLCanvasElement)
  const tooltip = byId('tooltip', HTMLElement)
  // The drawing without pointer and pin stands here, so that a move of the pointer costs one copy.
  const still = document.createElement('canvas')
  let drawn: DrawnMessages = { indices: [], visible: 0, stride: 1 }
  let frame = 0
  let pointerFrame = 0
  let rest: ReturnType<typeof setTimeout> | undefined

  const layout = (): Layout => layoutOf(state, canvas.clientWidth, canvas.clientHeight)

  const draw = (linesMax: number): void => {
    const place = layout()
    state.scroll = Math.min(state.scroll, scrollMax(place))
    // The pointer stands still, and something else is under it now.
    const { hover } = state
    if (hover !== undefined) {
      const [at, node] = [place.timeAt(hover.x), place.nodeAt(hover.y)]
      state.hover = { ...hover, at, node, flight: undefined }
    }
    drawn = paintChart(brushOf(still, canvas.clientWidth, canvas.clientHeight), state, layout(), linesMax)
    paintOverview(
      brushOf(overview, overview.clientWidth, overview.clientHeight),
      state,
      overview.clientWidth,
      overview.clientHeight,
    )
    drawPointer()
    writeLink(state)
    drew()
  }
  const drawPointer = (): void => {
    const place = layout()
    const brush = brushOf(canvas, place.width, place.height)
    if (still.width > 0 && still.height > 0) brush.drawImage(still, 0, 0, place.width, place.height)
    paintCursors(brush, state, place)
    showTooltip(tooltip, state, place.timeAt(1) - place.timeAt(0))
    canvas.style.cursor = state.hover?.flight === undefined ? 'crosshair' : 'pointer'
  }
  return {
    canvas,
    overview,
    layout,
    drawn: () => drawn,
    redraw: () => {
      cancelAnimationFrame(frame)
      clearTimeout(rest)
      frame = requestAnimationFrame(() => draw(movingLinesMax))
      rest = setTimeout(() => draw(restingLinesMax), restAfterMs)
    },
    redrawNow: () => {
      cancelAnimationFrame(frame)
      clearTimeout(rest)
      draw(restingLinesMax)
    },
    redrawPointer: () => {
      cancelAnimationFrame(pointerFrame)
      pointerFrame = requestAnimationFrame(drawPointer)
    },
  }
}

/** Everything but pointer and pin. */
function paintChart(
  brush: CanvasRenderingContext2D,
  state: PageState,
  layout: Layout,
  linesMax: number,
): DrawnMessages {
  brush.fillStyle = state.theme('ground')
  brush.fillRect(0, 0, layout.width, layout.height)
  paintGrounds(brush, state, layout)
  paintGrid(brush, state, layout)
  brush.fillStyle = state.theme('ground')
  brush.fillRect(0, 0, layout.width, layout.laneTop)
  brush.save()
  brush.beginPath()
  brush.rect(0, layout.laneTop, layout.width, layout.height - layout.laneTop)
  brush.clip()
  // Lines pass behind the bars: however many there are, the phases can be read.
  const drawn = paintMessages(brush, state, layout, linesMax)
  paintLanes(brush, state, layout)
  paintUnrecorded(brush, state, layout)
  paintHappenings(brush, state, layout)
  paintAdoptions(brush, state, layout)
  brush.restore()
  paintAxis(brush, state, layout)
  paintBandTrack(brush, state, layout)
  paintMoments(brush, state, layout)
  paintNames(brush, state, layout)
  return drawn
}

/** A brush in CSS pixels, sharp on a dense screen. Resizing clears a canvas, so it is done only where it has to be. */
function brushOf(canvas: HTMLCanvasElement, width: number, height: number): CanvasRenderingContext2D {
  const density = devicePixelRatio
  const [wide, tall] = [Math.round(width * density), Math.round(height * density)]
  if (canvas.width !== wide || canvas.height !== tall) {
    canvas.width = wide
    canvas.height = tall
  }
  const brush = canvas.getContext('2d')
  if (brush === null) throw new Error('this browser has no canvas')
  brush.setTransform(density, 0, 0, density, 0, 0)
  brush.textBaseline = 'middle'
  return brush
}
