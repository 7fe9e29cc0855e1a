/** An alphabet whose size is a power of two: `bits` of data in each character (RFC 4648). */
export interface Alphabet {
  readonly characters: string
  readonly bits: number
}

/** RFC 4648 base32, lower case: survives a double click, a phone call and a case-blind label. */
export const base32: Alphabet = { characters: 'abcdefghijklmnopqrstuvwxyz234567', bits: 5 }

/** RFC 4648 base64, the standard alphabet (edgevpn's tokens). */
export const base64: Alphabet = {
  characters: 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/',
  bits: 6,
}

/** Characters that `bytes` take, without padding. */
export function encodedLength(alphabet: Alphabet, bytes: number): number {
  return Math.ceil((bytes * 8) / alphabet.bits)
}

/** Bytes as text, without padding. */
export function encodeBase(alphabet: Alphabet, bytes: Uint8Array): string {
  let out = ''
  let held = 0
  let heldBits = 0
  for (const byte of bytes) {
    held = (held << 8) | byte
    heldBits += 8
    while (heldBits >= alphabet.bits) {
      heldBits -= alphabet.bits
      out += alphabet.characters[held >> heldBits]!
      held &= (1 << heldBits) - 1
    }
  }
  return heldBits === 0 ? out : out + alphabet.characters[held << (alphabet.bits - heldBits)]!
}

/**
 * Text without padding as bytes, or undefined where a character is not of the alphabet, the length cannot
 * be, or the unused last bits are not zero: each byte string has exactly one text.
 */
export function decodeBase(alphabet: Alphabet, text: string): Uint8Array<ArrayBuffer> | undefined {
  const bytes = new Uint8Array(Math.floor((text.length * alphabet.bits) / 8))
  if (encodedLength(alphabet, bytes.length) !== text.length) return undefined
  let held = 0
  let heldBits = 0
  let at = 0
  for (const character of text) {
    const value = alphabet.characters.indexOf(character)
    if (value < 0) return undefined
    held = (held << alphabet.bits) | value
    heldBits += alphabet.bits
    if (heldBits < 8) continue
    heldBits -= 8
    bytes[at++] = held >> heldBits
    held &= (1 << heldBits) - 1
  }
  return held === 0 ? bytes : undefined
}
