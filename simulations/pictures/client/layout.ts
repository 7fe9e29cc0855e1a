import type { PageState } from './state.ts'

/** Room left of the lanes, for names. */
export const gutter = 104
const axisHeight = 24
const bandRowHeight = 18
const decisionRowHeight = 20
const bandRowsMax = 4

/** Where things are on the canvas, in CSS pixels. */
export interface Layout {
  readonly width: number
  readonly height: number
  /** Top of the row of decisions, below the axis. */
  readonly decisionTop: number
  readonly bandTop: number
  readonly bandRowHeight: number
  readonly laneTop: number
  readonly laneHeight: number
  readonly barHeight: number
  readonly contentHeight: number
  readonly x: (at: number) => number
  readonly timeAt: (x: number) => number
  /** Middle of a lane. */
  readonly y: (node: number) => number
  /** The lane at a height; -1 where there is none. */
  readonly nodeAt: (y: number) => number
}

/** Lays the lanes out: as high as there is room for, and scrolled where there are too many. */
export function layoutOf({ picture, window, scroll }: PageState, width: number, height: number): Layout {
  const rows = Math.min(
    bandRowsMax,
    picture.bands.reduce((most, { row }) => Math.max(most, row + 1), 0),
  )
  const bandTop = axisHeight + decisionRowHeight
  const laneTop = bandTop + rows * bandRowHeight + 4
  const count = Math.max(1, picture.lanes.length)
  const laneHeight = Math.min(120, Math.max(14, Math.floor((height - laneTop) / count)))
  const scale = (width - gutter) / (window.to - window.from)
  return {
    width,
    height,
    decisionTop: axisHeight,
    bandTop,
    bandRowHeight,
    laneTop,
    laneHeight,
    barHeight: Math.max(5, Math.min(16, Math.round(laneHeight * 0.32))),
    contentHeight: laneTop + laneHeight * count,
    x: (at) => gutter + (at - window.from) * scale,
    timeAt: (x) => window.from + (x - gutter) / scale,
    y: (node) => laneTop + laneHeight * (node + 0.5) - scroll,
    nodeAt: (y) => {
      const node = Math.floor((y - laneTop + scroll) / laneHeight)
      return y < laneTop || node < 0 || node >= count ? -1 : node
    },
  }
}

/** How far the lanes can be scrolled. */
export function scrollMax({ contentHeight, height }: Layout): number {
  return Math.max(0, contentHeight - height)
}
