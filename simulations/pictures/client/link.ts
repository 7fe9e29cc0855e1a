import type { PageState } from './state.ts'
import { clampWindow } from './time.ts'

// The address of the page holds what it shows: a link leads somebody else to the same moment.

/** Writes window and pin into the address. */
export function writeLink({ window, pin }: PageState): void {
  const parts = [`t=${Math.round(window.from)}..${Math.round(window.to)}`]
  if (pin !== undefined) parts.push(`at=${Math.round(pin.at * 1_000) / 1_000}`, `node=${pin.node}`)
  history.replaceState(null, '', `#${parts.join('&')}`)
}

/** Reads window and pin from the address; whatever is not there or makes no sense is left as it is. */
export function readLink(state: PageState): void {
  const fields = new Map(
    location.hash
      .slice(1)
      .split('&')
      .map((part) => part.split('=', 2) as [string, string | undefined]),
  )
  const [from, to] = (fields.get('t') ?? '').split('..').map(Number)
  if (from !== undefined && to !== undefined && to > from) {
    state.window = clampWindow({ from, to }, state.picture.endMs)
  }
  const at = Number(fields.get('at') ?? Number.NaN)
  const node = Number(fields.get('node') ?? -1)
  if (Number.isFinite(at) && node < state.picture.lanes.length) state.pin = { at, node }
}
