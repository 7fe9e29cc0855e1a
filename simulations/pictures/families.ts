import type { MessageFamily } from './picture.ts'

const families: Readonly<Record<string, MessageFamily>> = {
  prepare: 'consensus',
  promise: 'consensus',
  propose: 'consensus',
  accept: 'consensus',
  refuse: 'consensus',
  'vote-check': 'consensus',
  'vote-check-reply': 'consensus',
  'plan-announce': 'plan',
  'plan-request': 'plan',
  'plan-chain': 'plan',
  statement: 'plan',
  'secrets-request': 'plan',
  secrets: 'plan',
  hello: 'membership',
  ping: 'membership',
  ack: 'membership',
  'ping-request': 'membership',
  nack: 'membership',
  gossip: 'membership',
  digest: 'membership',
  'records-request': 'membership',
}

/** What a type of message is for. */
export function familyOf(type: string): MessageFamily {
  return families[type] ?? 'other'
}

/** Legend order: families first, then the order in which a round of consensus uses the types. */
export function compareTypes(a: string, b: string): number {
  return rankOf(a) - rankOf(b) || (a < b ? -1 : 1)
}

function rankOf(type: string): number {
  const rank = Object.keys(families).indexOf(type)
  return rank === -1 ? Object.keys(families).length : rank
}
