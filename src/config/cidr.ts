/** An IPv4 network. */
export interface Ipv4Network {
  /** First address as an unsigned 32-bit number. */
  readonly first: number
  /** Prefix length, 0 to 32. */
  readonly bits: number
}

/** An IPv4 address as an unsigned 32-bit number, or undefined where the text is none. */
export function parseIpv4(text: string): number | undefined {
  const parts = text.split('.')
  if (parts.length !== 4 || !parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) <= 255)) {
    return undefined
  }
  return parts.reduce((sum, part) => sum * 256 + Number(part), 0)
}

/** Dotted text of an unsigned 32-bit number. */
export function formatIpv4(address: number): string {
  return [24, 16, 8, 0].map((shift) => (address >>> shift) & 255).join('.')
}

/** A network in CIDR form whose host bits may be set, with `exact` telling whether they are all zero. */
export function parseIpv4Cidr(text: string): (Ipv4Network & { readonly exact: boolean }) | undefined {
  const match = /^([\d.]+)\/(\d{1,2})$/.exec(text)
  const address = match === null ? undefined : parseIpv4(match[1]!)
  const bits = Number(match?.[2])
  if (address === undefined || bits > 32) return undefined
  const size = 2 ** (32 - bits)
  const first = Math.floor(address / size) * size
  return { first, bits, exact: first === address }
}

/** CIDR form of a network. */
export function formatIpv4Cidr({ first, bits }: Ipv4Network): string {
  return `${formatIpv4(first)}/${bits}`
}

/** Whether two networks share an address: then one holds the other. */
export function overlaps(a: Ipv4Network, b: Ipv4Network): boolean {
  const size = 2 ** (32 - Math.min(a.bits, b.bits))
  return Math.floor(a.first / size) === Math.floor(b.first / size)
}

/** Whether the whole of `inner` lies in `outer`. */
export function contains(outer: Ipv4Network, inner: Ipv4Network): boolean {
  return outer.bits <= inner.bits && overlaps(outer, inner)
}
