// Proves the parts of the page that need no browser: windows of time, searches, and what can have led to a moment.
import { describe, expect, it } from 'vitest'
import { causesOf, flightsOf, visitFlights } from './client/flights.ts'
import { lastUpTo, lowerBound } from './client/search.ts'
import { clampWindow, formatTime, ticksOf, wholeRun, windowAround, zoomWindow } from './client/time.ts'
import type { Fate, MessageColumns } from './picture.ts'

describe('windows of time', () => {
  it('keep the time under the pointer where it is', () => {
    const zoomed = zoomWindow({ from: 100, to: 500 }, 0.5, 200, 1_000)
    expect(zoomed).toEqual({ from: 150, to: 350 })
    expect((200 - zoomed.from) / (zoomed.to - zoomed.from)).toBeCloseTo(0.25)
  })

  it('never leave the run, nor shrink to nothing', () => {
    expect(clampWindow({ from: -500, to: -400 }, 1_000).from).toBe(-20)
    expect(clampWindow({ from: 5_000, to: 5_100 }, 1_000).to).toBe(1_020)
    expect(zoomWindow(wholeRun(1_000), 1e-9, 500, 1_000)).toEqual({ from: 499.5, to: 500.5 })
    expect(zoomWindow({ from: 0, to: 10 }, 1e9, 5, 1_000)).toEqual(wholeRun(1_000))
    expect(windowAround(500, 100, 1_000)).toEqual({ from: 450, to: 550 })
  })

  it('have few round times on their axis', () => {
    expect(ticksOf({ from: -10, to: 1_000 }, 1_000, 90).times).toEqual([
      0, 100, 200, 300, 400, 500, 600, 700, 800, 900, 1_000,
    ])
    expect(ticksOf({ from: 0, to: 1e12 }, 1_000, 90).times.length).toBeLessThan(12)
  })

  it.each([
    [0, 1, '0 ms'],
    [850, 1, '850 ms'],
    [12_345, 1, '12.345 s'],
    [59_999.9, 1, '1:00.000'],
    [187_500, 100, '3:07.5'],
    [7_387_000, 1_000, '2:03:07'],
    [-20, 1, '-20 ms'],
  ])('are written for people: %d ms', (ms, step, text) => {
    expect(formatTime(ms, step)).toBe(text)
  })
})

describe('searches', () => {
  it('agree with looking at every value', () => {
    const sorted = [1, 3, 3, 3, 8]
    for (let value = 0; value < 10; value += 0.5) {
      const first = sorted.findIndex((one) => one >= value)
      expect(lowerBound(sorted, value)).toBe(first === -1 ? sorted.length : first)
      expect(lastUpTo(sorted, value)).toBe(sorted.findLastIndex((one) => one <= value))
    }
  })
})

type Sent = readonly [sentAt: number, takes: number, from: number, to: number, fate: Fate]

function columnsOf(sent: readonly Sent[]): MessageColumns {
  const zeros = sent.map(() => 0)
  return {
    sentAfter: sent.map(([at], index) => at - (sent[index - 1]?.[0] ?? 0)),
    takes: sent.map(([, takes]) => takes),
    from: sent.map(([, , from]) => from),
    to: sent.map(([, , , to]) => to),
    fate: sent.map(([, , , , fate]) => fate),
    type: zeros,
    why: zeros,
    text: zeros,
  }
}

describe('messages of a window', () => {
  it('are those under way in it, also where one of thousands took very long', () => {
    const sent = Array.from({ length: 3_000 }, (_, index): Sent => [index, index === 7 ? 2_500 : 5, 0, 1, 0])
    const flights = flightsOf(columnsOf(sent))
    for (const [from, to] of [
      [0, 1],
      [600, 620],
      [2_990, 9_000],
      [5_000, 6_000],
    ] as const) {
      const seen: number[] = []
      visitFlights(flights, from, to, (index) => seen.push(index))
      const expected = sent.flatMap(([at, takes], index) => (at < to && at + takes >= from ? [index] : []))
      expect(seen).toEqual(expected)
    }
  })
})

describe('what led to a moment', () => {
  it('is what arrived before, and what had arrived at its senders before they sent', () => {
    const flights = flightsOf(
      columnsOf([
        [0, 10, 0, 1, 0], // arrives at 1 before 1 speaks
        [5, 10, 3, 1, 0], // arrives at 1 before 1 speaks
        [20, 10, 1, 2, 0], // arrives at 2 in time
        [22, 30, 0, 1, 0], // arrives at 1 after it spoke
        [24, 5, 3, 2, 1], // is lost
        [25, 90, 4, 2, 0], // arrives at 2 too late
      ]),
    )
    expect(causesOf(flights, 2, 50, () => true)).toEqual(new Set([0, 1, 2]))
    expect([...causesOf(flights, 2, 29, () => true)]).toEqual([])
    expect([...causesOf(flights, 2, 50, (index) => index !== 2)]).toEqual([])
  })
})
