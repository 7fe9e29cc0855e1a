import type { Crypto } from '../model/crypto.ts'
import type { ClusterPlan } from '../model/plan.ts'
import type { ClusterSpec } from '../model/spec.ts'
import type { SignedStatement } from '../model/statement.ts'
import type { SignedOf } from './evidence.ts'
import { statementsOf } from './evidence.ts'

/** Whether a spec may follow another in a running cluster. */
export type SpecVerdict =
  | { readonly allowed: true }
  | { readonly allowed: false; readonly keys: readonly string[]; readonly message: string }

/** Keys that the charter freezes: addresses are handed out, and k3s refuses servers that differ in the others. */
const frozenKeys: readonly (readonly [key: string, read: (spec: ClusterSpec) => string])[] = [
  ['addresses.ipv4', (spec) => spec.addresses.ipv4],
  ['k3s.clusterCidr', (spec) => spec.k3s.clusterCidr],
  ['k3s.serviceCidr', (spec) => spec.k3s.serviceCidr],
  ['k3s.clusterDns', (spec) => spec.k3s.clusterDns],
  ['k3s.clusterDomain', (spec) => spec.k3s.clusterDomain],
  ['k3s.flannelBackend', (spec) => spec.k3s.flannelBackend],
]

/** Compares the keys that cannot change after the charter. */
export function checkSpecChange(current: ClusterSpec, wanted: ClusterSpec): SpecVerdict {
  const changed = frozenKeys.filter(([, read]) => read(current) !== read(wanted))
  if (changed.length === 0) return { allowed: true }
  const detail = changed.map(([key, read]) => `${key} is ${read(current)} and cannot become ${read(wanted)}`)
  return {
    allowed: false,
    keys: changed.map(([key]) => key),
    message: `${detail.join('; ')}: the charter fixed it for this cluster`,
  }
}

/** Digest of a spec, to compare two of them. */
export function specDigest(spec: ClusterSpec, crypto: Crypto): string {
  return crypto.digest('muster/spec/1', spec)
}

/** The operator's newest order that the plan has not carried out, and the reasons why others are passed over. */
export function pendingSpec(
  parent: ClusterPlan,
  statements: readonly SignedStatement[],
): { readonly order: SignedOf<'spec'> | undefined; readonly reasons: readonly string[] } {
  const { operatorKey, operatorSerial, spec } = parent.body
  const reasons: string[] = []
  const fresh = statementsOf(statements, 'spec', parent.header)
    .filter(({ signer, statement }) => signer === operatorKey && statement.serial > operatorSerial)
    .filter(({ statement }) => {
      const verdict = checkSpecChange(spec, statement.spec)
      if (!verdict.allowed)
        reasons.push(`The operator's order ${statement.serial} is refused: ${verdict.message}.`)
      return verdict.allowed
    })
    .toSorted((a, b) => b.statement.serial - a.statement.serial)
  return { order: operatorKey === 'none' ? undefined : fresh[0], reasons }
}
