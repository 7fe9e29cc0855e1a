import { element } from './elements.ts'
import { lastUpTo, lowerBound } from './search.ts'
import type { PageState, Spot } from './state.ts'
import { isShown } from './state.ts'
import { formatTime } from './time.ts'
import { describeFlight } from './words.ts'

/** Entries before and after the chosen time. */
const reach = 40
/** Entries of the columns that are looked through for them, at most. */
const searchMax = 20_000

interface Entry extends Spot {
  readonly kind: string
  readonly text: string
}

/** What is shown, around a time and in order: messages as they leave, and everything else. */
export function entriesAround(state: PageState, at: number): readonly Entry[] {
  const before = [...happeningEntries(state, at, -1), ...flightEntries(state, at, -1)]
  const after = [...happeningEntries(state, at, 1), ...flightEntries(state, at, 1)]
  return [
    ...before.toSorted((a, b) => a.at - b.at).slice(-reach),
    ...after.toSorted((a, b) => a.at - b.at).slice(0, reach),
  ]
}

function happeningEntries({ picture, hiddenKinds, focus }: PageState, at: number, step: 1 | -1): Entry[] {
  const { happenings, kinds, strings } = picture
  const entries: Entry[] = []
  const start = step === 1 ? lastUpTo(happenings.at, at) + 1 : lastUpTo(happenings.at, at)
  for (
    let index = start, looked = 0;
    entries.length < reach && looked < searchMax;
    index += step, looked += 1
  ) {
    const time = happenings.at[index]
    if (time === undefined) break
    const node = happenings.node[index] ?? -1
    if (
      hiddenKinds.has(happenings.kind[index] ?? 0) ||
      (focus !== undefined && node >= 0 && node !== focus)
    ) {
      continue
    }
    const kind = kinds[happenings.kind[index] ?? 0] ?? ''
    entries.push({ at: time, node, kind, text: strings[happenings.text[index] ?? 0] ?? '' })
  }
  return step === 1 ? entries : entries.toReversed()
}

function flightEntries(state: PageState, at: number, step: 1 | -1): Entry[] {
  const { sentAt, columns } = state.flights
  const entries: Entry[] = []
  const start = step === 1 ? lastUpTo(sentAt, at) + 1 : lastUpTo(sentAt, at)
  for (
    let index = start, looked = 0;
    entries.length < reach && looked < searchMax;
    index += step, looked += 1
  ) {
    const time = sentAt[index]
    if (time === undefined) break
    if (!isShown(state, index) || columns.fate[index] === 3) continue
    entries.push({
      at: time,
      node: columns.from[index] ?? -1,
      kind: 'message',
      text: describeFlight(state, index),
    })
  }
  return step === 1 ? entries : entries.toReversed()
}

/** The next entry after a time, or the one before it, on any machine that is shown. */
export function neighbour(state: PageState, at: number, step: 1 | -1): Entry | undefined {
  const entries = entriesAround(state, step === 1 ? at : at - 1e-6)
  const times = entries.map((entry) => entry.at)
  return step === 1 ? entries[lastUpTo(times, at) + 1] : entries[lowerBound(times, at) - 1]
}

/** Fills the list with what happened around a time. `choose` is told which entry was clicked. */
export function fillEventList(
  list: HTMLElement,
  state: PageState,
  at: number,
  choose: (spot: Spot) => void,
): void {
  const entries = entriesAround(state, at)
  const last = lastUpTo(
    entries.map((entry) => entry.at),
    at,
  )
  const items = entries.map((entry, index) => {
    const item = element('li', '', `${entry.kind}${index === last ? ' now' : ''}`)
    item.append(
      element('time', formatTime(entry.at, 1)),
      element('b', entry.node < 0 ? '' : String(entry.node)),
      element('span', entry.kind === 'message' ? entry.text : `${entry.kind}: ${entry.text}`),
    )
    item.addEventListener('click', () => choose({ at: entry.at, node: entry.node }))
    return item
  })
  list.replaceChildren(...items)
  const now = items[last]
  list.scrollTop = now === undefined ? 0 : now.offsetTop - list.offsetTop - list.clientHeight / 2
}
