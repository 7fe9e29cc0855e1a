import { createHash } from 'node:crypto'
import { Fatal } from './process.ts'

/** The parts of a join token (k3s pkg/clientaccess/token.go). */
export interface Token {
  readonly caHash: string
  readonly user: string
  readonly password: string
}

/** Reads a short token (a password) or a full one (`K10<hash>::<user>:<password>`). */
export function parseToken(token: string, userOtherwise: 'server' | 'node'): Token {
  if (token === '') throw new Fatal('token is required to join a cluster')
  if (!token.startsWith('K10')) return { caHash: '', user: userOtherwise, password: token }
  const match = /^K10([0-9a-f]{64})::([^:]+):(.+)$/.exec(token)
  if (match === null) throw new Fatal('invalid token format')
  const [, caHash = '', user = '', password = ''] = match
  return { caHash, user, password }
}

/** k3s' hash of a CA file with one certificate. */
export function caHashOf(pem: string): string {
  return createHash('sha256').update(pem).digest('hex')
}

/** Refuses a server whose CA is not the one that the token names. */
export function checkCa(token: Token, cacerts: string): void {
  const actual = caHashOf(cacerts)
  if (token.caHash !== '' && token.caHash !== actual) {
    throw new Fatal(
      `token CA hash does not match the Cluster CA certificate hash: ${token.caHash} != ${actual}`,
    )
  }
}

/** The Authorization header of a token. */
export function basicAuth({ user, password }: Pick<Token, 'user' | 'password'>): string {
  return `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`
}
