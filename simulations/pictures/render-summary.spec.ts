// Reads the summary of a bulk run as text, and looks at it in a real Chromium.
import { describe, expect, it } from 'vitest'
import { findChromium, openBrowser } from './browser.ts'
import { renderDistributions } from './render-distribution.ts'
import { renderSummary } from './render-summary.ts'
import { sampleSummary } from './sample-summary.ts'
import { emptyDistribution } from './distribution.ts'

const chromium = findChromium()
const note =
  chromium === undefined ? ' (SKIPPED: this machine has no Chromium; apt-get install chromium)' : ''

describe('the summary of a bulk run', () => {
  const summary = sampleSummary()
  const html = renderSummary(summary)

  it('says how many runs there were, and how to see a violation again', () => {
    expect(html).toContain('1 violation in 3,000 runs')
    expect(html).toContain('npm run sim -- --replay seed-4711.plan.json --picture out.html')
  })

  it('says what was never seen, and what never happened', () => {
    expect(html).toMatch(/never seen<\/td><td><b class="invariant">never</)
    const row = /<td>3 machines<\/td><td>All machines[^]*?<\/tr>/.exec(html)?.[0] ?? ''
    expect(row.match(/<td>([^<]*)<\/td>/g)?.slice(4)).toEqual([
      '<td>never</td>',
      '<td>1:20.2</td>',
      '<td>12</td>',
    ])
  })

  it('says where it was interrupted, and where nothing is broken', () => {
    const groups = summary.groups.map((group) => ({ ...group, violations: [], interrupted: true }))
    const other = renderSummary({ ...summary, groups })
    expect(other).toContain('no violation in 3,000 runs')
    expect(other).toContain('Interrupted')
    expect(html).not.toContain('Interrupted')
  })

  it('shows names that look like markup as text', () => {
    expect(renderSummary({ ...summary, title: '<script>1</script>' })).not.toContain('<script')
  })

  it('draws a row for a group in which nothing ever happened', () => {
    const empty = { ...emptyDistribution(), never: 5 }
    const svg = renderDistributions('none', [{ name: 'none', distribution: empty }])
    expect(svg).toContain('5 never')
    expect(svg).not.toMatch(/NaN|Infinity/)
  })

  it.skipIf(chromium === undefined)(
    `fits the window, draws three pictures, and marks quantiles where they lie${note}`,
    async () => {
      const page = await openBrowser(chromium ?? '', 1_100, 900)
      try {
        await page.open(html)
        expect(await page.evaluate('document.querySelectorAll("svg").length')).toBe(3)
        expect(
          await page.evaluate('document.documentElement.scrollWidth <= document.documentElement.clientWidth'),
        ).toBe(true)
        // The medians of larger sites lie further right, and within the shape.
        const marks = await page.evaluate<number[]>(
          `[...document.querySelectorAll('svg')[0].querySelectorAll('.mark')].map((one) => one.getBoundingClientRect().x)`,
        )
        expect(marks).toHaveLength(9)
        expect(marks[0]).toBeLessThan(marks[3] ?? 0)
        expect(marks[3]).toBeLessThan(marks[6] ?? 0)
        const shapes = await page.evaluate<number[]>(
          `[...document.querySelectorAll('.shape')].map((one) => one.getBoundingClientRect().width)`,
        )
        expect(Math.min(...shapes)).toBeGreaterThan(100)
        expect(page.complaints).toEqual([])
      } finally {
        await page.close()
      }
    },
  )
})
