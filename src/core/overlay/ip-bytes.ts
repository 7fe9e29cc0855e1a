import { parseAddress } from '../addresses/ip.ts'
import { contains, parsePrefix } from '../addresses/prefix.ts'

/** Four or sixteen bytes of an IP address without zone, or undefined where the text is none. */
export function parseIp(text: string): Uint8Array | undefined {
  const address = parseAddress(text)
  if (address === undefined) return undefined
  const bytes = new Uint8Array(address.family === 4 ? 4 : 16)
  let rest = address.value
  for (let index = bytes.length - 1; index >= 0; index--) {
    bytes[index] = Number(rest & 0xffn)
    rest >>= 8n
  }
  return bytes
}

/** Whether two texts are the same address, however they are written. Unreadable text equals nothing. */
export function sameIp(a: string, b: string): boolean {
  const left = parseAddress(a)
  const right = parseAddress(b)
  return left !== undefined && left.family === right?.family && left.value === right.value
}

/** Whether an address lies in a CIDR network. False for unreadable text and for the other family. */
export function isInNetwork(text: string, cidr: string): boolean {
  const prefix = parsePrefix(cidr)
  const address = parseAddress(text)
  return prefix !== undefined && address !== undefined && contains(prefix, address)
}
