import type { World } from '../world/world.ts'

/**
 * Whether two charters were impossible in this run: 2q > M + w, with every identity that ever had power as M, and every
 * disk that was put back or copied and every voter that voted twice as w. `auto` has no q of its own: below twice its
 * minimum two lists always share a machine that remembers. A proposer that lies is beyond any q: in a later ballot it may offer what
 * nobody has accepted, and an honest voter believes it.
 */
export function premiseOf(world: World): boolean {
  const { bootstrap, controlPlane } = world.plan
  const voters = world.identities.size
  const w = world.amnesias
  if (world.lyingProposers.size > 0) return false
  switch (bootstrap.mode) {
    case 'expect':
      return 2 * bootstrap.expect > voters + w
    case 'tolerate':
      return 2 * (bootstrap.expect - bootstrap.tolerate) > voters + w
    case 'voters':
      return 2 * (Math.floor(bootstrap.voters.length / 2) + 1) > bootstrap.voters.length + w
    case 'auto':
      return voters + w < 2 * Math.max(3, controlPlane)
  }
}
