// Proves that the picture of the comparison shows every row in proportion, and says in words what no bar shows.
import { expect, it } from 'vitest'
import type { ComparisonRow } from '../kairos/compare.ts'
import { renderComparison } from './render-comparison.ts'

const row = (change: Partial<ComparisonRow>): ComparisonRow => ({
  preset: 'calm',
  rule: 'muster, auto',
  runs: 60,
  forked: 0,
  outsideBound: 0,
  none: 0,
  p50Ms: 1,
  p90Ms: 2,
  ...change,
})

it('draws a bar for each rule, as long as its share of two clusters', () => {
  const svg = renderComparison([
    row({}),
    row({ rule: 'Kairos <2>', forked: 60 }),
    row({ preset: 'cut', rule: 'Kairos <2>', forked: 15, none: 4 }),
    row({ preset: 'cut', forked: 3, outsideBound: 3 }),
  ])
  expect(svg.match(/class="rest"/g)).toHaveLength(4)
  const bars = [...svg.matchAll(/class="two" x="240" y="\d+" width="([\d.]+)"/g)].map(([, width]) =>
    Number(width),
  )
  expect(bars).toEqual([420, 105, 21])
  expect(svg.match(/class="group"/g)).toHaveLength(2)
  for (const words of [
    '0 of 60 (0 %)',
    '60 of 60 (100 %)',
    '15 of 60 (25 %), 4 without a cluster',
    '3 of 60 (5 %), 3 outside the bound',
  ])
    expect(svg).toContain(`>${words}</text>`)
  expect(svg).toContain('Kairos &lt;2&gt;')
  // Nothing overlaps: every row has a place of its own.
  const places = [...svg.matchAll(/class="rest" x="240" y="(\d+)"/g)].map(([, y]) => Number(y))
  expect(places.every((y, index) => index === 0 || y - (places[index - 1] ?? 0) >= 21)).toBe(true)
})
