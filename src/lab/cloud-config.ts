/** What the one file that all hosts share should say. */
export interface CloudConfigWishes {
  readonly token: string
  readonly expect: number
  readonly controlPlane: number
  readonly mdns: boolean
  /** Addresses to ask first, for example `10.77.0.1`. */
  readonly peers: readonly string[]
}

/** The cloud-config of a lab, the same for every host. */
export function labCloudConfig(wishes: CloudConfigWishes): string {
  const discovery = wishes.mdns ? '' : '  discovery:\n    mdns: false\n    beacon: false\n'
  const peers = wishes.peers.length === 0 ? '' : `  peers: [${wishes.peers.join(', ')}]\n`
  return `#cloud-config
# The same file on every machine of this lab.
muster:
  token: ${wishes.token}
  bootstrap:
    expect: ${wishes.expect}
  control_plane: ${wishes.controlPlane}
${discovery}${peers}`
}
