import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import type { NodeId } from '../../core/model/ids.ts'
import type { RefusalCode } from '../../core/ports.ts'

// The first words on a stream. Both ends speak at once; a newer version of the message protocol changes
// nothing here, so that ends of different versions can still tell each other so.
//
//   opener                               answerer
//     ── HELLO  magic, version, session, nonce ──▶
//     ◀── HELLO ──────────────────────────────────
//     ── PROOF  hmac(key, role, both hellos, both ids) ──▶
//     ◀── PROOF ──────────────────────────────────
//     ── VERDICT  welcome | refused + code ──▶          each end: welcome only after a good proof
//     ◀── VERDICT ────────────────────────────────

const magic = Buffer.from('MSTR')
const sessionBytes = 8
const nonceBytes = 32
const helloBytes = magic.length + 4 + sessionBytes + nonceBytes

/** Stream protocol of admission and messages. The number is that of this handshake and its frames. */
export const linkProtocol = '/muster/1'

/** No frame of the handshake is longer. */
export const admissionFrameBytesMax = 1_024

const refusalCodes: readonly RefusalCode[] = [
  'ForeignNetwork',
  'ProtocolVersion',
  'Garbage',
  'Flood',
  'Replay',
  'NotAdmitted',
]

/** One end's first words. */
export interface Hello {
  readonly version: number
  /** Drawn anew by each start of an agent: a peer that restarted is told from one that dials twice. Hexadecimal. */
  readonly session: string
  readonly nonce: Uint8Array
}

/** Writes and reads whole frames; `read` rejects when the stream ends. */
export interface FrameStream {
  read(): Promise<Uint8Array>
  write(frame: Uint8Array): Promise<void>
}

/** What one end brings to an admission. */
export interface AdmissionTerms {
  readonly self: NodeId
  readonly peer: NodeId
  readonly role: 'opener' | 'answerer'
  readonly key: Uint8Array
  readonly version: number
  readonly session: string
  /** Set when the peer must not come in, however good its proof: it was cut off lately. */
  readonly barred?: { readonly code: RefusalCode; readonly detail: string } | undefined
}

/** The result: the peer's session, or who refused and why. */
export type Admission =
  | { readonly kind: 'admitted'; readonly session: string }
  | {
      readonly kind: 'refused'
      readonly by: 'us' | 'them'
      readonly code: RefusalCode
      readonly detail: string
    }

/** A session mark for one start of an agent. */
export function drawSession(): string {
  return randomBytes(sessionBytes).toString('hex')
}

/** Runs the whole exchange. Rejects only if the stream fails; a refusal is a result. */
export async function admit(stream: FrameStream, terms: AdmissionTerms): Promise<Admission> {
  const ownHello = encodeHello({
    version: terms.version,
    session: terms.session,
    nonce: randomBytes(nonceBytes),
  })
  await stream.write(ownHello)
  const theirHello = await stream.read()
  const hello = decodeHello(theirHello)
  const early = judgeHello(hello, terms)
  if (early !== undefined) return await refuse(stream, early)

  const other = terms.role === 'opener' ? 'answerer' : 'opener'
  await stream.write(proof(terms, terms.role, ownHello, theirHello))
  const theirProof = await stream.read()
  const verdict = decodeVerdict(theirProof)
  if (verdict !== undefined && verdict !== 'welcome') return verdict
  if (!equal(theirProof, proof(terms, other, ownHello, theirHello))) {
    return await refuse(stream, {
      code: 'ForeignNetwork',
      detail: 'it does not know the admission key of this network',
    })
  }

  await stream.write(encodeVerdict())
  const answer = decodeVerdict(await stream.read())
  if (answer === undefined) return { kind: 'refused', by: 'us', code: 'Garbage', detail: 'no verdict' }
  return answer === 'welcome' ? { kind: 'admitted', session: hello?.session ?? '' } : answer
}

function judgeHello(
  hello: Hello | undefined,
  terms: AdmissionTerms,
): { code: RefusalCode; detail: string } | undefined {
  if (hello === undefined) return { code: 'Garbage', detail: 'its first frame is no hello' }
  if (hello.version !== terms.version) {
    return {
      code: 'ProtocolVersion',
      detail: `we speak protocol version ${terms.version}, it speaks ${hello.version}`,
    }
  }
  return terms.barred
}

async function refuse(
  stream: FrameStream,
  refusal: { readonly code: RefusalCode; readonly detail: string },
): Promise<Admission> {
  // The peer may be gone already; what matters is our own verdict.
  await stream.write(encodeVerdict(refusal)).catch(() => undefined)
  return { kind: 'refused', by: 'us', ...refusal }
}

export function encodeHello(hello: Hello): Uint8Array {
  const out = Buffer.alloc(helloBytes)
  magic.copy(out)
  out.writeUInt32BE(hello.version, magic.length)
  out.write(hello.session, magic.length + 4, 'hex')
  out.set(hello.nonce, magic.length + 4 + sessionBytes)
  return out
}

/** Undefined for anything that is not a hello. A longer one is read as far as it is known. */
export function decodeHello(frame: Uint8Array): Hello | undefined {
  const view = Buffer.from(frame.buffer, frame.byteOffset, frame.byteLength)
  if (view.length < helloBytes || !view.subarray(0, magic.length).equals(magic)) return undefined
  const at = magic.length + 4
  return {
    version: view.readUInt32BE(magic.length),
    session: view.subarray(at, at + sessionBytes).toString('hex'),
    nonce: Uint8Array.from(view.subarray(at + sessionBytes, helloBytes)),
  }
}

/** HMAC-SHA256 bound to the role (no reflection), both nonces (no replay) and both ids (no relay). */
function proof(
  terms: AdmissionTerms,
  role: AdmissionTerms['role'],
  ownHello: Uint8Array,
  theirHello: Uint8Array,
): Uint8Array {
  const opening = terms.role === 'opener'
  const mac = createHmac('sha256', terms.key)
  for (const part of [
    `muster admission 1 ${role}`,
    opening ? terms.self : terms.peer,
    opening ? terms.peer : terms.self,
    opening ? ownHello : theirHello,
    opening ? theirHello : ownHello,
  ]) {
    const bytes = typeof part === 'string' ? Buffer.from(part) : part
    const length = Buffer.alloc(4)
    length.writeUInt32BE(bytes.byteLength)
    mac.update(length).update(bytes)
  }
  return mac.digest()
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.byteLength === b.byteLength && timingSafeEqual(a, b)
}

function encodeVerdict(refusal?: { readonly code: RefusalCode; readonly detail: string }): Uint8Array {
  return Buffer.from(refusal === undefined ? 'VERDICT welcome' : `VERDICT ${refusal.code} ${refusal.detail}`)
}

function decodeVerdict(frame: Uint8Array): 'welcome' | Extract<Admission, { kind: 'refused' }> | undefined {
  const [head, code, ...rest] = Buffer.from(frame).toString().split(' ')
  if (head !== 'VERDICT') return undefined
  if (code === 'welcome') return 'welcome'
  const known = refusalCodes.find((candidate) => candidate === code) ?? 'NotAdmitted'
  return { kind: 'refused', by: 'them', code: known, detail: rest.join(' ').slice(0, 256) }
}
