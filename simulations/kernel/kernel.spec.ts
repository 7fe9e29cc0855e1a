// Proves that virtual time runs what is planned in its order, and that each part of a world draws from a stream of its own.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { EventHeap } from './heap.ts'
import { exponential, seedBytes, stream } from './streams.ts'
import { Timeline } from './timeline.ts'

describe('the heap of events', () => {
  it('gives back by time, and at one moment in the order of planning, whatever is put in and taken out between', () => {
    const step = fc.option(fc.integer({ min: 0, max: 20 }), { nil: undefined })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 1_500 }), (steps) => {
        const heap = new EventHeap()
        const model: { time: number; order: number }[] = []
        for (const [order, time] of steps.entries()) {
          if (time === undefined) {
            model.sort((a, b) => a.time - b.time || a.order - b.order)
            expect(heap.nextTime).toBe(model[0]?.time ?? Number.POSITIVE_INFINITY)
            expect(heap.pop()).toBe(model.shift()?.order ?? -1)
          } else {
            heap.push(time, order, order)
            model.push({ time, order })
          }
          expect(heap.size).toBe(model.length)
        }
      }),
    )
  })
})

describe('the timeline', () => {
  it('runs at one moment what was planned first, and what has passed at once, but after that', () => {
    const timeline = new Timeline()
    const ran: string[] = []
    timeline.at(5, () => {
      ran.push('first')
      timeline.at(1, () => ran.push('passed'))
    })
    timeline.at(5, () => ran.push('second'))
    timeline.at(7, () => ran.push('late'))
    while (timeline.step(6));
    expect(ran).toEqual(['first', 'second', 'passed'])
    expect(timeline.now).toBe(6)
    expect(timeline.step(6)).toBe(false)
    expect(timeline.step(7)).toBe(true)
    expect(timeline.count).toBe(4)
  })
})

describe('streams', () => {
  it('depend on the seed and the name alone', () => {
    const draw = (seed: number, name: string): number[] => {
      const random = stream(seed, name)
      return Array.from({ length: 4 }, () => random.unit())
    }
    const before = draw(7, 'network')
    // What another part draws changes nothing here.
    draw(7, 'disk')
    expect(draw(7, 'network')).toEqual(before)
    const others = [draw(7, 'disk'), draw(8, 'network'), draw(7 + 2 ** 32, 'network')]
    for (const other of others) expect(other).not.toEqual(before)
    expect(new Set([1, 2, 3].map((seed) => Buffer.from(seedBytes(seed, 'x')).toString('hex'))).size).toBe(3)
  })

  it('draw exponential times with the mean that is asked for', () => {
    const random = stream(1, 'times')
    const times = Array.from({ length: 20_000 }, () => exponential(random, 50))
    expect(Math.min(...times)).toBeGreaterThanOrEqual(0)
    expect(times.reduce((sum, time) => sum + time, 0) / times.length).toBeCloseTo(50, -1)
  })
})
