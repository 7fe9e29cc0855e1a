import { overlaps } from '../addresses/prefix.ts'
import { shortId, sortedIds } from '../model/ids.ts'
import { membersById } from '../model/member.ts'
import type { ClusterPlan, PlanBody } from '../model/plan.ts'
import { bodyHash } from '../model/plan-hash.ts'
import type { CharterInput, CharterResult } from './context.ts'
import { isPresent } from './context.ts'
import { withTeam } from './draft.ts'
import { candidate, serverObstacle } from './fitness.ts'
import { enrol } from './newcomers.ts'
import { chooseTeam } from './team.ts'
import { charterVoters } from './voters.ts'

/**
 * Generation 0: who decides from now on, and a name, addresses and a role for every machine known at birth.
 * The control plane in it is the team that the next plan will most likely grant.
 */
export function planCharter(input: CharterInput): CharterResult {
  const { spec, crypto, clusterId, view } = input
  const promisers = sortedIds(input.promisers)
  const members = membersById(view)
  if (promisers.length === 0) {
    return {
      kind: 'refused',
      reason: 'NoVoters',
      message: 'No machine has promised its vote.',
      hint: 'Wait: machines are asked again.',
    }
  }
  const overlap = overlapFound(input)
  if (overlap !== undefined) return overlap

  const present = view.members.filter(isPresent).map((member) => member.record.nodeId)
  const everybody = sortedIds([...promisers, ...present])
  const roster = {
    assignments: [],
    retired: [],
    held: [],
    prefix4: spec.addresses.ipv4,
    prefix6: input.prefix6,
  }
  const enrolment = enrol(roster, everybody, view, crypto)
  if (enrolment.unserved.length > 0) {
    return {
      kind: 'refused',
      reason: 'AddressPoolFull',
      message: `The overlay prefix ${spec.addresses.ipv4} has no address for ${enrolment.unserved.length} of ${everybody.length} machines.`,
      hint: 'Set a larger prefix in addresses.ipv4 on all machines, for example 10.144.0.0/16.',
    }
  }

  const factsOf = (id: string) => members.get(id)?.record.facts
  const canServe = (id: string): boolean => {
    const facts = factsOf(id)
    return facts !== undefined && serverObstacle(facts) === undefined
  }
  const candidateOf = (id: string) => candidate(id, factsOf(id), spec.k3s.version, clusterId, crypto)
  const voters = charterVoters(promisers.map(candidateOf), canServe)
  const team = chooseTeam({
    eligible: everybody.filter(canServe).map(candidateOf),
    voters,
    controlPlane: spec.controlPlane,
    chosenBefore: [],
  })

  const body: PlanBody = {
    spec,
    operatorKey: input.operatorKey,
    operatorSerial: 0,
    prefix6: input.prefix6,
    caHash: '',
    assignments: withTeam(enrolment.assignments, team ?? []),
    retired: [],
    evidence: [],
  }
  const plan: ClusterPlan = {
    header: {
      networkId: input.networkId,
      epoch: 0,
      generation: 0,
      parentHash: '',
      clusterId,
      phase: 'chartered',
      voters,
      grant: null,
      openChange: null,
      bodyHash: bodyHash(body, crypto),
    },
    body,
  }
  return { kind: 'plan', plan }
}

/** An overlay that shares addresses with a machine's own network would cut that machine off from one of them. */
function overlapFound(input: CharterInput): CharterResult | undefined {
  const { ipv4 } = input.spec.addresses
  for (const { record } of input.view.members) {
    const network = overlaps(ipv4, record.facts.localNetworks)[0]
    if (network === undefined) continue
    return {
      kind: 'refused',
      reason: 'AddressOverlap',
      message: `The overlay prefix ${ipv4} overlaps ${network}, a network of ${record.facts.hostname} (${shortId(record.nodeId)}).`,
      hint: 'Set addresses.ipv4 on all machines to a prefix that no machine uses.',
    }
  }
  const { clusterCidr, serviceCidr } = input.spec.k3s
  const own = overlaps(
    ipv4,
    [clusterCidr, serviceCidr].flatMap((cidrs) => cidrs.split(',')),
  )[0]
  if (own === undefined) return undefined
  return {
    kind: 'refused',
    reason: 'AddressOverlap',
    message: `The overlay prefix ${ipv4} overlaps ${own}, which k3s uses for pods or services.`,
    hint: 'Set addresses.ipv4, k3s.clusterCidr and k3s.serviceCidr on all machines to prefixes that do not overlap.',
  }
}
