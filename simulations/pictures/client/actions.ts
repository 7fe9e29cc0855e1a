import type { Chart } from './chart.ts'
import { neighbour } from './event-list.ts'
import { causesOf } from './flights.ts'
import { scrollBy } from './pointer.ts'
import type { PageState, Spot } from './state.ts'
import { panWindow, windowAround, wholeRun, zoomWindow } from './time.ts'

/** Everything that a button, a key or a click can do. */
export interface Actions {
  readonly choose: (spot: Spot | undefined) => void
  readonly jump: (spot: Spot) => void
  readonly focus: (node: number | undefined) => void
  /** By name: the page's buttons name what they do, and so do the keys. */
  readonly named: ReadonlyMap<string, () => void>
}

/** Makes the actions of a page. `changed` is called when pin, focus or causes change. */
export function makeActions(state: PageState, chart: Chart, changed: () => void): Actions {
  const end = state.picture.endMs
  const settle = (): void => {
    changed()
    chart.redraw()
  }
  const choose = (spot: Spot | undefined): void => {
    state.pin = spot === undefined ? undefined : { ...spot, at: Math.max(0, Math.min(end, spot.at)) }
    state.causes = undefined
    settle()
  }
  const focus = (node: number | undefined): void => {
    state.focus = state.focus === node ? undefined : node
    settle()
  }
  const jump = (spot: Spot): void => {
    const length = Math.min(state.window.to - state.window.from, Math.max(2_000, end / 20))
    state.window = windowAround(spot.at, length, end)
    if (spot.node >= 0) showLane(state, chart, spot.node)
    choose(spot)
  }
  /** Zooms on the pin where it is in sight, else on the middle. */
  const zoom = (factor: number) => (): void => {
    const { from, to } = state.window
    const at = state.pin?.at ?? -1
    state.window = zoomWindow(state.window, factor, at >= from && at <= to ? at : (from + to) / 2, end)
    chart.redraw()
  }
  const pan = (share: number) => (): void => {
    state.window = panWindow(state.window, share, end)
    chart.redraw()
  }
  const scroll = (lanes: number) => (): void => {
    const layout = chart.layout()
    scrollBy(state, layout, lanes * layout.laneHeight)
    chart.redraw()
  }
  const step = (direction: 1 | -1) => (): void => {
    const found = neighbour(state, currentTime(state), direction)
    if (found === undefined) return
    keepInSight(state, found.at)
    choose({ at: found.at, node: found.node })
  }
  const mark = (direction: 1 | -1) => (): void => {
    const found = nextMark(state, direction)
    if (found !== undefined) jump(found)
  }
  return {
    choose,
    jump,
    focus,
    named: new Map([
      ['zoom-in', zoom(0.5)],
      ['zoom-out', zoom(2)],
      ['earlier', pan(-0.25)],
      ['later', pan(0.25)],
      ['up', scroll(-1)],
      ['down', scroll(1)],
      ['next-event', step(1)],
      ['previous-event', step(-1)],
      ['next-mark', mark(1)],
      ['previous-mark', mark(-1)],
      [
        'whole',
        () => {
          state.window = wholeRun(end)
          chart.redraw()
        },
      ],
      [
        'causes',
        () => {
          const { pin } = state
          if (pin === undefined || pin.node < 0) return
          const types = state.flights.columns.type
          state.causes =
            state.causes === undefined
              ? causesOf(
                  state.flights,
                  pin.node,
                  pin.at,
                  (index) => !state.hiddenTypes.has(types[index] ?? -1),
                )
              : undefined
          settle()
        },
      ],
      [
        'clear',
        () => {
          state.focus = undefined
          choose(undefined)
        },
      ],
    ]),
  }
}

/** What the texts beside the chart are about: the pin, else the pointer, else the end of what is shown. */
export function currentTime({ pin, hover, window, picture }: PageState): number {
  return pin?.at ?? hover?.at ?? Math.min(picture.endMs, window.to)
}

function keepInSight(state: PageState, at: number): void {
  const { from, to } = state.window
  if (at >= from && at <= to) return
  state.window = windowAround(at, to - from, state.picture.endMs)
}

function showLane(state: PageState, chart: Chart, node: number): void {
  const layout = chart.layout()
  const y = layout.y(node)
  if (y < layout.laneTop + layout.laneHeight || y > layout.height - layout.laneHeight) {
    scrollBy(state, layout, y - (layout.laneTop + layout.height) / 2)
  }
}

/** The next thing worth stopping at: a decision, a violation, a cut, a loss of power, the healing. */
function nextMark(state: PageState, direction: 1 | -1): Spot | undefined {
  const { picture, pin, window } = state
  const at = pin?.at ?? (direction === 1 ? Math.max(-1, window.from) : window.to)
  const marks: Spot[] = [
    ...picture.decisions.map(({ firstAt, firstNode }) => ({ at: firstAt, node: firstNode })),
    ...picture.violations,
    ...picture.bands.map(({ from }) => ({ at: from, node: -1 })),
    ...picture.lanes.flatMap(({ spans }, node) =>
      spans.filter(({ phase, from }) => phase === 'off' && from > 0).map(({ from }) => ({ at: from, node })),
    ),
    ...(picture.healedAt === undefined ? [] : [{ at: picture.healedAt, node: -1 }]),
  ]
  const sorted = marks.toSorted((a, b) => a.at - b.at)
  return direction === 1 ? sorted.find((mark) => mark.at > at) : sorted.findLast((mark) => mark.at < at)
}
