// Proves that membership machines find one common view and keep it, in a seeded virtual network with loss,
// cuts, deaths and slow nodes; and that an idle network says next to nothing.
import { describe, expect, it } from 'vitest'

import { nodeName, VirtualNetwork } from './virtual-network.ts'

describe('a network of membership machines', () => {
  it.each([1, 2, 3, 5, 8, 13, 21, 34, 50])('of %i nodes that met in a chain knows itself whole', (count) => {
    const network = VirtualNetwork.ofSize(count, count)
    expect(network.runUntil(() => network.converged(), 20_000)).toBe(true)
    network.run(60_000)
    expect(network.converged()).toBe(true)
    expect(network.deaths).toEqual([])
    expect(network.misconduct).toEqual([])
    expect(network.clones).toEqual([])
  })

  it.each([2, 5, 20])('of %i nodes converges although every fifth message is lost', (count) => {
    const network = VirtualNetwork.ofSize(count, 100 + count, 0.2)
    expect(network.runUntil(() => network.converged(), 120_000)).toBe(true)
    network.run(300_000)
    expect(network.deaths).toEqual([])
    expect(network.runUntil(() => network.converged(), 60_000)).toBe(true)
  })

  it.each([2, 3, 5, 20, 50])('of %i nodes finds out that one is dead, and that it came back', (count) => {
    const network = VirtualNetwork.ofSize(count, 200 + count)
    expect(network.runUntil(() => network.converged(), 20_000)).toBe(true)
    network.kill(nodeName(0))
    expect(network.runUntil(() => network.converged(), 120_000)).toBe(true)
    expect(new Set(network.deaths.map((death) => death.subject))).toEqual(new Set([nodeName(0)]))
    network.run(600_000)
    const before = network.deaths.length
    network.host(nodeName(0)).up = true
    network.act(nodeName(0), (membership) => membership.handleDeadline(network.now))
    expect(network.runUntil(() => network.converged(), 90_000)).toBe(true)
    expect(network.deaths.length).toBe(before)
  })

  it.each([
    [4, 1],
    [5, 2],
    [20, 10],
    [50, 20],
  ])('of %i nodes, %i of them cut off, is whole again after the cut', (count, smaller) => {
    const network = VirtualNetwork.ofSize(count, 300 + count)
    expect(network.runUntil(() => network.converged(), 20_000)).toBe(true)
    network.cut((id) => (id < nodeName(smaller) ? 0 : 1))
    network.run(300_000)
    for (const host of network.hosts.values()) {
      const side = host.id < nodeName(smaller) ? smaller : count - smaller
      const alive = host.machine.view().members.filter((member) => member.liveness === 'alive')
      expect(alive.length).toBe(side)
    }
    network.deaths.length = 0
    network.heal()
    expect(network.runUntil(() => network.converged(), 60_000)).toBe(true)
    network.run(60_000)
    expect(network.converged()).toBe(true)
    expect(network.deaths).toEqual([])
  })

  it('does not bury a slow node, nor does a slow node bury the others', () => {
    const network = VirtualNetwork.ofSize(10, 400)
    expect(network.runUntil(() => network.converged(), 20_000)).toBe(true)
    network.host(nodeName(3)).slowMs = 1_500
    network.run(600_000)
    expect(network.deaths).toEqual([])
    network.host(nodeName(3)).slowMs = 0
    expect(network.runUntil(() => network.converged(), 30_000)).toBe(true)
  })

  it('forgives its members the time in which it did not run itself', () => {
    const network = VirtualNetwork.ofSize(3, 410)
    expect(network.runUntil(() => network.converged(), 20_000)).toBe(true)
    const frozen = network.host(nodeName(1))
    frozen.up = false
    network.run(60_000)
    frozen.up = true
    network.deaths.length = 0
    network.act(frozen.id, (membership) => membership.handleDeadline(network.now))
    network.run(30_000)
    expect(network.deaths.filter((death) => death.observer === frozen.id)).toEqual([])
    expect(network.converged()).toBe(true)
  })

  it('says goodbye: a node that leaves is neither suspected nor probed', () => {
    const network = VirtualNetwork.ofSize(5, 420)
    expect(network.runUntil(() => network.converged(), 20_000)).toBe(true)
    network.act(nodeName(2), (membership) => membership.update({ left: true }, network.now))
    network.run(20)
    network.kill(nodeName(2))
    network.run(1_000)
    let probes = 0
    network.onSend = (_from, to) => {
      if (to === nodeName(2)) probes++
    }
    network.run(120_000)
    expect(probes).toBe(0)
    expect(network.deaths).toEqual([])
    for (const host of network.hosts.values()) {
      if (host.up) expect(host.machine.member(nodeName(2))?.liveness).toBe('left')
    }
  })

  it('gives the same log for the same seed, and another for another', () => {
    const run = (seed: number): string[] => {
      const network = VirtualNetwork.ofSize(12, seed, 0.1)
      network.run(30_000)
      network.kill(nodeName(4))
      network.run(60_000)
      return network.log
    }
    expect(run(1)).toEqual(run(1))
    expect(run(1)).not.toEqual(run(2))
  })
})

describe('traffic', () => {
  it('of five idle nodes is a ping and its ack a second, and a digest in thirty', () => {
    const network = VirtualNetwork.ofSize(5, 500)
    network.run(60_000)
    network.sent.clear()
    network.run(300_000)
    // Each node: 300 pings and 300 acks, 10 digests or so, all unanswered.
    expect(network.sent.get('ping')).toBeLessThanOrEqual(5 * 301)
    expect(network.sent.get('ack')).toBeLessThanOrEqual(5 * 301)
    expect(network.sent.get('digest')).toBeLessThanOrEqual(5 * 12)
    expect([...network.sent.keys()].toSorted()).toEqual(['ack', 'digest', 'ping'])
    // With 50 bytes of content and 100 of framing: sent and received under 5 kbit/s.
    expect((2 * 8 * 150 * network.messages()) / 5 / 300).toBeLessThan(8_000)
  })

  it('of a change is bounded: every node passes it on a few times', () => {
    const network = VirtualNetwork.ofSize(20, 510)
    network.run(60_000)
    network.sent.clear()
    network.act(nodeName(7), (membership) => membership.update({ note: 'pulling images' }, network.now))
    network.run(3_000)
    for (const host of network.hosts.values()) {
      expect(host.machine.member(nodeName(7))?.record.note).toBe('pulling images')
    }
    // 4·log10(21), rounded up, is 6 for each of the 20.
    expect(network.sent.get('gossip')).toBeLessThanOrEqual(20 * 6)
  })

  it('of anti-entropy carries no record and no version while tables are equal', () => {
    const network = VirtualNetwork.ofSize(6, 520)
    network.run(60_000)
    let digests = 0
    network.onSend = (_from, _to, message) => {
      expect(['ping', 'ack', 'digest']).toContain(message.kind)
      if (message.kind !== 'digest') return
      digests++
      expect(message.versions).toEqual([])
      expect(message.ask).toBe(true)
    }
    network.run(120_000)
    expect(digests).toBeGreaterThan(10)
  })
})
