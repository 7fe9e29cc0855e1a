import { compareIds } from '../model/ids.ts'
import type { MemberView } from '../model/member.ts'
import type { BootstrapSetting } from '../model/spec.ts'
import type { ConditionDraft } from './condition-log.ts'
import type { StatusInput } from './types.ts'
import { counted, listed, namesOf } from './words.ts'

// Conditions on which machines must agree with one another.

function others(input: StatusInput): readonly MemberView[] {
  return input.view.members.filter(
    ({ record, liveness }) => record.nodeId !== input.self && liveness !== 'left',
  )
}

function own(input: StatusInput): MemberView | undefined {
  return input.view.members.find(({ record }) => record.nodeId === input.self)
}

/** Whether every machine's configuration asks for the same cluster; names the keys and the machines that differ. */
export function specAgreed(input: StatusInput): ConditionDraft {
  const mine = own(input)?.record
  const name = namesOf(input)
  const differing = new Map<string, string[]>()
  for (const { record } of others(input)) {
    if (mine === undefined || record.specHash === mine.specHash) continue
    const keys = new Set([...Object.keys(mine.specKeys), ...Object.keys(record.specKeys)])
    const changed = [...keys].filter((key) => mine.specKeys[key] !== record.specKeys[key])
    for (const key of changed.length === 0 ? ['the spec'] : changed) {
      differing.set(key, [...(differing.get(key) ?? []), name(record.nodeId)])
    }
  }
  if (differing.size === 0) {
    return {
      type: 'SpecAgreed',
      status: 'true',
      reason: 'Equal',
      message: 'All known machines ask for the same cluster.',
      hint: '',
    }
  }
  const detail = [...differing]
    .toSorted(([a], [b]) => compareIds(a, b))
    .map(([key, machines]) => `${key} on ${listed(machines.toSorted())}`)
  const settled = input.plan !== undefined
  return {
    type: 'SpecAgreed',
    status: 'false',
    reason: 'SpecDiffers',
    message: `Configurations differ from this machine's: ${detail.join('; ')}.${settled ? ' The certified plan counts, not the files.' : ''}`,
    hint: settled
      ? 'Make the files equal to the plan, or change the plan with `muster spec apply`.'
      : 'Give all machines the same configuration; until then the proposer of the charter decides.',
  }
}

/** Whether every machine decides the birth by the same rule: one that does not cannot be voted with. */
export function bootstrapAgreed(input: StatusInput): ConditionDraft {
  const name = namesOf(input)
  const differing = others(input)
    .filter(({ record }) => bootstrapWords(record.bootstrap) !== bootstrapWords(input.bootstrap))
    .map(({ record }) => `${name(record.nodeId)} has ${bootstrapWords(record.bootstrap)}`)
  if (differing.length === 0) {
    return {
      type: 'BootstrapAgreed',
      status: 'true',
      reason: 'Equal',
      message: `All known machines have ${bootstrapWords(input.bootstrap)}.`,
      hint: '',
    }
  }
  if (input.plan !== undefined) {
    return {
      type: 'BootstrapAgreed',
      status: 'true',
      reason: 'Settled',
      message: 'The charter is made; bootstrap settings no longer matter.',
      hint: '',
    }
  }
  return {
    type: 'BootstrapAgreed',
    status: 'false',
    reason: 'BootstrapDiffers',
    message: `This machine has ${bootstrapWords(input.bootstrap)}, but ${listed(differing.toSorted())}.`,
    hint: 'Machines vote only with machines of the same setting: make `bootstrap` equal, best in the token itself.',
  }
}

/** Whether a node that said goodbye is out; nothing for one that stays. */
export function departed(input: StatusInput): readonly ConditionDraft[] {
  if (own(input)?.record.left !== true) return []
  const body = input.plan?.plan.body
  const assignment = body?.assignments.find((one) => one.nodeId === input.self)
  if (assignment === undefined) {
    const message = 'This node has left the cluster: its place and its address are free.'
    const hint =
      'Stop the agent, and delete the Node in Kubernetes. `muster leave --cancel` lets the machine join again.'
    return [{ type: 'Departed', status: 'true', reason: 'Retired', message, hint }]
  }
  const message =
    assignment.role === 'control-plane'
      ? 'This node is leaving: the voters first give its place in the control plane to another machine.'
      : 'This node is leaving: the voters certify that it is retired.'
  return [
    {
      type: 'Departed',
      status: 'false',
      reason: 'Leaving',
      message,
      hint: 'Keep the agent running until then.',
    },
  ]
}

/** A bootstrap setting in the words of the configuration. */
export function bootstrapWords(setting: BootstrapSetting): string {
  switch (setting.mode) {
    case 'expect':
      return setting.expect === 1 ? 'single: true' : `expect: ${setting.expect}`
    case 'tolerate':
      return `expect: ${setting.expect}, tolerate: ${setting.tolerate}, slack: ${setting.slack}`
    case 'voters':
      return `voters: [${setting.voters.toSorted().join(', ')}]`
    case 'auto':
      return 'bootstrap auto'
  }
}

/** Whether another machine has this machine's hostname. Works all the same, under a longer name. */
export function hostnameUnique(input: StatusInput): ConditionDraft {
  const mine = own(input)?.record.facts.hostname.toLowerCase() ?? ''
  const twins = others(input).filter(({ record }) => record.facts.hostname.toLowerCase() === mine)
  if (twins.length === 0) {
    return {
      type: 'HostnameUnique',
      status: 'true',
      reason: 'Unique',
      message: 'No other machine has this hostname.',
      hint: '',
    }
  }
  const planned = input.plan?.plan.body.assignments.find((one) => one.nodeId === input.self)?.name
  return {
    type: 'HostnameUnique',
    status: 'false',
    reason: 'HostnameShared',
    message: `${counted(twins.length, 'other machine')} also called ${mine}; in the cluster this one is ${planned ?? 'named with the end of its id'}.`,
    hint: 'Nothing must be done. Give the machines different hostnames before they join if you want short names.',
  }
}

/** Whether the overlay's addresses are free on this site, and this node has one. */
export function addressFree(input: StatusInput): ConditionDraft {
  // Other refusals of the charter belong to `Chartered` alone.
  if (input.charterRefused?.reason.startsWith('Address') === true) {
    return { type: 'AddressFree', status: 'false', ...input.charterRefused }
  }
  const mine = input.plan?.plan.body.assignments.find((one) => one.nodeId === input.self)
  return mine === undefined
    ? {
        type: 'AddressFree',
        status: 'unknown',
        reason: 'NotAssigned',
        message: 'No address is assigned yet.',
        hint: '',
      }
    : {
        type: 'AddressFree',
        status: 'true',
        reason: 'Assigned',
        message: `This node has ${mine.address4} and ${mine.address6} for life.`,
        hint: '',
      }
}
