/** How machines get an IPv4 address: from the switch's own DHCP server, or by themselves (RFC 3927). */
export type VmNetworkMode = 'dhcp' | 'link-local'

/** Most machines of one lab. */
export const machinesMax = 50

/** The switch's own address, as a DHCP server. It forwards nothing and answers nothing else. */
export const serverAddress4 = '10.78.0.254'

export const serverMac = '02:78:00:00:00:fe'

/** Machine n's IPv4 address where the switch gives it one. */
export function leaseOf(index: number): string {
  return `10.78.0.${index}`
}

/** Machine n's MAC address. Locally administered. */
export function machineMac(index: number): string {
  return `02:78:00:00:00:${index.toString(16).padStart(2, '0')}`
}

/** The six bytes of `02:78:00:00:00:01`. */
export function macBytes(mac: string): Buffer {
  return Buffer.from(mac.replaceAll(':', ''), 'hex')
}
