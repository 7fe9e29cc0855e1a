import { macBytes, serverAddress4, serverMac } from './addresses.ts'

// The least of DHCP (RFC 2131) that gives a machine an address and nothing else: no router, no DNS, no end of the
// lease. Without an answer a machine waits for the time-out of its DHCP client before it takes a link-local address.

const ethernetBytes = 14
const ipBytes = 20
const udpBytes = 8
const bootpBytes = 236
const magic = 0x63_82_53_63
const [discover, offer, request, acknowledge] = [1, 2, 3, 5] as const

/**
 * The answer to a frame that asks for an address, or undefined for every other frame. The port decides the
 * address, whatever was asked for: 10.78.0.`index`.
 */
export function answerDhcp(frame: Buffer, address4: string): Buffer | undefined {
  const asked = readRequest(frame)
  if (asked === undefined) return undefined
  const type = asked.type === discover ? offer : acknowledge
  const options = Buffer.from([
    ...[53, 1, type],
    ...[54, 4, ...addressBytes(serverAddress4)],
    ...[51, 4, 255, 255, 255, 255],
    ...[1, 4, 255, 255, 255, 0],
    255,
  ])
  const bootp = Buffer.alloc(bootpBytes + 4)
  bootp.set([2, 1, 6, 0])
  asked.transaction.copy(bootp, 4)
  asked.flags.copy(bootp, 10)
  bootp.set(addressBytes(address4), 16)
  bootp.set(addressBytes(serverAddress4), 20)
  asked.hardware.copy(bootp, 28)
  bootp.writeUInt32BE(magic, bootpBytes)
  return datagram(asked.hardware, Buffer.concat([bootp, options]))
}

interface Request {
  readonly type: number
  readonly transaction: Buffer
  readonly flags: Buffer
  readonly hardware: Buffer
}

function readRequest(frame: Buffer): Request | undefined {
  if (frame.length < ethernetBytes + ipBytes + udpBytes + bootpBytes + 4) return undefined
  if (frame.readUInt16BE(12) !== 0x08_00) return undefined
  const ip = frame.subarray(ethernetBytes)
  if ((ip[0] ?? 0) >> 4 !== 4 || ip[9] !== 17) return undefined
  const udp = ip.subarray(((ip[0] ?? 0) & 15) * 4)
  if (udp.length < udpBytes + bootpBytes + 4 || udp.readUInt16BE(0) !== 68 || udp.readUInt16BE(2) !== 67) {
    return undefined
  }
  const bootp = udp.subarray(udpBytes)
  if (bootp[0] !== 1 || bootp.readUInt32BE(bootpBytes) !== magic) return undefined
  const type = messageType(bootp.subarray(bootpBytes + 4))
  if (type !== discover && type !== request) return undefined
  return {
    type,
    transaction: bootp.subarray(4, 8),
    flags: bootp.subarray(10, 12),
    hardware: bootp.subarray(28, 34),
  }
}

function messageType(options: Buffer): number | undefined {
  let at = 0
  while (at + 2 < options.length && options[at] !== 255) {
    // Option 0 is padding and has no length.
    if (options[at] === 0) {
      at += 1
      continue
    }
    if (options[at] === 53) return options[at + 2]
    at += 2 + (options[at + 1] ?? 0)
  }
  return undefined
}

/** A UDP datagram from the server to everybody at IP, to one machine at Ethernet. */
function datagram(to: Buffer, payload: Buffer): Buffer {
  const ethernet = Buffer.concat([to, macBytes(serverMac), Buffer.from([0x08, 0x00])])
  const udp = Buffer.alloc(udpBytes)
  udp.writeUInt16BE(67, 0)
  udp.writeUInt16BE(68, 2)
  // No checksum: IPv4 allows it.
  udp.writeUInt16BE(udpBytes + payload.length, 4)
  const ip = Buffer.alloc(ipBytes)
  ip.set([0x45, 0])
  ip.writeUInt16BE(ipBytes + udpBytes + payload.length, 2)
  ip.set([64, 17], 8)
  ip.set(addressBytes(serverAddress4), 12)
  ip.set([255, 255, 255, 255], 16)
  ip.writeUInt16BE(internetChecksum(ip), 10)
  return Buffer.concat([ethernet, ip, udp, payload])
}

/** RFC 1071, over a header whose checksum field is zero. */
function internetChecksum(header: Buffer): number {
  let sum = 0
  for (let at = 0; at < header.length; at += 2) sum += header.readUInt16BE(at)
  while (sum > 0xff_ff) sum = (sum & 0xff_ff) + (sum >>> 16)
  return ~sum & 0xff_ff
}

function addressBytes(address4: string): number[] {
  return address4.split('.').map(Number)
}
