import type { CertifiedHeader, PlanHeader } from '../../src/core/model/plan.ts'

/**
 * S1's second half: a certificate implies a quorum in one ballot. Counted anew and not by the production code: distinct
 * voters of the parent, or as many as the charter's own terms ask for. Returns what is wrong, or undefined.
 */
export function certificateFlaw(
  { header, certificate }: CertifiedHeader,
  parent: PlanHeader | undefined,
): string | undefined {
  const voters = certificate.votes.map((vote) => vote.voter)
  if (new Set(voters).size !== voters.length) return 'one voter is counted twice'
  if (header.generation === 0) {
    const { terms } = certificate
    if (terms === null) return 'a charter without terms'
    const { setting } = terms
    const need =
      setting.mode === 'expect'
        ? setting.expect
        : setting.mode === 'tolerate'
          ? setting.expect - setting.tolerate
          : setting.mode === 'voters'
            ? Math.floor(setting.voters.length / 2) + 1
            : terms.list.length - terms.without.length
    return voters.length < need ? `${voters.length} votes, and ${need} are needed` : undefined
  }
  const electors = parent?.voters ?? []
  const counted = voters.filter((voter) => electors.includes(voter)).length
  return 2 * counted > electors.length ? undefined : `${counted} of ${electors.length} voters are no majority`
}
