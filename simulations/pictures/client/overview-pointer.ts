import type { Chart } from './chart.ts'
import { gutter } from './layout.ts'
import type { PageState } from './state.ts'
import { windowAround } from './time.ts'

/** A press or drag in the overview moves the window there. */
export function listenToOverview(state: PageState, chart: Chart): void {
  const { overview } = chart
  const move = (event: PointerEvent): void => {
    const share = (event.offsetX - gutter) / (overview.clientWidth - gutter)
    const { from, to } = state.window
    state.window = windowAround(share * state.picture.endMs, to - from, state.picture.endMs)
    chart.redraw()
  }
  overview.addEventListener('pointerdown', (event) => {
    overview.setPointerCapture(event.pointerId)
    move(event)
  })
  overview.addEventListener('pointermove', (event) => {
    if (event.buttons === 1) move(event)
  })
}
