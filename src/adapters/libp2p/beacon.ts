import { createCipheriv, createDecipheriv, createHmac, randomBytes } from 'node:crypto'
import { createSocket } from 'node:dgram'
import type { RemoteInfo, Socket } from 'node:dgram'
import type { NodeId } from '../../core/model/ids.ts'
import { membersMax } from '../../core/model/limits.ts'
import type { LinkScan } from './interfaces.ts'
import { beaconPort } from './settings.ts'

// The link-local beacon: "I am here" by UDP multicast on every link. It works where mDNS cannot: without a
// default or multicast route, and with IPv6 alone. One socket per link, so that the kernel need not choose.
//
//   packet = version (1) | nonce (12) | AES-256-GCM(session (8) | counter (6) | tcp port (2) | peer id) | tag (16)
//
// The key comes from the token, and the sender's address is sealed with it (as associated data): strangers can
// neither read nor forge a packet, nor send one again from an address of theirs to be dialled in its place. A
// replayed one is known by its counter; one from a former session leads to a dial, and the dial to nothing.

/** Administratively scoped (RFC 2365); the last two octets are "MS". */
const group4 = '239.255.77.83'
/** Transient, link-local scope (RFC 4291 2.7). */
const group6 = 'ff12::4d53'

const packetVersion = 1
const nonceBytes = 12
const tagBytes = 16
const headBytes = 16
const packetBytesMax = 256

/** What one packet says. */
export interface BeaconCall {
  readonly peer: NodeId
  readonly port: number
  readonly session: string
  readonly counter: number
}

/** The beacon's own key. */
export function beaconKey(admissionKey: Uint8Array): Buffer {
  return createHmac('sha256', admissionKey).update('muster beacon 1').digest()
}

/** @param from the sender's IP address, without a zone */
export function sealCall(key: Uint8Array, call: BeaconCall, from: string): Buffer {
  const nonce = randomBytes(nonceBytes)
  const head = Buffer.alloc(headBytes)
  head.write(call.session, 'hex')
  head.writeUIntBE(call.counter, 8, 6)
  head.writeUInt16BE(call.port, 14)
  const cipher = createCipheriv('aes-256-gcm', key, nonce)
  cipher.setAAD(Buffer.from(from))
  const sealed = Buffer.concat([cipher.update(head), cipher.update(call.peer), cipher.final()])
  return Buffer.concat([Uint8Array.of(packetVersion), nonce, sealed, cipher.getAuthTag()])
}

/** Undefined for everything that is not a packet of this network, sent from this very address. */
export function openCall(key: Uint8Array, packet: Uint8Array, from: string): BeaconCall | undefined {
  if (packet[0] !== packetVersion || packet.byteLength > packetBytesMax) return undefined
  if (packet.byteLength < 1 + nonceBytes + headBytes + tagBytes) return undefined
  try {
    const decipher = createDecipheriv('aes-256-gcm', key, packet.subarray(1, 1 + nonceBytes))
    decipher.setAAD(Buffer.from(from))
    decipher.setAuthTag(packet.subarray(packet.byteLength - tagBytes))
    const sealed = packet.subarray(1 + nonceBytes, packet.byteLength - tagBytes)
    const plain = Buffer.concat([decipher.update(sealed), decipher.final()])
    return {
      session: plain.subarray(0, 8).toString('hex'),
      counter: plain.readUIntBE(8, 6),
      port: plain.readUInt16BE(14),
      peer: plain.subarray(headBytes).toString(),
    }
  } catch {
    return undefined
  }
}

export interface BeaconInit {
  readonly self: NodeId
  readonly session: string
  readonly port: number
  readonly admissionKey: Uint8Array
  readonly onFound: (peer: NodeId, endpoint: string) => void
  readonly onTrouble: (device: string, error: Error) => void
}

/** One joined link. */
interface Station {
  readonly socket: Socket
  readonly family: 4 | 6
  readonly address: string
  ready: boolean
}

/** Calls on every link and listens for others. `update` follows the machine's links. */
export class Beacon {
  readonly #init: BeaconInit
  readonly #key: Buffer
  readonly #stations = new Map<string, Station>()
  readonly #heard = new Map<NodeId, { readonly session: string; readonly counter: number }>()
  #timer: NodeJS.Timeout | undefined
  #counter = 0
  #intervalMs = 1_000

