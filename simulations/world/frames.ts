import { CodecError } from '../../src/core/model/codec.ts'
import type { Message } from '../../src/core/model/message.ts'
import type { Random } from '../../src/core/model/random.ts'
import { decodeMessage, encodeMessage } from '../../src/core/model/wire.ts'

/** A frame as its receiver finds it: a message, bytes that are none, or one that no seal and no signature protects. */
export type Arrival =
  | { readonly kind: 'message'; readonly message: Message }
  | { readonly kind: 'garbage'; readonly detail: string }
  | { readonly kind: 'unsigned' }

/** Bits of a corrupt frame that flip, at most. */
const flipsMax = 3

/** Kinds of which every claim that matters carries its author's signature. */
const signedKinds: ReadonlySet<Message['kind']> = new Set<Message['kind']>([
  'hello',
  'gossip',
  'statement',
  'plan-chain',
])

/** What the production codec makes of the bytes of a message, as its sender wrote them. */
export function readBack(message: Message): Arrival {
  return read(encodeMessage(message))
}

/**
 * What comes of a message of which bits flipped before the link sealed it. Words of consensus carry no signature of their
 * own but in a vote: a frame of them that is still one is told as `unsigned`, and what happens then is promised by nobody.
 */
export function readCorrupt(message: Message, random: Random): Arrival {
  const bytes = encodeMessage(message)
  for (let flips = 1 + random.below(flipsMax); flips > 0; flips--) {
    const at = random.below(bytes.length)
    bytes[at] = (bytes[at] as number) ^ (1 << random.below(8))
  }
  const arrival = read(bytes)
  return arrival.kind === 'message' && !signedKinds.has(arrival.message.kind) ? { kind: 'unsigned' } : arrival
}

function read(bytes: Uint8Array): Arrival {
  try {
    return { kind: 'message', message: decodeMessage(bytes) }
  } catch (error) {
    if (error instanceof CodecError) return { kind: 'garbage', detail: error.message }
    throw error
  }
}
