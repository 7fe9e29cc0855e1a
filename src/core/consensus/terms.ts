import { sortedIds } from '../model/ids.ts'
import type { NodeId } from '../model/ids.ts'
import type { CharterTerms } from '../model/plan.ts'
import type { BootstrapSetting } from '../model/spec.ts'

/** Votes that a majority of `count` voters needs. */
export function majority(count: number): number {
  return Math.floor(count / 2) + 1
}

/** The fewest machines that `auto` charters; two must be declared. */
export function autoMinimum(controlPlane: number): number {
  return Math.max(3, controlPlane)
}

/**
 * Votes needed under a setting. Two disjoint decisions are impossible iff 2q > M + w, where M identities can
 * ever vote and w votes are repeated by clones or rolled-back disks (protocol 2.3, generation 0).
 */
export function charterQuorum(setting: BootstrapSetting, listed: number): number {
  switch (setting.mode) {
    case 'expect':
      return setting.expect
    case 'tolerate':
      return setting.expect - setting.tolerate
    case 'voters':
      return majority(setting.voters.length)
    case 'auto':
      return listed
  }
}

/** The terms that a proposer with this setting and view offers. */
export function charterTerms(
  setting: BootstrapSetting,
  view: readonly NodeId[],
  without: readonly NodeId[],
): CharterTerms {
  const list =
    setting.mode === 'auto' ? sortedIds(view) : setting.mode === 'voters' ? sortedIds(setting.voters) : []
  const missing = setting.mode === 'auto' ? sortedIds(without).filter((id) => list.includes(id)) : []
  return { setting, quorum: charterQuorum(setting, list.length - missing.length), list, without: missing }
}

/** Whether two settings are the same decision rule. */
export function sameSetting(a: BootstrapSetting, b: BootstrapSetting): boolean {
  if (a.mode === 'expect' && b.mode === 'expect') return a.expect === b.expect
  if (a.mode === 'tolerate' && b.mode === 'tolerate') {
    return a.expect === b.expect && a.tolerate === b.tolerate && a.slack === b.slack
  }
  if (a.mode === 'voters' && b.mode === 'voters') {
    const left = sortedIds(a.voters)
    const right = sortedIds(b.voters)
    return left.length === right.length && left.every((id, index) => id === right[index])
  }
  return a.mode === 'auto' && b.mode === 'auto'
}

/** One line that names a setting for people. */
export function describeSetting(setting: BootstrapSetting): string {
  switch (setting.mode) {
    case 'expect':
      return setting.expect === 1 ? 'single' : `expect ${setting.expect}`
    case 'tolerate':
      return `expect ${setting.expect}, tolerate ${setting.tolerate}`
    case 'voters':
      return `voters ${setting.voters.length} named`
    case 'auto':
      return 'auto'
  }
}

/**
 * Whether terms are sound in themselves: the quorum is what the setting says, lists are where they belong.
 * Returns the flaw, or undefined.
 */
export function termsFlaw(terms: CharterTerms): string | undefined {
  const { setting, list, without, quorum } = terms
  const sorted = sortedIds(list)
  if (sorted.length !== list.length || sorted.some((id, index) => id !== list[index]))
    return 'list not sorted'
  if (without.some((id) => !list.includes(id)) || new Set(without).size !== without.length) {
    return 'without names a node that is not listed'
  }
  if (setting.mode !== 'auto' && without.length > 0) return 'without is for auto alone'
  if ((setting.mode === 'expect' || setting.mode === 'tolerate') && list.length > 0)
    return 'no list in this mode'
  if (setting.mode === 'tolerate' && 2 * quorum <= setting.expect + setting.slack) return 'tolerates too many'
  if (setting.mode === 'voters' && !sameSetting(setting, { mode: 'voters', voters: list })) {
    return 'list differs from the setting'
  }
  if (quorum !== charterQuorum(setting, list.length - without.length) || quorum < 1) return 'wrong quorum'
  return undefined
}

/** Whether `voter`'s vote counts under these terms. */
export function mayVoteUnder(terms: CharterTerms, voter: NodeId): boolean {
  switch (terms.setting.mode) {
    case 'expect':
    case 'tolerate':
      return true
    case 'voters':
      return terms.list.includes(voter)
    case 'auto':
      return terms.list.includes(voter) && !terms.without.includes(voter)
  }
}
