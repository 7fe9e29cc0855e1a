/** Where the addresses of an IP packet are. Offsets are in bytes from the packet's first byte. */
export interface PacketHeader {
  readonly version: 4 | 6
  readonly sourceOffset: number
  readonly destinationOffset: number
  /** 4 or 16. */
  readonly addressBytes: number
}

const ipv4Header: PacketHeader = { version: 4, sourceOffset: 12, destinationOffset: 16, addressBytes: 4 }
const ipv6Header: PacketHeader = { version: 6, sourceOffset: 8, destinationOffset: 24, addressBytes: 16 }

/**
 * Finds the addresses of an IPv4 (RFC 791) or IPv6 (RFC 8200) packet, or undefined where the bytes are not
 * exactly one packet: unknown version, header cut short, or a length that is not the number of bytes given.
 * Never throws and never reads outside `packet`.
 */
export function readPacketHeader(packet: Uint8Array): PacketHeader | undefined {
  const size = packet.length
  if (size < 20) return undefined
  const first = packet[0]!
  if (first >>> 4 === 4) {
    const headerBytes = (first & 0x0f) * 4
    const totalBytes = (packet[2]! << 8) | packet[3]!
    return headerBytes >= 20 && headerBytes <= size && totalBytes === size ? ipv4Header : undefined
  }
  if (first >>> 4 === 6 && size >= 40) {
    const payloadBytes = (packet[4]! << 8) | packet[5]!
    return payloadBytes + 40 === size ? ipv6Header : undefined
  }
  return undefined
}

/** Whether the destination is a group or everybody: an overlay of pairs carries neither. */
export function isMulticast(packet: Uint8Array, header: PacketHeader): boolean {
  const first = packet[header.destinationOffset]!
  if (header.version === 6) return first === 0xff
  // 224.0.0.0/4 is multicast, 255.255.255.255 the limited broadcast; 240/4 between them is reserved (RFC 1112).
  return first >= 224
}
