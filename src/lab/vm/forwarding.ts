// Where a frame goes: what an ordinary learning switch does, as a table of addresses.

/** Most addresses remembered; a machine has one or two, its containers a few more. */
const addressesMax = 4_096

/** Remembers behind which port each MAC address was seen last. */
export class AddressTable {
  readonly #ports = new Map<string, string>()

  /** Learns the sender of a frame that came in at a port, and says to which other ports it goes. */
  route(frame: Buffer, from: string, ports: Iterable<string>): string[] {
    const source = frame.subarray(6, 12)
    if (!isGroup(source)) this.#learn(source.toString('hex'), from)
    const destination = frame.subarray(0, 6)
    const known = isGroup(destination) ? undefined : this.#ports.get(destination.toString('hex'))
    if (known === from) return []
    const others = [...ports].filter((port) => port !== from)
    return known !== undefined && others.includes(known) ? [known] : others
  }

  /** Forgets what was behind a port. */
  forget(port: string): void {
    for (const [address, behind] of this.#ports) if (behind === port) this.#ports.delete(address)
  }

  #learn(address: string, port: string): void {
    this.#ports.delete(address)
    this.#ports.set(address, port)
    if (this.#ports.size <= addressesMax) return
    const [oldest] = this.#ports.keys()
    if (oldest !== undefined) this.#ports.delete(oldest)
  }
}

/** Broadcast and multicast. */
function isGroup(address: Buffer): boolean {
  return ((address[0] ?? 0) & 1) === 1
}
