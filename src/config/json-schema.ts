import { z } from 'zod'
import { rootSchema } from './schema/root.ts'

/** The part of JSON Schema that this project writes and reads. */
export interface JsonSchema {
  readonly $id?: string
  readonly type?: string
  readonly description?: string
  readonly default?: unknown
  readonly examples?: readonly unknown[]
  readonly enum?: readonly unknown[]
  readonly minimum?: number
  readonly maximum?: number
  readonly properties?: Readonly<Record<string, JsonSchema>>
  readonly items?: JsonSchema
  readonly additionalProperties?: JsonSchema | boolean
  readonly anyOf?: readonly JsonSchema[]
}

/** Raised when a file that was valid before may be invalid now. */
export const schemaVersion = 1

let cached: JsonSchema | undefined

/** JSON Schema (2020-12) of a configuration file, for editors and other tools. Do not change what it returns. */
export function configSchema(): JsonSchema {
  cached ??= {
    $id: `urn:muster:config:v${schemaVersion}`,
    title: 'muster configuration',
    ...z.toJSONSchema(rootSchema, { io: 'input' }),
  } as JsonSchema
  return cached
}

/** The schema at a path, or undefined where none is known. */
export function schemaAt(
  path: readonly PropertyKey[],
  root: JsonSchema = configSchema(),
): JsonSchema | undefined {
  let current: JsonSchema | undefined = root
  for (const step of path) {
    if (current === undefined) return undefined
    const additional: JsonSchema['additionalProperties'] = current.additionalProperties
    current =
      current.properties?.[String(step)] ??
      (typeof step === 'number' ? current.items : undefined) ??
      (typeof additional === 'object' ? additional : undefined)
  }
  return current
}

/** All dotted keys that are declared with a name of their own, with their schemas, in the order of the schema. */
export function declaredKeys(
  schema: JsonSchema = configSchema(),
  prefix = '',
): readonly { readonly key: string; readonly schema: JsonSchema }[] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, child]) => {
    const key = prefix === '' ? name : `${prefix}.${name}`
    return [{ key, schema: child }, ...declaredKeys(child, key)]
  })
}
