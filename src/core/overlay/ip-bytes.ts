import { parseAddress } from '../addresses/ip.ts'

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
