// The side of a server of the NBD protocol (doc/proto.md of the nbd project): fixed newstyle handshake and simple
// replies; what QEMU's block layer speaks. Pure: bytes in, bytes and commands out.

const initialMagic = 0x4e_42_44_4d_41_47_49_43n
const optionMagic = 0x49_48_41_56_45_4f_50_54n
const optionReplyMagic = 0x3e_88_90_45_56_5a_9n
const requestMagic = 0x25_60_95_13
const replyMagic = 0x67_44_66_98

const handshakeFlags = { fixedNewstyle: 1, noZeroes: 2 } as const
const options = { exportName: 1, abort: 2, info: 6, go: 7 } as const
const optionReplies = { acknowledge: 1, info: 3, unsupported: 0x80_00_00_01 } as const
const transmissionFlags = { hasFlags: 1, flush: 4, fua: 8, trim: 32, writeZeroes: 64 } as const
const commandTypes = { read: 0, write: 1, disconnect: 2, flush: 3, trim: 4, writeZeroes: 6 } as const

/** Longest request: QEMU never asks for more at once. */
const requestBytesMax = 32 * 1_024 * 1_024

/** What a client asks of the disk. `handle` goes back with the reply. */
export type NbdCommand =
  | { readonly type: 'read'; readonly handle: bigint; readonly offset: number; readonly length: number }
  | {
      readonly type: 'write'
      readonly handle: bigint
      readonly offset: number
      readonly data: Buffer
      /** On stable storage before the reply. */
      readonly isForced: boolean
    }
  | { readonly type: 'flush'; readonly handle: bigint }
  | {
      readonly type: 'trim' | 'zero'
      readonly handle: bigint
      readonly offset: number
      readonly length: number
      readonly isForced: boolean
    }
  | { readonly type: 'unknown'; readonly handle: bigint }
  | { readonly type: 'disconnect' }

/** What comes of some bytes of a client. */
export interface NbdOutcome {
  /** To be sent at once. */
  readonly replies: readonly Buffer[]
  readonly commands: readonly NbdCommand[]
}

/** Errors of replies: Linux' numbers. */
export const nbdErrors = { io: 5, invalid: 22 } as const

/** What a server says first. */
export function nbdGreeting(): Buffer {
  const greeting = Buffer.alloc(18)
  greeting.writeBigUInt64BE(initialMagic, 0)
  greeting.writeBigUInt64BE(optionMagic, 8)
  greeting.writeUInt16BE(handshakeFlags.fixedNewstyle | handshakeFlags.noZeroes, 16)
  return greeting
}

/** The reply to a command; `error` 0 is success. */
export function nbdReply(handle: bigint, error: number, data: Buffer = Buffer.alloc(0)): Buffer {
  const header = Buffer.alloc(16)
  header.writeUInt32BE(replyMagic, 0)
  header.writeUInt32BE(error, 4)
  header.writeBigUInt64BE(handle, 8)
  return Buffer.concat([header, data])
}

/** One connection's state: flags, then options, then commands. Throws for a client that speaks something else. */
export class NbdSession {
  readonly #diskBytes: number
  #phase: 'flags' | 'options' | 'commands' = 'flags'
  #wantsZeroes = true
  #parts: Buffer[] = []
  #pendingBytes = 0

  constructor(diskBytes: number) {
    this.#diskBytes = diskBytes
  }

  push(part: Buffer): NbdOutcome {
    this.#parts.push(part)
    this.#pendingBytes += part.length
    const replies: Buffer[] = []
    const commands: NbdCommand[] = []
    while (this.#step(replies, commands));
    return { replies, commands }
  }

  /** One message; false when it is not all there. */
  #step(replies: Buffer[], commands: NbdCommand[]): boolean {
    switch (this.#phase) {
      case 'flags': {
        const flags = this.#take(4)
        if (flags === undefined) return false
        this.#wantsZeroes = (flags.readUInt32BE(0) & handshakeFlags.noZeroes) === 0
        this.#phase = 'options'
        return true
      }
      case 'options':
        return this.#option(replies, commands)
      case 'commands':
        return this.#command(commands)
    }
  }

