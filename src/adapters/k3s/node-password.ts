import { hkdfSync } from 'node:crypto'

/** Where k3s keeps what proves that a node is the one that registered under its name. */
export const nodePasswordPath = '/etc/rancher/node/password'

/**
 * The password of a node, 32 hex digits as k3s itself makes them, from the seed of its identity. k3s refuses a node
 * that comes back under its name with another password (403, "Node password rejected"): one that is derived is the
 * same after its disk of k3s was wiped, and goes with the identity, as the node's name does.
 */
export function nodePasswordOf(seed: Uint8Array): string {
  return Buffer.from(hkdfSync('sha256', seed, 'muster/identity/1', 'k3s node password', 16)).toString('hex')
}
