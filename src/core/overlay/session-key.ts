import type { NodeId } from '../model/ids.ts'

/** One end of a session: who it is and the X25519 public key (hex) of its present start. */
export interface SessionEnd {
  readonly id: NodeId
  readonly key: string
}

/**
 * Names the key of one direction of a pair. It is the `info` of HKDF-SHA-256 over
 * X25519(own key, peer's key) with the network's overlay secret as salt: bound to both identities, both
 * start keys and the direction, so that no key serves two purposes and a restart of either end makes new ones.
 */
export function sessionKeyInfo(sender: SessionEnd, receiver: SessionEnd): string {
  return ['muster/overlay/1', sender.id, sender.key, receiver.id, receiver.key].join('\n')
}

/** Whether text is an X25519 public key in hex. */
export function isOverlayKey(text: string): boolean {
  return /^[0-9a-f]{64}$/.test(text)
}
