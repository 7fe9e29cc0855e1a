import { namesIn, readIfThere, writeWhole } from './rooted-files.ts'

const mark = '# Written by muster from what DHCP and router advertisements said.'
const path = '/etc/resolv.conf'
const linkStates = '/run/systemd/netif/links'

/** resolv.conf(5) allows no more. */
const serversMax = 3

/**
 * Writes the name servers that networkd learned to /etc/resolv.conf: the image has no resolver of its own. A file that
 * the configuration wrote, or an image with systemd-resolved, is left alone. Returns the servers.
 */
export function placeNameServers(root: string): readonly string[] {
  const present = readIfThere(root, path) ?? ''
  if (present.trim() !== '' && !present.startsWith(mark)) return []
  const states = namesIn(root, linkStates).map((name) => readIfThere(root, `${linkStates}/${name}`) ?? '')
  const values = (key: string): string[] =>
    states.flatMap(
      (state) => new RegExp(`^${key}=(.*)$`, 'm').exec(state)?.[1]?.split(' ').filter(Boolean) ?? [],
    )
  const servers = [...new Set(values('DNS'))].slice(0, serversMax)
  if (servers.length === 0) return []
  const domains = [...new Set(values('DOMAINS'))].filter((domain) => !domain.startsWith('~'))
  const lines = [
    mark,
    ...(domains.length === 0 ? [] : [`search ${domains.join(' ')}`]),
    ...servers.map((server) => `nameserver ${server}`),
  ]
  const text = `${lines.join('\n')}\n`
  if (text !== present) writeWhole(root, path, text, { mode: 0o644 })
  return servers
}
