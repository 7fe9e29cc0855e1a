import type { Lab } from '../../src/lab/lab.ts'

// What a host sends beside the overlay's UDP port, in which k3s and etcd speak: TCP of the agent's port with its
// acknowledgements, and all multicast. Lengths are those of IP packets, without the frame of Ethernet. The
// overlay's own handshakes are inside of its port and not counted.

const rules = `add table inet bench
add counter inet bench control
add chain inet bench out { type filter hook output priority 0; }
add rule inet bench out oifname != eth0 accept
add rule inet bench out tcp sport 4710 counter name control accept
add rule inet bench out tcp dport 4710 counter name control accept
add rule inet bench out ip daddr 224.0.0.0/4 counter name control accept
add rule inet bench out ip6 daddr ff00::/8 counter name control accept
add rule inet bench out udp dport != 4711 counter name control accept
`

/** Begins to count on every host. Throws where nftables refuses. */
export async function countControl(lab: Lab): Promise<void> {
  for (const { name } of lab.hosts) {
    const { code, stderr } = await lab.exec(name, ['nft', '-f', '-'], rules)
    if (code !== 0) throw new Error(`${name}: nft: ${stderr}`)
  }
}

/** Bytes of control traffic that each host has sent since, in the order of the hosts. */
export async function controlBytes(lab: Lab): Promise<number[]> {
  return Promise.all(
    lab.hosts.map(async ({ name }) => {
      const { stdout } = await lab.exec(name, ['nft', '-j', 'list', 'counter', 'inet', 'bench', 'control'])
      const bytes = /"bytes": ?(\d+)/.exec(stdout)?.[1]
      if (bytes === undefined) throw new Error(`${name}: nothing was counted: ${stdout}`)
      return Number(bytes)
    }),
  )
}
