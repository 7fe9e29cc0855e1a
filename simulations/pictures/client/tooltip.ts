import { element } from './elements.ts'
import { lowerBound } from './search.ts'
import type { PageState } from './state.ts'
import { formatTime } from './time.ts'
import { describeFlight, momentOf } from './words.ts'

/** Lines of happenings that a tooltip has room for. */
const linesMax = 6

/** Fills the tooltip with what is under the pointer, and puts it next to it. */
export function showTooltip(box: HTMLElement, state: PageState, msPerPixel: number): void {
  const { hover, flights } = state
  if (hover === undefined || (hover.node < 0 && hover.flight === undefined)) {
    box.hidden = true
    return
  }
  const title = element('b', formatTime(hover.at, msPerPixel))
  if (hover.flight !== undefined) {
    const left = formatTime(flights.sentAt[hover.flight] ?? 0, 1)
    box.replaceChildren(
      title,
      element('p', describeFlight(state, hover.flight)),
      element('p', `sent at ${left}`),
    )
  } else {
    box.replaceChildren(title, ...machineLines(state, hover.node, hover.at, msPerPixel))
  }
  box.hidden = false
  const area = box.parentElement?.getBoundingClientRect()
  const right = hover.x + 18 + box.offsetWidth
  const lower = hover.y + 14 + box.offsetHeight
  const fitsRight = area === undefined || right <= area.width
  const fitsBelow = area === undefined || lower <= area.height
  box.style.left = `${fitsRight ? hover.x + 18 : Math.max(0, hover.x - 18 - box.offsetWidth)}px`
  box.style.top = `${fitsBelow ? hover.y + 14 : Math.max(0, hover.y - 14 - box.offsetHeight)}px`
}

function machineLines(state: PageState, node: number, at: number, msPerPixel: number): HTMLElement[] {
  const moment = momentOf(state, node, at)
  const lane = state.picture.lanes[node]
  if (moment === undefined || lane === undefined) return []
  const { phase, note, sinceMs, known, troubles } = moment
  const lines = [
    element('p', `${lane.name}: ${phase} since ${formatTime(sinceMs, 1)}`, 'strong'),
    ...(note === '' ? [] : [element('p', note)]),
  ]
  if (known !== undefined) {
    const plan = known.plan === '' ? 'no plan' : `plan ${known.plan} ${known.planPhase}`
    const leader = known.leader === undefined ? 'no leader' : `leader ${known.leader}`
    lines.push(
      element('p', `${plan}, ${leader}`),
      element('p', `connected to ${known.connected.join(', ') || 'nobody'}; has seen ${known.seen}`),
      ...(known.etcd > 0 ? [element('p', `etcd lists ${known.etcd}`)] : []),
    )
  }
  for (const trouble of troubles) lines.push(element('p', trouble, 'trouble'))
  return [...lines, ...nearLines(state, node, at, 4 * msPerPixel)]
}

/** What happened on this machine within a few pixels. */
function nearLines(
  { picture, hiddenKinds }: PageState,
  node: number,
  at: number,
  reachMs: number,
): HTMLElement[] {
  const { happenings, kinds, strings } = picture
  const lines: HTMLElement[] = []
  let more = 0
  for (let index = lowerBound(happenings.at, at - reachMs); index < happenings.at.length; index += 1) {
    if ((happenings.at[index] ?? 0) > at + reachMs) break
    if (happenings.node[index] !== node || hiddenKinds.has(happenings.kind[index] ?? 0)) continue
    if (lines.length === linesMax) more += 1
    else {
      const kind = kinds[happenings.kind[index] ?? 0] ?? ''
      lines.push(element('p', `${kind}: ${strings[happenings.text[index] ?? 0] ?? ''}`, `near ${kind}`))
    }
  }
  return more === 0 ? lines : [...lines, element('p', `and ${more} more: zoom in`, 'near')]
}
