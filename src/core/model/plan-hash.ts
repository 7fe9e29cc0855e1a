import type { Crypto } from './crypto.ts'
import type { Hash } from './ids.ts'
import type { PlanBody, PlanHeader } from './plan.ts'

/** The hash that names a plan: the digest of its header, which holds the digest of its body. */
export function planHash(header: PlanHeader, crypto: Crypto): Hash {
  return crypto.digest('muster/plan-header/1', header)
}

/** The digest of a plan's body, as its header states it. */
export function bodyHash(body: PlanBody, crypto: Crypto): Hash {
  return crypto.digest('muster/plan-body/1', body)
}
