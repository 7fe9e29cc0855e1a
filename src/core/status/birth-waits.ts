import type { NodeId } from '../model/ids.ts'
import { bootstrapWords } from './agreement.ts'
import type { WaitingDraft } from './condition-log.ts'
import type { StatusInput } from './types.ts'
import { counted, listed, namesOf } from './words.ts'

/** Machines that the bootstrap setting asks for before a charter can be made. */
export function machinesNeeded(input: StatusInput): number {
  const { bootstrap, birth } = input
  if (birth?.for === 'machines') return birth.need
  switch (bootstrap.mode) {
    case 'expect':
      return bootstrap.expect
    case 'tolerate':
      return bootstrap.expect - bootstrap.tolerate
    case 'voters':
      return Math.floor(bootstrap.voters.length / 2) + 1
    case 'auto':
      return 3
  }
}

/** Members that are alive and can found a cluster with this node, itself among them. */
export function machinesPresent(input: StatusInput): number {
  return input.birth?.for === 'machines' ? input.birth.have : living(input).length
}

/** What the founding waits for: the machines first, then the time, then the votes. */
export function birthWaits(input: StatusInput): readonly WaitingDraft[] {
  if (input.following.length > 0) return confirmations(input)
  const refused = input.charterRefused
  if (refused !== undefined) {
    return [
      {
        for: 'operator',
        have: 0,
        need: 1,
        missing: [],
        retryAt: undefined,
        message: sentence(refused.message),
      },
    ]
  }
  if (machinesPresent(input) < machinesNeeded(input)) return [machines(input)]
  return settle(input)
}

/** The proposal itself, once nothing else stands before it. */
export function proposalWait(input: StatusInput): WaitingDraft {
  const { leader, retryAt } = input.consensus
  const who =
    leader === undefined ? 'one of them' : leader === input.self ? 'this one' : namesOf(input)(leader)
  return {
    for: 'charter',
    have: 0,
    need: 1,
    missing: [],
    retryAt,
    message: `All ${counted(machinesPresent(input), 'machine')} needed are here: waiting for ${who} to propose the charter.`,
  }
}

/** Join beats init: a cluster exists, and its voters have to say so themselves. */
function confirmations(input: StatusInput): readonly WaitingDraft[] {
  const name = namesOf(input)
  return input.following.map(({ clusterId, generation, have, need, missing }) => {
    const silent = missing.map(name)
    return {
      for: 'voters',
      have: have.length,
      need,
      missing: silent,
      retryAt: undefined,
      message: `Cluster ${clusterId.slice(0, 8)} of this network exists (generation ${generation}). This machine joins it when ${need} of its voters confirm that; not heard: ${listed(silent)}.`,
    }
  })
}

function machines(input: StatusInput): WaitingDraft {
  const name = namesOf(input)
  const have = machinesPresent(input)
  const need = machinesNeeded(input)
  const { self, bootstrap, birth, view } = input
  const others = view.members.filter(({ record }) => record.nodeId !== self && record.facts.durable)
  const silent = others.filter(({ liveness }) => liveness !== 'alive').map(({ record }) => record.nodeId)
  // Named by the setting, or by what this machine once heard of: more is known than a number.
  const listedIds = birth?.missing ?? (bootstrap.mode === 'voters' ? bootstrap.voters : [])
  const known = new Set(view.members.map(({ record }) => record.nodeId))
  const absent = [...new Set([...silent, ...listedIds.filter((id) => id !== self && !known.has(id))])]
  const differing = differs(input)
  const unmet =
    bootstrap.mode === 'voters'
      ? 0
      : Math.max(0, input.identitiesSeen - known.size - absent.filter((id) => !known.has(id)).length)
  const strangers = Math.max(0, need - have - absent.length - differing.length - unmet)
  const missing = absent.map(name)
  const details = [
    ...(missing.length === 0 ? [] : [`not heard now: ${listed(missing)}`]),
    ...(differing.length === 0 ? [] : [`here, but with other settings: ${listed(differing.map(name))}`]),
    ...(unmet === 0 ? [] : [`${unmet} found, but not talked to (\`muster get peers\`)`]),
    ...(strangers === 0 ? [] : [`${strangers} never heard of`]),
  ]
  return {
    for: 'machines',
    have,
    need,
    missing: [
      ...missing,
      ...differing.map(name),
      ...(strangers + unmet === 0 ? [] : [`${strangers + unmet} unknown`]),
    ],
    retryAt: input.discoveryAt,
    message: `Waiting for machines (${bootstrapWords(bootstrap)}): ${have} of ${need} are here; ${details.join('; ')}.`,
  }
}

/** Living members with another configuration: they do not count, and somebody must be told. */
function differs(input: StatusInput): readonly NodeId[] {
  const counted = input.birth?.for === 'machines' ? input.birth.have : undefined
  if (counted === undefined) return []
  const own = input.view.members.find(({ record }) => record.nodeId === input.self)?.record
  return living(input).filter((id) => {
    const record = input.view.members.find((member) => member.record.nodeId === id)?.record
    if (own === undefined || record === undefined || id === input.self) return false
    return (
      record.specHash !== own.specHash || bootstrapWords(record.bootstrap) !== bootstrapWords(input.bootstrap)
    )
  })
}

function settle(input: StatusInput): readonly WaitingDraft[] {
  const { settleAt, now, bootstrap } = input
  if (settleAt === undefined || settleAt <= now) return []
  const have = machinesPresent(input)
  return [
    {
      for: 'settle time',
      have,
      need: machinesNeeded(input),
      missing: [],
      retryAt: settleAt,
      message:
        bootstrap.mode === 'auto'
          ? `${counted(have, 'machine')} are here. The charter is proposed when nobody new has shown up for a while.`
          : `${counted(have, 'machine')} are here. Voting is held back by \`bootstrap: delay\`.`,
    },
  ]
}

function living(input: StatusInput): readonly NodeId[] {
  const { bootstrap, self } = input
  return input.view.members
    .filter(
      ({ record, liveness }) =>
        (liveness === 'alive' || record.nodeId === self) &&
        record.facts.durable &&
        (bootstrap.mode !== 'voters' || bootstrap.voters.includes(record.nodeId)),
    )
    .map(({ record }) => record.nodeId)
}

function sentence(words: string): string {
  const whole = words.endsWith('.') ? words : `${words}.`
  return `${(whole[0] ?? '').toUpperCase()}${whole.slice(1)}`
}
