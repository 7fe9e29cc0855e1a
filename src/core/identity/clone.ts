import type { BirthRecord } from './birth.ts'
import { compareBirth } from './birth.ts'

// Whether the key on this disk is still this machine's (protocol 2.1).
//
//                    birth agrees
//   start ──────────────────────────────────────────▶ keep
//     │ differs, no charter yet ────────────────────▶ re-key   (a cloned image: cheap to be somebody new)
//     │ differs, chartered
//     ▼                original heard alive
//   quarantine ─────────────────────────────────────▶ re-key
//     │ majority of voters attests its silence, or the operator's word
//     └─────────────────────────────────────────────▶ keep     (birth record rewritten)

/** What to do with the identity that was found on the disk. */
export type IdentityDecision =
  /** `rewriteBirth`: a part was replaced, so the record of now becomes the record to compare with. */
  | { readonly kind: 'keep'; readonly rewriteBirth: boolean; readonly reason: string }
  /** Make a new key; the old state is put aside. */
  | { readonly kind: 're-key'; readonly reason: string }
  /** Keep the state, run what runs, vote for nothing, and say so until it is resolved. */
  | { readonly kind: 'quarantine'; readonly reason: string }

/** Decides at a start. `chartered`: the state holds a certified plan or a vote for one. */
export function decideIdentity(
  birth: BirthRecord,
  machineNow: BirthRecord,
  chartered: boolean,
): IdentityDecision {
  const comparison = compareBirth(birth, machineNow)
  const differing = comparison.differing.join(', ')
  if (comparison.kind === 'same')
    return { kind: 'keep', rewriteBirth: false, reason: 'the hardware is the same' }
  if (comparison.kind === 'repaired') {
    return { kind: 'keep', rewriteBirth: true, reason: `a part was replaced: ${differing} changed` }
  }
  const what =
    comparison.kind === 'moved'
      ? `the disk is in another machine: ${differing} changed`
      : `the disk was cloned or the machine was migrated: ${differing} changed`
  return chartered
    ? { kind: 'quarantine', reason: `${what}, and this node is a member already` }
    : { kind: 're-key', reason: `${what}, and no charter names this key yet` }
}

/** What is known about the original while a node is in quarantine. */
export interface QuarantineEvidence {
  /** A record of this key with another boot nonce was heard during this boot. */
  readonly originalHeard: boolean
  /** Voters that attested that they hear nothing of the original. */
  readonly silenceAttested: number
  readonly voters: number
  /** The operator said that this machine is the node. */
  readonly operatorConfirmed: boolean
}

/** How a quarantine ends, or what it waits for. A living original outweighs everybody's word. */
export function resolveQuarantine(evidence: QuarantineEvidence): IdentityDecision {
  if (evidence.originalHeard) return { kind: 're-key', reason: 'the original is alive' }
  if (evidence.operatorConfirmed) {
    return { kind: 'keep', rewriteBirth: true, reason: 'the operator confirmed this machine' }
  }
  const needed = Math.floor(evidence.voters / 2) + 1
  if (evidence.voters > 0 && evidence.silenceAttested >= needed) {
    return {
      kind: 'keep',
      rewriteBirth: true,
      reason: `${evidence.silenceAttested} of ${evidence.voters} voters hear nothing of the original`,
    }
  }
  return {
    kind: 'quarantine',
    reason: `${evidence.silenceAttested} of the ${needed} voters needed said that the original is silent`,
  }
}
