import type { Actions } from './actions.ts'
import { currentTime } from './actions.ts'
import type { Chart } from './chart.ts'
import { byId } from './elements.ts'
import { fillEventList } from './event-list.ts'
import { fillMomentTable } from './moment-table.ts'
import type { PageState } from './state.ts'
import { formatTime } from './time.ts'

/** Texts follow the pointer at this pace. */
const pauseMs = 60

/** Keeps the texts beside the chart at the time of pin or pointer. */
export function makeSide(state: PageState, chart: Chart, actions: () => Actions): () => void {
  let waiting: ReturnType<typeof setTimeout> | undefined
  let filledAt: number | undefined
  const fill = (): void => {
    waiting = undefined
    const at = currentTime(state)
    filledAt = at
    byId('moment-time', HTMLElement).textContent = formatTime(at, 1)
    fillMomentTable(byId('moment', HTMLElement), state, at, (node) => actions().choose({ at, node }))
    fillEventList(byId('events', HTMLElement), state, at, (spot) => actions().choose(spot))
    byId('shown', HTMLElement).textContent = shownText(state, chart)
  }
  return () => {
    const causes = document.querySelector('[data-do=causes]')
    causes?.setAttribute('aria-pressed', String(state.causes !== undefined))
    causes?.toggleAttribute('disabled', state.pin === undefined || state.pin.node < 0)
    if (filledAt === undefined) fill()
    else waiting ??= setTimeout(fill, pauseMs)
  }
}

/** One line under the chart: what is drawn, and what not. */
function shownText({ window, focus, causes, picture }: PageState, chart: Chart): string {
  const { visible, stride } = chart.drawn()
  const words = [
    `${formatTime(Math.max(0, window.from), 1)} to ${formatTime(Math.min(picture.endMs, window.to), 1)}`,
    `${visible.toLocaleString('en')} messages`,
  ]
  if (stride > 1) words.push(`one line in ${stride} drawn: zoom in for all`)
  if (focus !== undefined) words.push(`only those of ${picture.lanes[focus]?.name}`)
  if (causes !== undefined) words.push('only those that can have led to the chosen point')
  return words.join(' · ')
}
