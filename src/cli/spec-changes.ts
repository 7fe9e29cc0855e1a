import type { ClusterSpec } from '../core/model/spec.ts'
import { usage } from './arguments.ts'

/** One key that differs between two specs. */
export interface SpecChange {
  readonly key: string
  readonly from: unknown
  readonly to: unknown
}

/** Every key in which two plain trees differ, dotted and sorted. Lists are compared whole. */
export function specChanges(from: unknown, to: unknown, prefix = ''): SpecChange[] {
  if (isTree(from) && isTree(to)) {
    const keys = [...new Set([...Object.keys(from), ...Object.keys(to)])].toSorted()
    return keys.flatMap((key) => specChanges(from[key], to[key], prefix === '' ? key : `${prefix}.${key}`))
  }
  return JSON.stringify(from) === JSON.stringify(to) ? [] : [{ key: prefix, from, to }]
}

/**
 * The spec with `key=value` settings applied; keys are dotted, values are YAML (`5`, `[traefik]`). Throws
 * ERR_USAGE for a key that the spec does not have. Values are checked by whoever reads the result.
 */
export function withSettings(
  spec: ClusterSpec,
  settings: readonly string[],
  parse: (text: string) => unknown,
): unknown {
  const changed = structuredClone(spec) as unknown
  for (const setting of settings) {
    const [, key = '', text = ''] = /^([A-Za-z0-9.-]+)=(.*)$/s.exec(setting) ?? []
    if (key === '') throw usage(`'${setting}' is no setting: write KEY=VALUE`)
    const path = key.split('.')
    const last = path.pop() ?? ''
    let at = changed
    for (const step of path) at = isTree(at) && Object.hasOwn(at, step) ? at[step] : undefined
    // Flags of k3s have free names; all other keys are there already.
    const isFree = path.at(-1) === 'serverArgs' || path.at(-1) === 'agentArgs'
    if (!isTree(at) || !(isFree || Object.hasOwn(at, last))) throw usage(`the spec has no key '${key}'`)
    at[last] = parse(text)
  }
  return changed
}

function isTree(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
