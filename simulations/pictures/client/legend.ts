import type { MessageFamily } from '../picture.ts'
import { element } from './elements.ts'
import type { PageState } from './state.ts'
import { phaseColour, typeColour } from './theme.ts'

const families: readonly MessageFamily[] = ['consensus', 'plan', 'membership', 'other']
const phaseOrder = [
  ...['off', 'starting', 'discovery', 'membership', 'waiting', 'plan', 'chartered', 'overlay', 'install'],
  ...['k3s-starting', 'k3s-joining', 'k3s', 'k3s-ready', 'k3s-outdated', 'stopped', 'not recorded'],
]
/** Kinds that can be hidden: the others are always worth seeing. */
const quietKinds = ['persist', 'log', 'k3s', 'phase']

/** Fills the legend, which is the filter too: every entry of a message or mark is a switch. */
export function fillLegend(box: HTMLElement, state: PageState, changed: () => void): void {
  const { picture, theme } = state
  const again = (): void => {
    fillLegend(box, state, changed)
    changed()
  }
  const phases = [...new Set(picture.lanes.flatMap(({ spans }) => spans.map(({ phase }) => phase)))].toSorted(
    (a, b) => phaseOrder.indexOf(a) - phaseOrder.indexOf(b),
  )
  const phaseRow = row('phases')
  for (const phase of phases) {
    const entry = element('span', '', 'entry')
    const isDotted = phase === 'off' || phase === 'not recorded'
    entry.append(swatch(phaseColour(theme, phase), isDotted ? 'dotted' : 'block'), phase)
    phaseRow.append(entry)
  }
  const messageRows = families.flatMap((family) => {
    const types = [...picture.types.entries()].filter(([, type]) => type.family === family)
    if (types.length === 0) return []
    const numbers = types.map(([number]) => number)
    const line = row(family)
    line.append(switchFor('all', numbers, state.hiddenTypes, again, 'whole'))
    for (const [number, type] of types) {
      const button = switchFor(type.name, [number], state.hiddenTypes, again)
      button.prepend(swatch(typeColour(theme, type), 'stroke'))
      button.append(element('small', String(type.count)))
      line.append(button)
    }
    return [line]
  })
  const marks = row('marks')
  for (const kind of quietKinds) {
    const number = picture.kinds.indexOf(kind)
    const button = switchFor(kind === 'persist' ? 'disk writes' : kind, [number], state.hiddenKinds, again)
    if (theme(`kind-${kind}`) !== '') button.prepend(swatch(theme(`kind-${kind}`), kind))
    marks.append(button)
  }
  const adoption = element('span', '', 'entry')
  adoption.append(swatch(theme('lineage-0'), 'diamond'), 'takes a plan (A3: cluster A, generation 3)')
  const crash = element('span', '', 'entry')
  crash.append(element('i', '✕', 'cross'), 'power lost')
  const pause = element('span', '', 'entry')
  pause.append(element('i', '', 'swatch hatched'), 'stands still')
  marks.append(adoption, crash, pause)
  box.replaceChildren(phaseRow, ...messageRows, marks)
}

function row(name: string): HTMLElement {
  const made = element('div', '', 'row')
  made.append(element('span', name, 'name'))
  return made
}

function swatch(colour: string, shape: string): HTMLElement {
  const made = element('i', '', `swatch ${shape}`)
  made.style.setProperty('--colour', colour)
  return made
}

function switchFor(
  text: string,
  numbers: readonly number[],
  hidden: Set<number>,
  again: () => void,
  className = '',
): HTMLButtonElement {
  const isOn = numbers.some((number) => !hidden.has(number))
  const button = element('button', text, className)
  button.type = 'button'
  button.setAttribute('aria-pressed', String(isOn))
  button.addEventListener('click', () => {
    for (const number of numbers) {
      if (isOn) hidden.add(number)
      else hidden.delete(number)
    }
    again()
  })
  return button
}
