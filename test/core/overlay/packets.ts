// IP packets made by hand, for tests of what reads them.
import { parseIp } from '../../../src/core/overlay/ip-bytes.ts'

/** A packet with these addresses and no payload worth mentioning; the checksum is left out. */
export function ipPacket(source: string, destination: string, payloadBytes = 8): Uint8Array {
  const from = parseIp(source)!
  const to = parseIp(destination)!
  const headerBytes = from.length === 4 ? 20 : 40
  const packet = new Uint8Array(headerBytes + payloadBytes)
  const view = new DataView(packet.buffer)
  if (from.length === 4) {
    packet[0] = 0x45
    view.setUint16(2, packet.length)
    packet[8] = 64
    packet[9] = 17
  } else {
    packet[0] = 0x60
    view.setUint16(4, payloadBytes)
    packet[6] = 17
    packet[7] = 64
  }
  packet.set(from, headerBytes === 20 ? 12 : 8)
  packet.set(to, headerBytes === 20 ? 16 : 24)
  return packet
}
