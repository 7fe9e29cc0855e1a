import type { Crypto } from './crypto.ts'
import type { Hash } from './ids.ts'
import type { PlanBody, PlanHeader } from './plan.ts'

/** Plans are immutable and are asked for their hash again and again: each is digested once. */
const known = new WeakMap<PlanHeader | PlanBody, { readonly digest: Crypto['digest']; readonly hash: Hash }>()

/** The hash that names a plan: the digest of its header, which holds the digest of its body. */
export function planHash(header: PlanHeader, crypto: Crypto): Hash {
  return digestOnce('muster/plan-header/1', header, crypto)
}

/** The digest of a plan's body, as its header states it. */
export function bodyHash(body: PlanBody, crypto: Crypto): Hash {
  return digestOnce('muster/plan-body/1', body, crypto)
}

function digestOnce(label: string, value: PlanHeader | PlanBody, crypto: Crypto): Hash {
  const before = known.get(value)
  if (before?.digest === crypto.digest) return before.hash
  const hash = crypto.digest(label, value)
  known.set(value, { digest: crypto.digest, hash })
  return hash
}
