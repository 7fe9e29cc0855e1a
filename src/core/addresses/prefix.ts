import type { Hash } from '../model/ids.ts'
import { invariant } from '../model/invariant.ts'
import type { IpAddress } from './ip.ts'
import { formatAddress, formatAddress6, parseAddress, widthOf } from './ip.ts'

/** A network in CIDR form. `value` is its first address: host bits are zero. */
export interface Prefix extends IpAddress {
  readonly bits: number
}

/** Prefixes that were read: a network has two or three, and they are asked for again and again. */
const read = new Map<string, Prefix | undefined>()
const readMax = 64

/** Reads `10.144.0.0/16` or `fd00::/8`; host bits, as an interface's own address has them, are cleared. */
export function parsePrefix(text: string): Prefix | undefined {
  const known = read.get(text)
  if (known !== undefined || read.has(text)) return known
  if (read.size >= readMax) read.clear()
  const prefix = readPrefix(text)
  read.set(text, prefix)
  return prefix
}

function readPrefix(text: string): Prefix | undefined {
  const [address = '', bitsText = '', ...rest] = text.split('/')
  const parsed = parseAddress(address)
  if (parsed === undefined || rest.length > 0 || !/^(0|[1-9]\d{0,2})$/.test(bitsText)) return undefined
  const bits = Number(bitsText)
  if (bits > widthOf(parsed.family)) return undefined
  const hostBits = BigInt(widthOf(parsed.family) - bits)
  return { family: parsed.family, value: (parsed.value >> hostBits) << hostBits, bits }
}

/** The prefix as text. */
export function formatPrefix(prefix: Prefix): string {
  return `${formatAddress(prefix)}/${prefix.bits}`
}

/** Whether an address lies in a prefix. */
export function contains(prefix: Prefix, address: IpAddress): boolean {
  const hostBits = BigInt(widthOf(prefix.family) - prefix.bits)
  return prefix.family === address.family && address.value >> hostBits === prefix.value >> hostBits
}

/** Whether two prefixes share an address: one of two that overlap always holds the other. */
export function prefixesOverlap(a: Prefix, b: Prefix): boolean {
  return a.bits <= b.bits ? contains(a, b) : contains(b, a)
}

/**
 * Those of a machine's own networks (CIDR texts) that overlap a prefix, in the order given. A default route
 * (`0.0.0.0/0`) is no network of the machine's own; a text that cannot be read overlaps nothing.
 */
export function overlaps(prefix: string, localNetworks: readonly string[]): readonly string[] {
  const own = parsePrefix(prefix)
  invariant(own !== undefined, `not a prefix: ${prefix}`)
  return localNetworks.filter((text) => {
    const network = parsePrefix(text)
    return network !== undefined && network.bits > 0 && prefixesOverlap(own, network)
  })
}

/**
 * A node's overlay IPv6 address: the /64 prefix and 64 bits of the digest of the node's id. Pure, so it is
 * known before the first contact, and anyone can check that it belongs to the key.
 */
export function address6(prefix: string, nodeIdHash: Hash): string {
  const parsed = parsePrefix(prefix)
  invariant(parsed?.family === 6 && parsed.bits === 64, `not an IPv6 /64: ${prefix}`)
  const identifier = BigInt(`0x${nodeIdHash.slice(0, 16)}`)
  // Identifier 0 is the subnet routers' anycast address (RFC 4291, 2.6.1).
  return formatAddress6(parsed.value | (identifier === 0n ? 1n : identifier))
}
