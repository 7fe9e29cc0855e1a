import { MusterError } from '../errors.ts'
import { hostDevice, macOf } from './addresses.ts'

/**
 * Frames from one host to another that are lost. One direction: a cut between two hosts is two faults.
 * Faults act where frames arrive, below IP: unicast and multicast, IPv4, IPv6 and ARP alike.
 */
export interface Fault {
  /** Index of the host that sends. */
  readonly from: number
  /** Index of the host that does not receive. */
  readonly to: number
  /** Share that is lost, 1 to 100. */
  readonly lossPercent: number
}

/** What `lab partition` was asked for, in host names. */
export interface Partition {
  readonly left: readonly string[]
  readonly right: readonly string[]
  readonly direction: 'both' | 'left-to-right'
}

/**
 * Reads `A,B / C,D` (nothing passes between the sides) or `A,B > C` (nothing passes from the left to the right).
 * Throws ERR_USAGE for anything else.
 */
export function parsePartition(words: readonly string[]): Partition {
  const text = words.join(' ')
  const match = /^([^/>]+)([/>])([^/>]+)$/.exec(text)
  const left = namesIn(match?.[1] ?? '')
  const right = namesIn(match?.[3] ?? '')
  if (left.length === 0 || right.length === 0) {
    throw new MusterError('ERR_USAGE', {
      detail: `'${text}' is no partition: write 'h1,h2 / h3,h4' for both directions or 'h1,h2 > h3' for one`,
    })
  }
  const both = left.find((name) => right.includes(name))
  if (both !== undefined) {
    throw new MusterError('ERR_USAGE', { detail: `${both} stands on both sides of the partition` })
  }
  return { left, right, direction: match?.[2] === '>' ? 'left-to-right' : 'both' }
}

/** Every pair of a partition as faults. Hosts are given by index. */
export function faultsBetween(
  left: readonly number[],
  right: readonly number[],
  direction: Partition['direction'],
  lossPercent = 100,
): Fault[] {
  const oneWay = left.flatMap((from) => right.map((to) => ({ from, to, lossPercent })))
  return direction === 'left-to-right'
    ? oneWay
    : [...oneWay, ...oneWay.map((fault) => ({ from: fault.to, to: fault.from, lossPercent }))]
}

/** Adds faults to those that hold already; a new word about a pair replaces the old one. Sorted. */
export function mergeFaults(present: readonly Fault[], added: readonly Fault[]): Fault[] {
  const byPair = new Map([...present, ...added].map((fault) => [`${fault.from}>${fault.to}`, fault]))
  return [...byPair.values()].toSorted((a, b) => a.to - b.to || a.from - b.from)
}

/** The nftables script that makes one host lose what it should lose, replacing what was there, at once. */
export function faultRules(faults: readonly Fault[], host: number): string {
  const rules = faults
    .filter((fault) => fault.to === host)
    .map((fault) => {
      const share = fault.lossPercent >= 100 ? '' : `numgen random mod 100 < ${fault.lossPercent} `
      return `    ether saddr ${macOf(fault.from)} ${share}drop\n`
    })
  const clear = 'table netdev muster_lab\ndelete table netdev muster_lab\n'
  if (rules.length === 0) return clear
  return `${clear}table netdev muster_lab {
  chain arriving {
    type filter hook ingress device "${hostDevice}" priority 0; policy accept;
${rules.join('')}  }
}
`
}

function namesIn(text: string): string[] {
  return text
    .split(/[\s,]+/)
    .filter(Boolean)
    .toSorted()
}