  #option(replies: Buffer[], commands: NbdCommand[]): boolean {
    const header = this.#peek(16)
    if (header === undefined) return false
    if (header.readBigUInt64BE(0) !== optionMagic) throw new Error('this is no option')
    const option = header.readUInt32BE(8)
    const length = header.readUInt32BE(12)
    if (length > 65_536) throw new Error(`an option of ${length} bytes`)
    if (this.#take(16 + length) === undefined) return false
    switch (option) {
      case options.exportName:
        replies.push(Buffer.concat([this.#exportFacts(), Buffer.alloc(this.#wantsZeroes ? 124 : 0)]))
        this.#phase = 'commands'
        return true
      case options.info:
      case options.go:
        replies.push(
          optionReply(option, optionReplies.info, Buffer.concat([Buffer.from([0, 0]), this.#exportFacts()])),
          optionReply(option, optionReplies.acknowledge),
        )
        if (option === options.go) this.#phase = 'commands'
        return true
      case options.abort:
        replies.push(optionReply(option, optionReplies.acknowledge))
        commands.push({ type: 'disconnect' })
        return true
      default:
        replies.push(optionReply(option, optionReplies.unsupported))
        return true
    }
  }

  #command(commands: NbdCommand[]): boolean {
    const header = this.#peek(28)
    if (header === undefined) return false
    if (header.readUInt32BE(0) !== requestMagic) throw new Error('this is no request')
    const type = header.readUInt16BE(6)
    const handle = header.readBigUInt64BE(8)
    const offset = Number(header.readBigUInt64BE(16))
    const length = header.readUInt32BE(24)
    const isForced = (header.readUInt16BE(4) & 1) === 1
    if (type === commandTypes.write && length > requestBytesMax) throw new Error(`a write of ${length} bytes`)
    const whole = this.#take(28 + (type === commandTypes.write ? length : 0))
    if (whole === undefined) return false
    switch (type) {
      case commandTypes.read:
        commands.push({ type: 'read', handle, offset, length })
        return true
      case commandTypes.write:
        commands.push({ type: 'write', handle, offset, data: whole.subarray(28), isForced })
        return true
      case commandTypes.flush:
        commands.push({ type: 'flush', handle })
        return true
      case commandTypes.trim:
      case commandTypes.writeZeroes:
        commands.push({
          type: type === commandTypes.trim ? 'trim' : 'zero',
          handle,
          offset,
          length,
          isForced,
        })
        return true
      case commandTypes.disconnect:
        commands.push({ type: 'disconnect' })
        return true
      default:
        commands.push({ type: 'unknown', handle })
        return true
    }
  }

  /** Size and abilities of the disk. */
  #exportFacts(): Buffer {
    const facts = Buffer.alloc(10)
    facts.writeBigUInt64BE(BigInt(this.#diskBytes), 0)
    const { hasFlags, flush, fua, trim, writeZeroes } = transmissionFlags
    facts.writeUInt16BE(hasFlags | flush | fua | trim | writeZeroes, 8)
    return facts
  }

  #peek(bytes: number): Buffer | undefined {
    if (this.#pendingBytes < bytes) return undefined
    if ((this.#parts[0]?.length ?? 0) < bytes) this.#parts = [Buffer.concat(this.#parts)]
    return this.#parts[0]?.subarray(0, bytes)
  }

  #take(bytes: number): Buffer | undefined {
    const taken = this.#peek(bytes)
    if (taken === undefined) return undefined
    const [first = taken, ...others] = this.#parts
    const rest = first.subarray(bytes)
    this.#parts = rest.length === 0 ? others : [rest, ...others]
    this.#pendingBytes -= bytes
    return taken
  }
}

function optionReply(option: number, type: number, data: Buffer = Buffer.alloc(0)): Buffer {
  const header = Buffer.alloc(20)
  header.writeBigUInt64BE(optionReplyMagic, 0)
  header.writeUInt32BE(option, 8)
  header.writeUInt32BE(type, 12)
  header.writeUInt32BE(data.length, 16)
  return Buffer.concat([header, data])
}
