import { decode as cborDecode, encode as cborEncode } from 'cborg'

/**
 * Reads one value of a decoded CBOR tree and returns it typed, or throws `CodecError` with the path.
 * Codecs are strict: unknown keys, wrong types and values over their limit are refused.
 */
export interface Codec<T> {
  read(value: unknown, path: string): T
}

/** The type that a codec yields. */
export type Decoded<C> = C extends Codec<infer T> ? T : never

/** A byte string that is not what it should be. Always a peer's or a disk's fault, never ours. */
export class CodecError extends Error {
  override readonly name = 'CodecError'
  readonly code = 'ERR_MALFORMED'
  readonly path: string
  constructor(path: string, expected: string) {
    super(`malformed at ${path === '' ? 'top' : path}: expected ${expected}`)
    this.path = path
  }
}

function fail(path: string, expected: string): never {
  throw new CodecError(path, expected)
}

/** Text of at most `max` UTF-16 units. */
export function text(max: number): Codec<string> {
  return {
    read: (value, path) =>
      typeof value === 'string' && value.length <= max ? value : fail(path, `text of at most ${max}`),
  }
}

/** Text that matches a pattern. */
export function pattern(expression: RegExp, what: string): Codec<string> {
  return {
    read: (value, path) => (typeof value === 'string' && expression.test(value) ? value : fail(path, what)),
  }
}

/** An integer in [min, max]. */
export function integer(min = 0, max: number = Number.MAX_SAFE_INTEGER): Codec<number> {
  return {
    read: (value, path) =>
      typeof value === 'number' && Number.isSafeInteger(value) && value >= min && value <= max
        ? value
        : fail(path, `an integer from ${min} to ${max}`),
  }
}

export const boolean: Codec<boolean> = {
  read: (value, path) => (typeof value === 'boolean' ? value : fail(path, 'true or false')),
}

/** A byte string of at most `max` bytes. */
export function bytes(max: number): Codec<Uint8Array> {
  return {
    read: (value, path) =>
      value instanceof Uint8Array && value.byteLength <= max ? value : fail(path, `at most ${max} bytes`),
  }
}

/** One of a fixed set of texts. */
export function oneOf<const T extends string>(...options: readonly T[]): Codec<T> {
  return {
    read: (value, path) =>
      options.find((option) => option === value) ?? fail(path, `one of ${options.join(', ')}`),
  }
}

/** An array of at most `max` items. */
export function list<T>(item: Codec<T>, max: number): Codec<readonly T[]> {
  return {
    read: (value, path) => {
      if (!Array.isArray(value) || value.length > max) return fail(path, `a list of at most ${max}`)
      return value.map((entry, index) => item.read(entry, `${path}[${index}]`))
    },
  }
}

/** The value, or null. */
export function nullable<T>(inner: Codec<T>): Codec<T | null> {
  return { read: (value, path) => (value === null ? null : inner.read(value, path)) }
}

/** A map with free keys and equal values, at most `max` of them. */
export function dictionary<T>(inner: Codec<T>, max: number): Codec<Readonly<Record<string, T>>> {
  return {
    read: (value, path) => {
      const source = plainObject(value, path)
      const keys = Object.keys(source)
      if (keys.length > max) return fail(path, `at most ${max} keys`)
      return Object.fromEntries(keys.map((key) => [key, inner.read(source[key], `${path}.${key}`)]))
    },
  }
}

/** An object with exactly these keys. */
export function struct<S extends Record<string, Codec<unknown>>>(
  shape: S,
): Codec<{ readonly [K in keyof S]: Decoded<S[K]> }> {
  const keys = Object.keys(shape)
  return {
    read: (value, path) => {
      const source = plainObject(value, path)
      const out: Record<string, unknown> = {}
      for (const key of keys) out[key] = (shape[key] as Codec<unknown>).read(source[key], `${path}.${key}`)
      if (Object.keys(source).length !== keys.length) {
        const extra = Object.keys(source).find((key) => !(key in shape))
        fail(path, extra === undefined ? 'all keys' : `no key ${JSON.stringify(extra.slice(0, 64))}`)
      }
      return out as { readonly [K in keyof S]: Decoded<S[K]> }
    },
  }
}

/** A union of objects told apart by the text in `tag`. */
export function tagged<Tag extends string, T extends { readonly [K in Tag]: string }>(
  tag: Tag,
  variants: { readonly [K in T[Tag]]: Codec<Extract<T, { readonly [P in Tag]: K }>> },
): Codec<T> {
  return {
    read: (value, path) => {
      const source = plainObject(value, path)
      const kind = source[tag]
      if (typeof kind !== 'string' || !Object.hasOwn(variants, kind))
        return fail(`${path}.${tag}`, 'a known kind')
      return (variants as Record<string, Codec<T>>)[kind]!.read(value, path)
    },
  }
}

function plainObject(value: unknown, path: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value) || value instanceof Uint8Array) {
    return fail(path, 'a map')
  }
  return value as Record<string, unknown>
}

/** Canonical CBOR: equal values give equal bytes (sorted keys, shortest forms, no floats where integers do). */
export function encodeCanonical(value: object): Uint8Array {
  return cborEncode(value)
}

/** Validates a tree that was decoded before, for example what a store loaded. Throws `CodecError`. */
export function decodeTree<T>(codec: Codec<T>, tree: unknown): T {
  return codec.read(tree, '')
}

/** Strict decode and validation. Throws `CodecError` for anything else than canonical bytes of `codec`'s type. */
export function decodeStrict<T>(codec: Codec<T>, encoded: Uint8Array): T {
  let tree: unknown
  try {
    tree = cborDecode(encoded, {
      strict: true,
      rejectDuplicateMapKeys: true,
      allowIndefinite: false,
      allowUndefined: false,
      allowInfinity: false,
      allowNaN: false,
    })
  } catch (error) {
    throw new CodecError('', `CBOR (${error instanceof Error ? error.message : String(error)})`)
  }
  return codec.read(tree, '')
}
