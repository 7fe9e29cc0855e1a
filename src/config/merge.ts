import type { Located, LocatedEntry, LocatedMap } from './positions.ts'
import { join } from './positions.ts'
import type { Position } from './diagnostics.ts'

/**
 * Lays one file over another, as the cloud-config directories do: maps are merged key by key, everything else
 * (lists too) is replaced by the later file. A key without a value says nothing and replaces nothing.
 */
export function mergeLocated(base: LocatedMap, over: LocatedMap): LocatedMap {
  const entries = new Map<string, LocatedEntry>(base.entries)
  for (const [key, entry] of over.entries) {
    const former = entries.get(key)
    if (former === undefined) entries.set(key, entry)
    else if (former.value.kind === 'map' && entry.value.kind === 'map') {
      entries.set(key, { at: entry.at, value: mergeLocated(former.value, entry.value) })
    } else if (!isEmpty(entry.value)) entries.set(key, entry)
  }
  return { kind: 'map', at: over.at, entries }
}

function isEmpty(value: Located): boolean {
  return value.kind === 'scalar' && value.value === null
}

/** Where each value of a merged configuration came from: dotted key of a scalar or a list, to the place of its key. */
export function originsOf(root: LocatedMap): ReadonlyMap<string, Position> {
  const origins = new Map<string, Position>()
  const visit = (map: LocatedMap, path: string): void => {
    for (const [key, { at, value }] of map.entries) {
      const dotted = join(path, key)
      if (value.kind === 'map') visit(value, dotted)
      else origins.set(dotted, at)
    }
  }
  visit(root, '')
  return origins
}
