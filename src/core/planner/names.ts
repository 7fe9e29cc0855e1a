import type { NodeId } from '../model/ids.ts'

/** Room for `-` and a suffix within the 63 characters of an RFC 1123 label. */
const slugMax = 50

/** Names that many machines have before anybody named them: never unique for long. */
const namelessHosts: readonly string[] = ['localhost', 'localhost-localdomain', 'node']

/** A hostname as an RFC 1123 label: lower case, letters, digits and inner dashes. */
export function hostnameSlug(hostname: string): string {
  const slug = hostname
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .slice(0, slugMax)
    .replaceAll(/^-+|-+$/g, '')
  return slug === '' ? 'node' : slug
}

/**
 * The name of a node for life: its hostname's slug where nobody else has or wants it, else with the end of
 * its id, as much of it as makes the name unique.
 * @param contested slugs that two or more known machines have
 * @param taken names that other nodes have or had
 */
export function nodeName(
  id: NodeId,
  hostname: string,
  contested: ReadonlySet<string>,
  taken: ReadonlySet<string>,
): string {
  const slug = hostnameSlug(hostname)
  if (!namelessHosts.includes(slug) && !contested.has(slug) && !taken.has(slug)) return slug
  const tail = id.toLowerCase()
  for (let length = 8; length < tail.length; length++) {
    const name = `${slug.slice(0, 62 - length)}-${tail.slice(-length)}`
    if (!taken.has(name)) return name
  }
  return `node-${tail}`.slice(0, 63)
}

/** Slugs that more than one of these machines have. */
export function contestedSlugs(hostnames: readonly string[]): ReadonlySet<string> {
  const seen = new Set<string>()
  const contested = new Set<string>()
  for (const hostname of hostnames) {
    const slug = hostnameSlug(hostname)
    if (seen.has(slug)) contested.add(slug)
    seen.add(slug)
  }
  return contested
}