  constructor(init: BeaconInit) {
    this.#init = init
    this.#key = beaconKey(init.admissionKey)
  }

  start(): void {
    this.#callAndWait()
  }

  stop(): void {
    clearTimeout(this.#timer)
    for (const key of [...this.#stations.keys()]) this.#leave(key)
  }

  setInterval(intervalMs: number): void {
    this.#intervalMs = intervalMs
    clearTimeout(this.#timer)
    this.#callAndWait()
  }

  /** Joins links that are new (or failed before: a tentative IPv6 address cannot be used at first) and leaves lost ones. */
  update(scan: LinkScan): void {
    const wanted = new Map<
      string,
      { readonly family: 4 | 6; readonly device: string; readonly address: string }
    >()
    for (const { family, device, address, linkLocal } of scan.addresses) {
      if (family === 4) wanted.set(`4 ${device} ${address}`, { family, device, address })
      else if (linkLocal) wanted.set(`6 ${device} ${address}`, { family, device, address })
    }
    for (const key of [...this.#stations.keys()]) if (!wanted.has(key)) this.#leave(key)
    for (const [key, link] of wanted) if (!this.#stations.has(key)) this.#join(key, link)
  }

  #join(
    key: string,
    link: { readonly family: 4 | 6; readonly device: string; readonly address: string },
  ): void {
    const socket = createSocket({
      type: link.family === 4 ? 'udp4' : 'udp6',
      reuseAddr: true,
      ipv6Only: link.family === 6,
    })
    const station: Station = { socket, family: link.family, address: link.address, ready: false }
    this.#stations.set(key, station)
    // The next scan tries again.
    socket.on('error', (error) => {
      this.#init.onTrouble(link.device, error)
      if (this.#stations.get(key) === station) this.#leave(key)
    })
    socket.on('message', (packet, from) => this.#hear(packet, from))
    socket.bind(beaconPort, () => {
      try {
        // IPv6 groups are joined by device, IPv4 groups by the address of one.
        const via = link.family === 4 ? link.address : `::%${link.device}`
        socket.addMembership(link.family === 4 ? group4 : group6, via)
        socket.setMulticastInterface(via)
        socket.setMulticastTTL(1)
        socket.setMulticastLoopback(true)
        station.ready = true
        this.#call(station)
      } catch (error) {
        socket.emit('error', error)
      }
    })
  }

  #leave(key: string): void {
    const station = this.#stations.get(key)
    this.#stations.delete(key)
    try {
      station?.socket.close()
    } catch {
      // It was never bound, or the kernel closed it with its device.
    }
  }

  #callAndWait(): void {
    for (const station of this.#stations.values()) this.#call(station)
    // A little jitter, so that machines that got power together do not speak together for ever.
    this.#timer = setTimeout(() => this.#callAndWait(), this.#intervalMs * (0.85 + Math.random() * 0.3))
  }

  #call(station: Station): void {
    if (!station.ready) return
    const { self, port, session } = this.#init
    const call: BeaconCall = { peer: self, port, session, counter: ++this.#counter }
    const packet = sealCall(this.#key, call, station.address)
    // A link without carrier refuses; the next call finds it mended.
    station.socket.send(packet, beaconPort, station.family === 4 ? group4 : group6, () => undefined)
  }

  #hear(packet: Uint8Array, from: RemoteInfo): void {
    const call = openCall(this.#key, packet, from.address.split('%')[0] ?? '')
    if (call === undefined || call.peer === this.#init.self) return
    const last = this.#heard.get(call.peer)
    // Several links carry the same peer under different counters, so only what is much older is a replay.
    if (last?.session === call.session && call.counter + 64 < last.counter) return
    if (last === undefined && this.#heard.size >= membersMax) return
    this.#heard.set(call.peer, call)
    this.#init.onFound(call.peer, dialAddress(from, call.port))
  }
}

/** Where a packet came from, as a multiaddr; the zone of a link-local address is part of it. */
export function dialAddress(from: Pick<RemoteInfo, 'address' | 'family'>, port: number): string {
  const [ip = '', zone] = from.address.split('%')
  if (from.family === 'IPv4') return `/ip4/${ip}/tcp/${port}`
  return zone === undefined ? `/ip6/${ip}/tcp/${port}` : `/ip6zone/${zone}/ip6/${ip}/tcp/${port}`
}
