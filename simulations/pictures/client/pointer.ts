import type { Layout } from './layout.ts'
import { gutter, scrollMax } from './layout.ts'
import { flightAt } from './paint-messages.ts'
import type { PageState, Spot } from './state.ts'
import { clampWindow, panWindow, zoomWindow } from './time.ts'

/** What the pointer needs of the page. */
export interface PointerHost {
  readonly state: PageState
  readonly layout: () => Layout
  readonly drawn: () => readonly number[]
  /** The window or the lanes have moved. */
  readonly moved: () => void
  /** Only the pointer has moved. */
  readonly hovered: () => void
  readonly choose: (spot: Spot | undefined) => void
  readonly focus: (node: number) => void
}

/** Wheel, drag, hover and click on the chart. */
export function listenToPointer(canvas: HTMLCanvasElement, host: PointerHost): void {
  const { state } = host
  let drag: { x: number; y: number; moved: boolean } | undefined

  canvas.addEventListener(
    'wheel',
    (event) => {
      event.preventDefault()
      const layout = host.layout()
      const end = state.picture.endMs
      if (event.shiftKey) {
        scrollBy(state, layout, event.deltaY === 0 ? event.deltaX : event.deltaY)
      } else if (Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
        state.window = panWindow(state.window, event.deltaX / layout.width, end)
      } else {
        const factor = 2 ** (Math.max(-240, Math.min(240, event.deltaY)) / 240)
        state.window = zoomWindow(state.window, factor, layout.timeAt(event.offsetX), end)
      }
      host.moved()
    },
    { passive: false },
  )
  canvas.addEventListener('pointerdown', (event) => {
    if (event.button !== 0) return
    canvas.setPointerCapture(event.pointerId)
    drag = { x: event.offsetX, y: event.offsetY, moved: false }
  })
  canvas.addEventListener('pointermove', (event) => {
    const layout = host.layout()
    if (
      drag !== undefined &&
      (drag.moved || Math.hypot(event.offsetX - drag.x, event.offsetY - drag.y) > 3)
    ) {
      const shift = layout.timeAt(drag.x) - layout.timeAt(event.offsetX)
      const { from, to } = state.window
      state.window = clampWindow({ from: from + shift, to: to + shift }, state.picture.endMs)
      scrollBy(state, layout, drag.y - event.offsetY)
      drag = { x: event.offsetX, y: event.offsetY, moved: true }
      state.hover = undefined
      host.moved()
      return
    }
    state.hover = {
      x: event.offsetX,
      y: event.offsetY,
      at: layout.timeAt(event.offsetX),
      node: layout.nodeAt(event.offsetY),
      flight: flightAt(state, layout, host.drawn(), event.offsetX, event.offsetY),
    }
    host.hovered()
  })
  canvas.addEventListener('pointerup', (event) => {
    const wasDrag = drag?.moved ?? true
    drag = undefined
    if (wasDrag) return
    const layout = host.layout()
    const node = layout.nodeAt(event.offsetY)
    if (event.offsetX < gutter) {
      if (node >= 0) host.focus(node)
    } else host.choose({ at: layout.timeAt(event.offsetX), node })
  })
  canvas.addEventListener('pointerleave', () => {
    state.hover = undefined
    host.hovered()
  })
  canvas.addEventListener('dblclick', (event) => {
    const layout = host.layout()
    state.window = zoomWindow(state.window, 0.25, layout.timeAt(event.offsetX), state.picture.endMs)
    host.moved()
  })
}

/** Scrolls the lanes, where there are more than fit. */
export function scrollBy(state: PageState, layout: Layout, pixels: number): void {
  state.scroll = Math.max(0, Math.min(scrollMax(layout), state.scroll + pixels))
}
