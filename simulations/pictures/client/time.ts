// Windows of time and how times are written. Pure, so that it is tested without a browser.

/** The part of the run that is shown, in milliseconds. */
export interface TimeWindow {
  readonly from: number
  readonly to: number
}

/** Nothing shorter can be shown: messages take milliseconds. */
const shortestMs = 1

/** Moves and shortens a window so that it lies in the run. A little room at both ends keeps the ends readable. */
export function clampWindow({ from, to }: TimeWindow, endMs: number): TimeWindow {
  const room = endMs * 0.02
  const length = Math.min(Math.max(to - from, shortestMs), endMs + 2 * room)
  const start = Math.min(Math.max(from, -room), endMs + room - length)
  return { from: start, to: start + length }
}

/** The whole run. */
export function wholeRun(endMs: number): TimeWindow {
  return clampWindow({ from: -endMs, to: 2 * endMs }, endMs)
}

/** Makes a window `factor` times as long; the time `anchor` stays where it is on the screen. */
export function zoomWindow(
  { from, to }: TimeWindow,
  factor: number,
  anchor: number,
  endMs: number,
): TimeWindow {
  const length = Math.min(Math.max((to - from) * factor, shortestMs), endMs * 1.04)
  const share = (anchor - from) / (to - from)
  return clampWindow({ from: anchor - share * length, to: anchor + (1 - share) * length }, endMs)
}

/** Moves a window by a share of its length. */
export function panWindow({ from, to }: TimeWindow, share: number, endMs: number): TimeWindow {
  const by = (to - from) * share
  return clampWindow({ from: from + by, to: to + by }, endMs)
}

/** A window of this length around a time. */
export function windowAround(at: number, lengthMs: number, endMs: number): TimeWindow {
  return clampWindow({ from: at - lengthMs / 2, to: at + lengthMs / 2 }, endMs)
}

/** Round times for an axis, at most one for each `spacing` pixels. */
export function ticksOf(
  { from, to }: TimeWindow,
  width: number,
  spacing: number,
): { readonly step: number; readonly times: readonly number[] } {
  const least = ((to - from) * spacing) / Math.max(width, 1)
  const step = roundSteps.find((one) => one >= least) ?? 10 ** Math.ceil(Math.log10(least))
  const times: number[] = []
  for (let index = Math.max(0, Math.ceil(from / step)); index * step <= to; index += 1)
    times.push(index * step)
  return { step, times }
}

const roundSteps = [
  0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 15_000, 30_000, 60_000,
  120_000, 300_000, 600_000, 1_800_000, 3_600_000, 7_200_000, 21_600_000, 86_400_000,
]

/** A time as a person reads it: `850 ms`, `12.345 s`, `3:07.5`, `2:03:07`. `step` says how exact it has to be. */
export function formatTime(ms: number, step = 1): string {
  if (ms < 0) return `-${formatTime(-ms, step)}`
  const exact = step < 1 ? 4 : step < 10 ? 3 : step < 100 ? 2 : step < 1_000 ? 1 : 0
  const unit = 10 ** exact
  const rounded = Math.round((ms / 1_000) * unit) / unit
  if (rounded < 1 && step < 1_000) return `${Number(ms.toFixed(step < 1 ? 1 : 0))} ms`
  if (rounded < 60) return `${rounded.toFixed(exact)} s`
  const seconds = (rounded % 60).toFixed(exact).padStart(exact === 0 ? 2 : exact + 3, '0')
  const minutes = Math.floor(rounded / 60)
  if (minutes < 60) return `${minutes}:${seconds}`
  return `${Math.floor(minutes / 60)}:${String(minutes % 60).padStart(2, '0')}:${seconds}`
}
