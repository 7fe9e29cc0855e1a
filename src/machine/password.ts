import { createHash } from 'node:crypto'

const roundsDefault = 5_000
const alphabet = './0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'

/** Which bytes of the digest make which four characters (Drepper, "Unix crypt using SHA-256 and SHA-512", step 22). */
const order: readonly (readonly [number, number, number])[] = Array.from({ length: 21 }, (_, row) => {
  const triple = [row, row + 21, row + 42]
  const turn = row % 3
  return [triple[turn]!, triple[(turn + 1) % 3]!, triple[(turn + 2) % 3]!]
})

/**
 * A password as /etc/shadow holds it: `$6$salt$…`, the scheme of crypt(5) called sha512crypt. `salt` is up to 16
 * characters of `./0-9A-Za-z`.
 */
export function hashPassword(password: string, salt: string): string {
  const key = Buffer.from(password, 'utf8')
  const saltBytes = Buffer.from(salt.slice(0, 16), 'ascii')
  const sha = (...parts: readonly Uint8Array[]): Buffer => {
    const hash = createHash('sha512')
    for (const part of parts) hash.update(part)
    return hash.digest()
  }
  const repeat = (source: Buffer, length: number): Buffer =>
    Buffer.concat(Array.from({ length: Math.ceil(length / 64) || 0 }, () => source)).subarray(0, length)

  const second = sha(key, saltBytes, key)
  const parts: Uint8Array[] = [key, saltBytes, repeat(second, key.length)]
  for (let bits = key.length; bits > 0; bits >>= 1) parts.push((bits & 1) === 1 ? second : key)
  let digest = sha(...parts)
  const keySequence = repeat(sha(...Array.from({ length: key.length }, () => key)), key.length)
  const saltSequence = repeat(
    sha(...Array.from({ length: 16 + digest[0]! }, () => saltBytes)),
    saltBytes.length,
  )
  for (let round = 0; round < roundsDefault; round++) {
    digest = sha(
      round % 2 === 1 ? keySequence : digest,
      ...(round % 3 === 0 ? [] : [saltSequence]),
      ...(round % 7 === 0 ? [] : [keySequence]),
      round % 2 === 1 ? digest : keySequence,
    )
  }
  const text = order
    .map(([a, b, c]) => encode((digest[a]! << 16) | (digest[b]! << 8) | digest[c]!, 4))
    .join('')
  return `$6$${salt.slice(0, 16)}$${text}${encode(digest[63]!, 2)}`
}

/** A salt from random bytes. */
export function saltFrom(bytes: Uint8Array): string {
  return [...bytes.subarray(0, 16)].map((byte) => alphabet[byte & 63]).join('')
}

/** Whether a text is a hash of crypt(5) already, or no password at all (`*`, `!`). */
export function isHashed(text: string): boolean {
  return /^\$[0-9a-z]{1,3}\$\S+$/.test(text) || /^[*!]/.test(text)
}

function encode(value: number, characters: number): string {
  let text = ''
  for (let rest = value, index = 0; index < characters; index++, rest >>= 6) text += alphabet[rest & 63]
  return text
}
