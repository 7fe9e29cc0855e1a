// Proves that a small network acts on every change at once, and a large one gathers them: the view keeps still for
// its pace and no longer, several records of one node leave as one, and news that others told are told less often.
import { describe, expect, it } from 'vitest'

import { BroadcastQueue } from '../../../src/core/membership/dissemination.ts'
import { PacedNews, PacedView, paceMs } from '../../../src/core/membership/pace.ts'
import { RecordTable } from '../../../src/core/membership/record-table.ts'
import { FakeCrypto, nodeName, recordOf, seeded, signed } from './virtual-network.ts'

function tableOf(members: number): RecordTable {
  const self = nodeName(0)
  const table = new RecordTable(signed(recordOf(self)), new FakeCrypto(self), seeded(1), 0)
  for (let index = 1; index < members; index++) table.offer(signed(recordOf(nodeName(index))), 0)
  return table
}

const progress = (index: number, sequence: number) =>
  signed(recordOf(nodeName(index), { sequence, note: `step ${sequence}` }))

describe('the pace', () => {
  it('is none up to 24 members, and two milliseconds for each one more', () => {
    expect([1, 24, 25, 1_000].map(paceMs)).toEqual([0, 0, 2, 1_952])
  })
})

describe('a paced view', () => {
  it('of a small network shows a change at once', () => {
    const table = tableOf(24)
    const view = new PacedView(table)
    const before = view.of(0)
    table.offer(progress(1, 1), 0)
    expect(view.of(0)).not.toBe(before)
    expect(view.nextDeadline()).toBe(Infinity)
  })

  it('of a large one keeps still until its time, and then shows what is known', () => {
    const table = tableOf(124)
    const view = new PacedView(table)
    const before = view.of(10)
    expect(view.nextDeadline()).toBe(Infinity)
    table.offer(progress(1, 1), 20)
    expect(view.of(209)).toBe(before)
    expect(view.nextDeadline()).toBe(210)
    const after = view.of(210)
    expect(after.members.find(({ record }) => record.nodeId === nodeName(1))?.record.note).toBe('step 1')
    expect(view.nextDeadline()).toBe(Infinity)
  })

  it('names other ways only when somebody came, went or moved', () => {
    const table = tableOf(3)
    const view = new PacedView(table)
    const before = view.ways(0)
    table.offer(progress(1, 1), 0)
    expect(view.ways(0)).toBe(before)
    table.offer(signed(recordOf(nodeName(1), { sequence: 2, endpoints: ['/ip4/10.0.0.9/tcp/1'] })), 0)
    const moved = view.ways(0)
    expect(moved).not.toBe(before)
    table.judge(nodeName(2), 'dead', nodeName(1), 0)
    const died = view.ways(0)
    expect(died).not.toBe(moved)
    table.offer(signed(recordOf(nodeName(7))), 0)
    expect(view.ways(0)).not.toBe(died)
  })
})

describe('own news of a large network', () => {
  it('leave at once, and what follows leaves as one when it is time', () => {
    const news = new PacedNews()
    news.put(progress(0, 1))
    expect(news.take(0, 124)?.record.sequence).toBe(1)
    for (const sequence of [2, 3]) news.put(progress(0, sequence))
    expect(news.take(199, 124)).toBeUndefined()
    expect(news.nextDeadline(124)).toBe(200)
    expect(news.take(200, 124)?.record.sequence).toBe(3)
    expect(news.nextDeadline(124)).toBe(Infinity)
  })
})

describe('news that others told as well', () => {
  const sends = (heard: number): number => {
    const queue = new BroadcastQueue<string>()
    queue.put('subject', 'item', 'source')
    for (let time = 0; time < heard; time++) queue.heardAgain('subject')
    let count = 0
    while (queue.take('target', 1, 6).length > 0) count++
    expect(queue.size).toBe(0)
    return count
  }

  it('are passed on once less for each time', () => {
    expect([0, 1, 4, 6, 9].map(sends)).toEqual([6, 5, 2, 0, 0])
  })
})
