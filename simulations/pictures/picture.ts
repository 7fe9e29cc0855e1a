// What the page of a run is given: everything is looked up and put in order before, so that the page only draws.
// Times are milliseconds of virtual time, machines are numbers. Columns stand where there are many rows.

/** A machine's row. All lists are in the order of time. */
export interface Lane {
  readonly name: string
  /** Multicast segment of the plan; -1 where it is not known. */
  readonly segment: number
  /** Whole again after the horizon. */
  readonly core: boolean
  /** One after the other without gaps, from 0 to the end. */
  readonly spans: readonly Span[]
  readonly pauses: readonly Stretch[]
  readonly faults: readonly Stretch[]
  readonly adoptions: readonly Adoption[]
  /** When each state of `RunPicture.states` began to hold. */
  readonly stateAt: readonly number[]
  readonly stateIndex: readonly number[]
}

/** A time in which a machine is off (`phase` is `off`) or in a phase. */
export interface Span {
  readonly from: number
  readonly to: number
  readonly phase: string
  /** Progress within the phase, or why the machine is off. */
  readonly note: string
}

/** A time with a name. */
export interface Stretch {
  readonly from: number
  readonly to: number
  readonly text: string
}

/** A machine takes a certified plan. */
export interface Adoption {
  readonly at: number
  readonly decision: number
}

/** A certified plan, and how it spread. */
export interface Decision {
  /** Index of the cluster in the order of appearance: a second one is a fork. */
  readonly lineage: number
  readonly clusterId: string
  readonly generation: number
  readonly phase: string
  readonly hash: string
  /** `A3`: cluster A, generation 3; `A3'` where a second plan of this generation exists. */
  readonly label: string
  readonly firstAt: number
  readonly firstNode: number
  readonly lastAt: number
  readonly nodes: number
  /** A second cluster, or a second plan of one generation. */
  readonly conflict: boolean
}

/** Links that do not carry. */
export interface Band {
  readonly from: number
  readonly to: number
  readonly how: 'partition' | 'one-way' | 'clog'
  readonly groups: readonly (readonly number[])[]
  readonly text: string
  /** Row in the track of faults: bands of one row do not overlap. */
  readonly row: number
}

/** What a family of messages is for; the page can show and hide it. */
export type MessageFamily = 'consensus' | 'plan' | 'membership' | 'other'

/** A type of message, and how many there are. */
export interface MessageType {
  readonly name: string
  readonly family: MessageFamily
  readonly count: number
}

/** What became of a message: 0 delivered, 1 lost, 2 still under way at the end, 3 delivered once more. */
export type Fate = 0 | 1 | 2 | 3

/** Messages in the order in which they were sent. `note` and `text` are indices into `RunPicture.strings`. */
export interface MessageColumns {
  /** Milliseconds since the message before: small numbers make a small page. */
  readonly sentAfter: readonly number[]
  /** From leaving to arrival or loss; to the end of the run while under way. */
  readonly takes: readonly number[]
  readonly from: readonly number[]
  readonly to: readonly number[]
  readonly type: readonly number[]
  readonly fate: readonly Fate[]
  /** Why a message was lost; the empty string otherwise. */
  readonly why: readonly number[]
  readonly text: readonly number[]
}

/** What an entry of the list of happenings is about. */
export const happeningKinds = [
  'power',
  'pause',
  'fault',
  'partition',
  'healed',
  'persist',
  'plan',
  'phase',
  'log',
  'k3s',
  'violation',
] as const

/** All that is no message, in order. `node` is -1 for the site; `text` an index into `RunPicture.strings`. */
export interface HappeningColumns {
  readonly at: readonly number[]
  readonly node: readonly number[]
  readonly kind: readonly number[]
  readonly text: readonly number[]
}

/** A broken promise. */
export interface PictureViolation {
  readonly at: number
  readonly node: number
  readonly invariant: string
  readonly text: string
}

/** What one machine knows, in short. */
export interface PictureState {
  readonly phase: string
  readonly note: string
  readonly plan: string
  readonly planPhase: string
  readonly leader: number | undefined
  readonly connected: readonly number[]
  readonly seen: number
  readonly etcd: number
}

/** A whole run. */
export interface RunPicture {
  readonly title: string
  readonly endMs: number
  /** Until when the trace was kept; the end, unless more happened than is kept. */
  readonly recordedMs: number
  readonly healedAt: number | undefined
  readonly strings: readonly string[]
  readonly lanes: readonly Lane[]
  readonly bands: readonly Band[]
  readonly types: readonly MessageType[]
  readonly messages: MessageColumns
  readonly happenings: HappeningColumns
  readonly kinds: readonly string[]
  readonly states: readonly PictureState[]
  readonly decisions: readonly Decision[]
  readonly violations: readonly PictureViolation[]
}
