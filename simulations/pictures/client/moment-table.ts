import { element } from './elements.ts'
import type { PageState } from './state.ts'
import { phaseColour } from './theme.ts'
import { momentOf } from './words.ts'

/** The state of every machine at one time, as a table. `choose` is told which machine was clicked. */
export function fillMomentTable(
  body: HTMLElement,
  state: PageState,
  at: number,
  choose: (node: number) => void,
): void {
  const rows = state.picture.lanes.map((_, node) => {
    const row = element('tr', '', state.pin?.node === node ? 'chosen' : '')
    const moment = momentOf(state, node, at)
    const known = moment?.known
    const phase = element('td')
    const swatch = element('i', '', 'swatch')
    swatch.style.background = phaseColour(state.theme, moment?.phase ?? 'off')
    phase.append(swatch, moment?.phase ?? '')
    const notes = [moment?.note ?? '', ...(moment?.troubles ?? [])].filter(Boolean).join('; ')
    if (notes !== '') phase.append(element('small', notes))
    row.append(
      element('th', String(node)),
      phase,
      element(
        'td',
        known === undefined ? '' : known.plan === '' ? 'none' : `${known.plan} ${known.planPhase}`,
      ),
      element('td', known?.leader === undefined ? '' : String(known.leader)),
      element('td', connections(known?.connected, state.picture.lanes.length)),
      element('td', known === undefined || known.etcd === 0 ? '' : String(known.etcd)),
    )
    row.addEventListener('click', () => choose(node))
    return row
  })
  body.replaceChildren(...rows)
}

/** Names where there is room, else a count. */
function connections(connected: readonly number[] | undefined, lanes: number): string {
  if (connected === undefined) return ''
  if (connected.length === lanes - 1 && lanes > 2) return 'all'
  return connected.length > 8 ? `${connected.length}` : connected.join(' ')
}
