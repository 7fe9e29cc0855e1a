import type { RunPicture } from '../picture.ts'
import type { Flights } from './flights.ts'
import type { Theme } from './theme.ts'
import type { TimeWindow } from './time.ts'

/** A machine at a time; -1 is no machine in particular. */
export interface Spot {
  readonly at: number
  readonly node: number
}

/** What the page shows at the moment. The one thing that changes. */
export interface PageState {
  readonly picture: RunPicture
  readonly flights: Flights
  theme: Theme
  window: TimeWindow
  /** Scrolled lanes, in pixels. */
  scroll: number
  /** Types of messages that are not drawn, by number. */
  readonly hiddenTypes: Set<number>
  /** Kinds of happenings that are not drawn, by number. */
  readonly hiddenKinds: Set<number>
  /** Only this machine's messages. */
  focus: number | undefined
  /** Under the pointer. */
  hover: (Spot & { readonly x: number; readonly y: number; readonly flight: number | undefined }) | undefined
  /** Chosen by a click or by a key. */
  pin: Spot | undefined
  /** Messages that can have led to the pin, where they were asked for. */
  causes: ReadonlySet<number> | undefined
}

/** Whether a message is drawn, by what the user chose. */
export function isShown(
  { flights: { columns }, hiddenTypes, focus, causes }: PageState,
  index: number,
): boolean {
  if (hiddenTypes.has(columns.type[index] ?? -1)) return false
  if (causes !== undefined) return causes.has(index)
  return focus === undefined || columns.from[index] === focus || columns.to[index] === focus
}
