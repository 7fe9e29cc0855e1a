import { createCrypto } from '../../src/adapters/crypto.ts'
import { identityFromSeed } from '../../src/adapters/crypto/identity.ts'
import type { Crypto } from '../../src/core/model/crypto.ts'
import type { NodeId } from '../../src/core/model/ids.ts'
import type { Plan } from '../plan/plan.ts'
import { seedBytes } from '../kernel/streams.ts'
import { taggedCrypto } from './tagged-crypto.ts'

/** A key, as it lies on a disk. */
export interface Identity {
  readonly id: NodeId
  readonly crypto: Crypto
}

const alphabet = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz'

/** The key that a machine makes on its `life`-th empty disk. */
export function makeIdentity(plan: Pick<Plan, 'seed' | 'crypto'>, index: number, life: number): Identity {
  return identityOf(plan, `identity/${index}/${life}`)
}

/** The operator's key: its id is what the token holds. */
export function makeOperator(plan: Pick<Plan, 'seed' | 'crypto'>): Identity {
  if (plan.crypto === 'tagged') {
    const id = Buffer.from(seedBytes(plan.seed, 'operator')).toString('hex')
    return { id, crypto: taggedCrypto(id) }
  }
  const identity = identityFromSeed(seedBytes(plan.seed, 'operator'))
  return { id: Buffer.from(identity.publicKeyRaw).toString('hex'), crypto: createCrypto({ identity }) }
}

function identityOf(plan: Pick<Plan, 'seed' | 'crypto'>, name: string): Identity {
  const bytes = seedBytes(plan.seed, name)
  if (plan.crypto === 'real') {
    const identity = identityFromSeed(bytes)
    return { id: identity.nodeId, crypto: createCrypto({ identity }) }
  }
  const text = [...bytes, ...bytes.slice(0, 12)].map((byte) => alphabet[byte % 58]).join('')
  const id = `12D3KooW${text}`
  return { id, crypto: taggedCrypto(id) }
}
