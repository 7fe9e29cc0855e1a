/** What each key does, by the name of the action. */
const actionOfKey: Readonly<Record<string, string>> = {
  ArrowLeft: 'earlier',
  ArrowRight: 'later',
  ArrowUp: 'up',
  ArrowDown: 'down',
  '+': 'zoom-in',
  '=': 'zoom-in',
  '-': 'zoom-out',
  '0': 'whole',
  Home: 'whole',
  '.': 'next-event',
  ',': 'previous-event',
  n: 'next-mark',
  p: 'previous-mark',
  c: 'causes',
  Escape: 'clear',
}

/** Keys work wherever the page has the focus, except in fields, and where the list scrolls by itself. */
export function listenToKeys(named: ReadonlyMap<string, () => void>): void {
  addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return
    const target = event.target
    const scrolls = target instanceof HTMLElement && target.closest('aside, textarea, input') !== null
    if (scrolls && event.key.startsWith('Arrow')) return
    const action = named.get(actionOfKey[event.key] ?? '')
    if (action === undefined) return
    event.preventDefault()
    action()
  })
}

/** Buttons name their action: `data-do`. */
export function listenToButtons(named: ReadonlyMap<string, () => void>): void {
  for (const button of document.querySelectorAll<HTMLElement>('[data-do]')) {
    button.addEventListener('click', () => named.get(button.dataset['do'] ?? '')?.())
  }
}
