/** An IP address as a number; 32 or 128 bits wide. */
export interface IpAddress {
  readonly family: 4 | 6
  readonly value: bigint
}

/** Bits of an address of this family. */
export function widthOf(family: 4 | 6): 32 | 128 {
  return family === 4 ? 32 : 128
}

/** Reads four decimal numbers with dots, without leading zeros (which some programs read as octal). */
export function parseAddress4(text: string): number | undefined {
  const parts = text.split('.')
  if (parts.length !== 4 || !parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) <= 255)) {
    return undefined
  }
  return parts.reduce((value, part) => value * 256 + Number(part), 0)
}

/** Dotted text of a 32-bit number. */
export function formatAddress4(value: number): string {
  return [24, 16, 8, 0].map((shift) => (value >>> shift) & 255).join('.')
}

/** Reads an IPv6 address (RFC 4291), with `::` and a dotted tail, without a zone. */
export function parseAddress6(text: string): bigint | undefined {
  const dotted = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(text)
  if (dotted !== null) {
    const tail = parseAddress4(dotted[2]!)
    if (tail === undefined) return undefined
    return parseAddress6(`${dotted[1]!}${(tail >>> 16).toString(16)}:${(tail & 0xff_ff).toString(16)}`)
  }
  const halves = text.split('::')
  if (halves.length > 2) return undefined
  const [left = [], right = []] = halves.map((half) => (half === '' ? [] : half.split(':')))
  const missing = 8 - left.length - right.length
  if (halves.length === 1 ? missing !== 0 : missing < 1) return undefined
  const groups = [...left, ...Array.from({ length: missing }, () => '0'), ...right]
  if (!groups.every((group) => /^[0-9a-f]{1,4}$/i.test(group))) return undefined
  return groups.reduce((value, group) => value * 65_536n + BigInt(`0x${group}`), 0n)
}

/** Text of a 128-bit number in the recommended form (RFC 5952): lower case, the longest run of zeros as `::`. */
export function formatAddress6(value: bigint): string {
  const groups = Array.from({ length: 8 }, (_, index) => (value >> BigInt(112 - 16 * index)) & 0xff_ffn)
  let best = { start: 0, length: 0 }
  for (let start = 0; start < 8; start += 1) {
    let length = 0
    while (start + length < 8 && groups[start + length] === 0n) length += 1
    if (length > best.length) best = { start, length }
  }
  const text = (part: readonly bigint[]): string => part.map((group) => group.toString(16)).join(':')
  if (best.length < 2) return text(groups)
  return `${text(groups.slice(0, best.start))}::${text(groups.slice(best.start + best.length))}`
}

/** Reads an address of either family. */
export function parseAddress(text: string): IpAddress | undefined {
  if (text.includes(':')) {
    const value = parseAddress6(text)
    return value === undefined ? undefined : { family: 6, value }
  }
  const value = parseAddress4(text)
  return value === undefined ? undefined : { family: 4, value: BigInt(value) }
}

/** Text of an address of either family. */
export function formatAddress({ family, value }: IpAddress): string {
  return family === 4 ? formatAddress4(Number(value)) : formatAddress6(value)
}
