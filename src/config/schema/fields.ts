import { z } from 'zod'

// The small types that all blocks share. Everything is optional: a file states only what it means to change.

/** Text of at least one character. */
export function text(description: string, example?: string): z.ZodType<string | undefined> {
  return z
    .string()
    .min(1)
    .optional()
    .meta(describe(description, { examples: example }))
}

/** Text of one shape, named for people by `what`. */
export function pattern(
  expression: RegExp,
  what: string,
  description: string,
  defaultValue?: string,
): z.ZodType<string | undefined> {
  return z
    .string()
    .regex(expression, { error: `expected ${what}` })
    .optional()
    .meta(describe(description, { default: defaultValue }))
}

/** `true` or `false`. */
export function flag(description: string, defaultValue?: boolean): z.ZodType<boolean | undefined> {
  return z
    .boolean()
    .optional()
    .meta(describe(description, { default: defaultValue }))
}

/** A whole number within bounds. */
export function whole(
  minimum: number,
  maximum: number,
  description: string,
  defaultValue?: number,
): z.ZodType<number | undefined> {
  return z
    .int()
    .min(minimum)
    .max(maximum)
    .optional()
    .meta(describe(description, { default: defaultValue }))
}

/** A list of texts. */
export function texts(description: string, example?: readonly string[]): z.ZodType<string[] | undefined> {
  return z
    .array(z.string().min(1))
    .max(1_024)
    .optional()
    .meta(describe(description, { examples: example }))
}

/** One of a fixed set of words. */
export function oneOf<const Word extends string>(
  words: readonly Word[],
  description: string,
  defaultValue?: Word,
): z.ZodType<Word | undefined> {
  return z
    .enum(words)
    .optional()
    .meta(describe(description, { default: defaultValue }))
}

/** A map with free keys whose values end as text: numbers and truth values are meant as they are written. */
export function variables(description: string): z.ZodType<Variables | undefined> {
  return z
    .record(
      z.string(),
      z.union([z.string(), z.number(), z.boolean()], { error: 'expected text or a number' }),
    )
    .optional()
    .meta(describe(description, {}))
}

/** Environment variables as a file states them. */
export type Variables = Record<string, string | number | boolean>

/** A map or list that is kept as it is, because what it means is not ours to check yet. */
export function anything(description: string): z.ZodType {
  return z.unknown().optional().meta(describe(description, {}))
}

/** An absolute path. */
export function path(description: string, defaultValue?: string): z.ZodType<string | undefined> {
  return pattern(/^\/./, 'an absolute path', description, defaultValue)
}

/** A span of time: a whole number and its unit, for example `500ms`, `3s`, `5m` or `1h`. */
export function duration(description: string, defaultMs: number): z.ZodType<string | undefined> {
  const shape = /^[1-9]\d{0,8}(ms|s|m|h)$/
  return pattern(shape, 'a span of time such as 500ms, 3s or 5m', description, formatDuration(defaultMs))
}

const unitsMs: Readonly<Record<string, number>> = { h: 3_600_000, m: 60_000, s: 1_000, ms: 1 }

/** Milliseconds of a span of time that its schema accepted. */
export function durationMs(span: string): number {
  const [, digits, unit] = /^(\d+)(\w+)$/.exec(span) ?? []
  return Number(digits) * (unitsMs[unit ?? ''] ?? Number.NaN)
}

/** The shortest text of a number of milliseconds. */
export function formatDuration(milliseconds: number): string {
  const [unit, size] = Object.entries(unitsMs).find(([, each]) => milliseconds % each === 0) ?? ['ms', 1]
  return `${milliseconds / size}${unit}`
}

/** JSON Schema's annotations, without those that are not there. */
function describe(
  description: string,
  extra: { default?: unknown; examples?: unknown },
): Record<string, unknown> {
  return {
    description,
    ...(extra.default === undefined ? {} : { default: extra.default }),
    ...(extra.examples === undefined ? {} : { examples: [extra.examples] }),
  }
}
