/** What the hosts' machines have: a default route (that leads nowhere), addresses only, or IPv6 only. */
export type NetworkMode = 'default-route' | 'no-route' | 'ipv6-only'

/** The name of every host's interface to the switch. */
export const hostDevice = 'eth0'

/** Most hosts of one lab: the last octet less the gateway's. */
export const labHostsMax = 200

/** The switch's own addresses, which the default route of `default-route` points to. It forwards nothing. */
export const gateway: { readonly address4: string; readonly address6: string } = {
  address4: '10.77.0.254',
  address6: 'fd77::fe',
}

/** Host n's IPv4 address on the lab's link. */
export function address4Of(index: number): string {
  return `10.77.0.${index}`
}

/** Host n's IPv6 address on the lab's link. */
export function address6Of(index: number): string {
  return `fd77::${index.toString(16)}`
}

/** Host n's MAC address: network faults are told apart by it. Locally administered. */
export function macOf(index: number): string {
  return `02:77:00:00:00:${index.toString(16).padStart(2, '0')}`
}
