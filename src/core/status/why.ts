import type { Condition, Waiting } from '../model/condition.ts'
import type { Instant } from '../model/ids.ts'
import type { NodeStatus } from './types.ts'
import { span } from './words.ts'

/** Conditions that no waiting mends, gravest first: they come before the waits. */
const obstacles: readonly string[] = [
  'StateWritable',
  'IdentityTrusted',
  'NoFork',
  'AddressFree',
  'Chartered',
  'BootstrapAgreed',
  'VotersQuorum',
  'EtcdQuorum',
]

/** What to look at where machines were never heard of. */
const unknownHint: string =
  'Are they switched on, on this network, and told this token? Where multicast does not pass, name a static peer.'

/** Conditions that explain a wait or stand beside it: they come after the waits. */
const circumstances: readonly string[] = [
  'PeersFound',
  'PeersTrusted',
  'SpecAgreed',
  'OverlayReady',
  'K3sInstalled',
  'K3sReady',
]

/** What a birth without a declared number of machines does not promise. */
export const autoCaveat: string =
  'Bootstrap is auto: a bet on time, not a proof. Groups of machines that cannot hear each other while they are born can make two clusters; `expect: N` on all machines (or in the token) rules that out.'

/**
 * The answer of `muster why`, one sentence or two a line: what has to be mended first, then what is awaited
 * (since when, and when it is tried next), then what may explain it; last what `auto` does not promise.
 * @param now the instant at which the status was made
 */
export function why(status: NodeStatus, now: Instant): readonly string[] {
  const lines = [
    ...new Set([
      ...obstacles.flatMap((type) => failed(status, type)),
      ...status.waiting.map((wait) => awaited(wait, now)),
      ...circumstances.flatMap((type) => failed(status, type)),
    ]),
  ]
  if (lines.length === 0) {
    const departure = status.conditions.find(({ type }) => type === 'Departed')
    lines.push(
      departure !== undefined
        ? `Nothing. ${departure.message} ${departure.hint}`
        : status.ready
          ? 'Nothing: this node has come all the way.'
          : 'Nothing is known to stand in the way.',
    )
  }
  return status.bootstrap.mode === 'auto' && status.plan === undefined ? [...lines, autoCaveat] : lines
}

function awaited({ for: what, message, missing, since, retryAt }: Waiting, now: Instant): string {
  // Rounded up: a try in half a second is not one in no time.
  const next = retryAt === undefined ? '' : `, next try in ${span(Math.max(retryAt - now, 0) + 499)}`
  const unknown = what === 'machines' && missing.some((name) => name.endsWith(' unknown'))
  return `${message} (for ${span(now - since)}${next})${unknown ? ` ${unknownHint}` : ''}`
}

function failed(status: NodeStatus, type: string): readonly string[] {
  const condition = status.conditions.find((one) => one.type === type)
  if (condition?.status !== 'false' || !stands(condition, status)) return []
  const { message, hint } = condition
  return [`${type}: ${message}${hint === '' ? '' : ` ${hint}`}`]
}

/** A step that simply has not come yet is a wait, told by the waits; a condition is named where something is wrong. */
function stands({ type, reason }: Condition, status: NodeStatus): boolean {
  // A bet is in nobody's way: what it is worth is said last.
  if (['Waiting', 'NotStarted', 'Starting', 'Bet'].includes(reason)) return false
  // k3s has its time when this node has a part to play.
  if (type === 'K3sInstalled') return status.assignment !== undefined
  // An address refusal shows in two conditions; one line is enough.
  const twice = status.conditions.some((one) => one.type === 'AddressFree' && one.status === 'false')
  return !(type === 'Chartered' && twice)
}
