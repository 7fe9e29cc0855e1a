import type { Crypto } from '../model/crypto.ts'
import type { ClusterSpec } from '../model/spec.ts'

/** Digest of each key of a spec, so that nodes can say which keys differ without sending the whole spec. */
export function specKeyDigests(spec: ClusterSpec, crypto: Crypto): Readonly<Record<string, string>> {
  const digest = (value: unknown): string =>
    crypto.digest('muster/spec-key/1', { value } as object).slice(0, 16)
  const digests: Record<string, string> = {
    controlPlane: digest(spec.controlPlane),
    'addresses.ipv4': digest(spec.addresses.ipv4),
  }
  for (const [key, value] of Object.entries(spec.k3s)) digests[`k3s.${key}`] = digest(value)
  for (const [key, value] of Object.entries(spec.timers)) digests[`timers.${key}`] = digest(value)
  return digests
}
