import type { Condition } from '../model/condition.ts'
import type { NodeStatus } from './types.ts'

/** Conditions that explain a wait better than the wait itself does, gravest first. */
const gravest: readonly string[] = [
  'StateWritable',
  'IdentityTrusted',
  'NoFork',
  'AddressFree',
  'Chartered',
  'BootstrapAgreed',
  'VotersQuorum',
  'EtcdQuorum',
  'PeersFound',
  'PeersTrusted',
  'OverlayReady',
  'K3sInstalled',
  'K3sReady',
  'SpecAgreed',
]

/** What a birth without a declared number of machines does not promise. */
export const autoCaveat: string =
  'Bootstrap is auto: a bet on time, not a proof. Groups of machines that cannot hear each other while they are born can make two clusters; `expect: N` on all machines (or in the token) rules that out.'

/**
 * The answer of `muster why`, one sentence a line: what stands in the way, gravest first, each with what to
 * do; then the plain waits; last what `auto` does not promise.
 */
export function why(status: NodeStatus): readonly string[] {
  const failed = gravest.flatMap(
    (type) =>
      status.conditions.find((one) => one.type === type && one.status === 'false' && stands(one, status)) ??
      [],
  )
  const obstacles = failed.map(
    ({ type, message, hint }) => `${type}: ${message}${hint === '' ? '' : ` ${hint}`}`,
  )
  const waits = status.waiting.map((wait) => wait.message)
  const lines = [...new Set([...obstacles, ...waits])]
  if (lines.length === 0) {
    lines.push(
      status.ready ? 'Nothing: this node has come all the way.' : 'Nothing is known to stand in the way.',
    )
  }
  return status.bootstrap.mode === 'auto' && status.plan === undefined ? [...lines, autoCaveat] : lines
}

/** A step that simply has not come yet is a wait, told by the waits; a condition is named where something is wrong. */
function stands(condition: Condition, status: NodeStatus): boolean {
  if (condition.reason === 'Waiting' || condition.reason === 'NoRole') return false
  const notYet = condition.reason === 'NotStarted' || condition.reason === 'Starting'
  // An address refusal shows in two conditions; one line is enough.
  const twice =
    condition.type === 'Chartered' &&
    status.conditions.some((one) => one.type === 'AddressFree' && one.status === 'false')
  return !notYet && !twice
}
