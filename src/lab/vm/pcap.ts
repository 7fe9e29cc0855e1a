/** Start of a capture file: little-endian, microseconds, Ethernet. The format of libpcap 2.4. */
export function pcapHeader(): Buffer {
  const header = Buffer.alloc(24)
  header.writeUInt32LE(0xa1_b2_c3_d4, 0)
  header.writeUInt16LE(2, 4)
  header.writeUInt16LE(4, 6)
  // Longest packet, and the link type of Ethernet.
  header.writeUInt32LE(262_144, 16)
  header.writeUInt32LE(1, 20)
  return header
}

/** One frame, seen at a moment in milliseconds since 1970. */
export function pcapRecord(frame: Buffer, atMs: number): Buffer {
  const header = Buffer.alloc(16)
  const seconds = Math.floor(atMs / 1_000)
  header.writeUInt32LE(seconds, 0)
  header.writeUInt32LE(Math.floor((atMs - seconds * 1_000) * 1_000), 4)
  header.writeUInt32LE(frame.length, 8)
  header.writeUInt32LE(frame.length, 12)
  return Buffer.concat([header, frame])
}
