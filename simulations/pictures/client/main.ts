import type { RunPicture } from '../picture.ts'
import type { Actions } from './actions.ts'
import { makeActions } from './actions.ts'
import { makeChart } from './chart.ts'
import { byId } from './elements.ts'
import { flightsOf } from './flights.ts'
import { listenToButtons, listenToKeys } from './keys.ts'
import { fillLegend } from './legend.ts'
import { readLink } from './link.ts'
import { listenToOverview } from './overview-pointer.ts'
import { listenToPointer } from './pointer.ts'
import { makeSide } from './side.ts'
import type { PageState } from './state.ts'
import { readTheme } from './theme.ts'
import { wholeRun } from './time.ts'

// The page of a run: reads the data that it carries, and draws.

const picture = JSON.parse(byId('data', HTMLScriptElement).textContent) as RunPicture
const state: PageState = {
  picture,
  flights: flightsOf(picture.messages),
  theme: readTheme(),
  window: wholeRun(picture.endMs),
  scroll: 0,
  hiddenTypes: new Set(picture.types.keys().filter((type) => picture.types[type]?.family !== 'consensus')),
  hiddenKinds: new Set([picture.kinds.indexOf('persist')]),
  focus: undefined,
  hover: undefined,
  pin: undefined,
  causes: undefined,
}
readLink(state)

let fillSide = (): void => {}
const chart = makeChart(state, () => fillSide())
const actions: Actions = makeActions(state, chart, () => fillSide())
fillSide = makeSide(state, chart, () => actions)
const legend = (): void => fillLegend(byId('legend', HTMLElement), state, chart.redraw)
const renew = (): void => {
  state.theme = readTheme()
  legend()
  chart.redrawNow()
}

legend()
listenToPointer(chart.canvas, {
  state,
  layout: chart.layout,
  drawn: () => chart.drawn().indices,
  moved: chart.redraw,
  hovered: () => {
    chart.redrawPointer()
    if (state.pin === undefined) fillSide()
  },
  choose: actions.choose,
  focus: actions.focus,
})
listenToOverview(state, chart)
listenToKeys(actions.named)
listenToButtons(actions.named)
for (const button of document.querySelectorAll<HTMLElement>('[data-at]')) {
  button.addEventListener('click', () => {
    actions.jump({ at: Number(button.dataset['at']), node: Number(button.dataset['node']) })
  })
}
new ResizeObserver(chart.redrawNow).observe(chart.canvas)
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', renew)
matchMedia('print').addEventListener('change', renew)
addEventListener('hashchange', () => {
  readLink(state)
  chart.redraw()
})
chart.redrawNow()
document.documentElement.dataset['ready'] = 'yes'
