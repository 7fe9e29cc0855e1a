// Proves that links come back after an outage longer than libp2p's own patience (31 s), with the product's own times.
import { setTimeout as delay } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { canNetns, createNetLab } from '../../support/netns.ts'
import { only, startHost } from './host.ts'

it.skipIf(!canNetns)(
  'links come back after 45 s without a network (skipped without root and network namespaces)',
  async () => {
    const plans = [1, 2].map((n) => ({ ipv4: `10.9.0.${n}/24`, linkLocal: false }))
    await using lab = await createNetLab('muster-outage', plans)
    const init = { discovery: only('none'), staticPeers: ['/ip4/10.9.0.1/tcp/4710'] }
    const [a, b] = await Promise.all([startHost(lab.host(0), 0, init), startHost(lab.host(1), 1, init)])
    await Promise.all([a.event('peer-up'), b.event('peer-up')])
    lab.setReachable(1, false)
    await Promise.all([delay(45_000), a.event('peer-down', undefined, 40_000)])
    const from = b.process.lines.length
    lab.setReachable(1, true)
    await b.event('peer-up', undefined, 45_000, from)
    b.tell({ do: 'send', to: a.id, message: { kind: 'ping', nonce: 8, claims: [] } })
    expect(await a.event('message')).toMatchObject({ from: b.id, message: { nonce: 8 } })
  },
)
