import { createHash } from 'node:crypto'
import type { Etcd } from './etcd.ts'
import { scaled } from './process.ts'

/** What this double keeps of a Node object. */
export interface NodeObject {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
  /** When its kubelet was last heard, in milliseconds since 1970. */
  readonly heartbeat: number
}

const nodePrefix = '/registry/minions/'
const passwordPrefix = '/registry/secrets/kube-system/'
const bootstrapPrefix = '/bootstrap/'
/** Kubelet's lease: renewed each 10 s, given up after 40 s (kube-controller-manager's grace period). */
export const heartbeatMs = 10_000
const graceMs = 40_000

/** The few objects of the API that a bootstrapper looks at, as keys in etcd. */
export class Nodes {
  readonly #etcd: Etcd

  constructor(etcd: Etcd) {
    this.#etcd = etcd
  }

  /** Whether a linearizable read works: the control plane has a quorum and this member is no learner. */
  async answers(): Promise<boolean> {
    const answer = await this.#etcd.call('kv/range', { key: encode('health') }).catch(() => undefined)
    return answer?.status === 200
  }

  /** A Node list in the shape of the API. */
  async list(): Promise<readonly object[]> {
    const members = await this.#etcd.members()
    const nodes = (await this.#range(nodePrefix)).map(([, value]) => JSON.parse(value) as NodeObject)
    return nodes.map((node) => {
      const member = members.find((entry) => (entry.name ?? '').replace(/-[0-9a-f]{8}$/, '') === node.name)
      const ready = Date.now() - node.heartbeat < scaled(graceMs, 3_000)
      const voter =
        member === undefined
          ? []
          : [{ type: 'EtcdIsVoter', status: member.isLearner === true ? 'False' : 'True' }]
      return {
        kind: 'Node',
        metadata: { name: node.name, labels: node.labels, annotations: node.annotations },
        status: { conditions: [{ type: 'Ready', status: ready ? 'True' : 'Unknown' }, ...voter] },
      }
    })
  }

  /** Registers a node, or renews its lease. */
  async heartbeat(
    name: string,
    labels: NodeObject['labels'],
    annotations: NodeObject['annotations'],
  ): Promise<void> {
    await this.#put(nodePrefix + name, JSON.stringify({ name, labels, annotations, heartbeat: Date.now() }))
  }

  /** Deletes a node, its password, and its etcd member (k3s pkg/etcd/member_controller.go). */
  async remove(name: string): Promise<void> {
    for (const member of await this.#etcd.members()) {
      if ((member.name ?? '').replace(/-[0-9a-f]{8}$/, '') !== name) continue
      const answer = await this.#etcd.call('cluster/member/remove', { ID: member.ID })
      if (answer.status !== 200) throw new Error(answer.body)
    }
    await this.#etcd.call('kv/deleterange', { key: encode(nodePrefix + name) })
    await this.#etcd.call('kv/deleterange', { key: encode(`${passwordPrefix}${name}.node-password.k3s`) })
  }

  /** The first password of a name is kept; another one later is refused (k3s pkg/nodepassword). */
  async passwordFits(name: string, password: string): Promise<boolean> {
    const key = `${passwordPrefix}${name}.node-password.k3s`
    const hash = createHash('sha256').update(password).digest('hex')
    const [held] = await this.#range(key)
    if (held === undefined) await this.#put(key, hash)
    return held === undefined || held[1] === hash
  }

  /**
   * The bootstrap key, named by the token: data that were made with another token cannot be read
   * (k3s pkg/cluster/storage.go). Returns false for a wrong token.
   */
  async tokenFits(password: string): Promise<boolean> {
    const key = bootstrapPrefix + createHash('sha256').update(password).digest('hex').slice(0, 12)
    const keys = (await this.#range(bootstrapPrefix)).map(([name]) => name)
    if (keys.length === 0) await this.#put(key, 'present')
    return keys.length === 0 || keys.includes(key)
  }

  async #range(prefix: string): Promise<readonly (readonly [string, string])[]> {
    const last = prefix.slice(0, -1) + String.fromCharCode(prefix.charCodeAt(prefix.length - 1) + 1)
    const answer = await this.#etcd.call('kv/range', { key: encode(prefix), range_end: encode(last) })
    if (answer.status !== 200) throw new Error(answer.body)
    const { kvs = [] } = JSON.parse(answer.body) as {
      readonly kvs?: readonly { readonly key: string; readonly value?: string }[]
    }
    return kvs.map(({ key, value = '' }) => [decode(key), decode(value)] as const)
  }

  async #put(key: string, value: string): Promise<void> {
    const answer = await this.#etcd.call('kv/put', { key: encode(key), value: encode(value) })
    if (answer.status !== 200) throw new Error(answer.body)
  }
}

function encode(text: string): string {
  return Buffer.from(text).toString('base64')
}

function decode(text: string): string {
  return Buffer.from(text, 'base64').toString('utf8')
}
