import { join } from 'node:path'
import type { EtcdMember } from '../../core/model/statement.ts'
import { readIfThere } from './disk.ts'
import type { K3sLayout } from './layout.ts'
import type { LocalAnswer } from './local-https.ts'
import { askLocal } from './local-https.ts'

/** k3s' HTTP listener of etcd, which serves the JSON gateway (k3s pkg/etcd, `--listen-client-http-urls`). */
const gatewayPort = 2382

/** etcd of this machine through its JSON gateway, with k3s' own client certificate. */
export class EtcdGateway {
  readonly #layout: K3sLayout
  readonly #base: string

  constructor(layout: K3sLayout, loopback: string) {
    this.#layout = layout
    this.#base = `https://${loopback}:${gatewayPort}/v3`
  }

  /**
   * The member list after a linearizable read: the read waits until this member has applied all that a
   * quorum had committed, so the list that follows is at least as new. Undefined without quorum, for a
   * learner, or where etcd is not there. (The field `linearizable` of the list itself is not in etcd 3.4.)
   */
  async members(): Promise<readonly EtcdMember[] | undefined> {
    const read = await this.#post('/kv/range', { key: 'AA==' })
    if (read?.status !== 200) return undefined
    const answer = await this.#post('/cluster/member/list', {})
    return answer?.status === 200 ? parseMembers(answer.body) : undefined
  }

  /** Removes a member by its hexadecimal id. Resolves with why it was refused, or nothing when it is gone. */
  async remove(memberId: string): Promise<string | undefined> {
    const answer = await this.#post('/cluster/member/remove', { ID: BigInt(`0x${memberId}`).toString() })
    if (answer === undefined) return 'etcd does not answer'
    if (answer.status === 200 || answer.body.includes('member not found')) return undefined
    return answer.body.trim()
  }

  async #post(path: string, body: object): Promise<LocalAnswer | undefined> {
    const directory = join(this.#layout.tls, 'etcd')
    const [ca, cert, key] = await Promise.all(
      ['server-ca.crt', 'client.crt', 'client.key'].map((name) => readIfThere(join(directory, name))),
    )
    if (ca === undefined || cert === undefined || key === undefined) return undefined
    const url = `${this.#base}${path}`
    return askLocal({ url, method: 'POST', body: JSON.stringify(body), ca, cert, key })
  }
}

/** Reads a member list of the JSON gateway; ids come as decimal text, false and empty fields not at all. */
export function parseMembers(body: string): readonly EtcdMember[] | undefined {
  const parsed = JSON.parse(body) as { readonly members?: readonly GatewayMember[] }
  if (!Array.isArray(parsed.members)) return undefined
  return (parsed.members as readonly GatewayMember[])
    .map((member) => ({
      id: BigInt(member.ID ?? '0').toString(16),
      name: member.name ?? '',
      address: new URL(member.peerURLs?.[0] ?? 'https://invalid').hostname.replaceAll(/[[\]]/g, ''),
      learner: member.isLearner === true,
    }))
    .toSorted((a, b) => (a.id < b.id ? -1 : 1))
}

interface GatewayMember {
  readonly ID?: string
  readonly name?: string
  readonly peerURLs?: readonly string[]
  readonly isLearner?: boolean
}
