import { createCrypto, signedBytes } from '../../src/adapters/crypto.ts'
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

/** Real checks that are remembered: a run with a handful of machines makes fewer. */
const checksMax = 5_000

const checks = new Map<string, { readonly bytes: Uint8Array; readonly genuine: boolean }>()

/**
 * A signature over the same bytes is checked once and not by each machine anew: the answer depends on key and bytes alone.
 * The bytes are encoded and compared every time.
 */
function sharing(crypto: Crypto): Crypto {
  return {
    ...crypto,
    verify: (signer, label, value, signature) => {
      const bytes = signedBytes(label, value)
      const key = `${signer} ${Buffer.from(signature).toString('latin1')}`
      const before = checks.get(key)
      if (before !== undefined && Buffer.compare(before.bytes, bytes) === 0) return before.genuine
      const genuine = crypto.verify(signer, label, value, signature)
      if (checks.size >= checksMax) checks.clear()
      checks.set(key, { bytes, genuine })
      return genuine
    },
  }
}

function identityOf(plan: Pick<Plan, 'seed' | 'crypto'>, name: string): Identity {
  const bytes = seedBytes(plan.seed, name)
  if (plan.crypto === 'real') {
    const identity = identityFromSeed(bytes)
    return { id: identity.nodeId, crypto: sharing(createCrypto({ identity })) }
  }
  const text = [...bytes, ...bytes.slice(0, 12)].map((byte) => alphabet[byte % 58]).join('')
  const id = `12D3KooW${text}`
  return { id, crypto: taggedCrypto(id) }
}
