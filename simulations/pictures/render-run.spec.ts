// Opens pages of runs in a real Chromium, uses them as a person would, and looks at what comes of it.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { generatePlan } from '../plan/generate.ts'
import { simulate } from '../run/simulate.ts'
import type { Page } from './browser.ts'
import { findChromium, openBrowser } from './browser.ts'
import { clientScript } from './client-script.ts'
import { renderRun } from './render-run.ts'
import { sampleRun } from './sample-run.ts'

const chromium = findChromium()
const note =
  chromium === undefined ? ' (SKIPPED: this machine has no Chromium; apt-get install chromium)' : ''
const size = { width: 1_400, height: 900 }

describe.skipIf(chromium === undefined)(`the page of a run${note}`, () => {
  const { trace, result } = sampleRun()
  const html = renderRun(trace, result)
  let page: Page
  beforeAll(async () => {
    page = await openBrowser(chromium ?? '', size.width, size.height)
  })
  afterAll(() => page.close())

  /** Opens a page and waits for what comes after the last movement. */
  const open = async (text: string): Promise<void> => {
    await page.open('<p>another page in between, so that nothing is left of the last one')
    await page.open(text)
    await rest()
  }
  // The page draws in frames and in timers shorter than this one. A timer may have to start another one: hence twice.
  const rest = (): Promise<void> =>
    page.evaluate(`(async () => {
      for (let round = 0; round < 2; round += 1) {
        await new Promise((resolve) => setTimeout(resolve, 200))
        await new Promise((resolve) => requestAnimationFrame(resolve))
      }
    })()`)
  const click = async (selector: string): Promise<void> => {
    await page.evaluate(`document.querySelector(${JSON.stringify(selector)}).click()`)
    await rest()
  }
  const text = (selector: string): Promise<string> =>
    page.evaluate(`document.querySelector(${JSON.stringify(selector)}).textContent`)
  /** Window of time that the address holds. */
  const shown = async (): Promise<readonly [number, number]> => {
    const [, from, to] = /t=(-?\d+)\.\.(\d+)/.exec(await page.evaluate<string>('location.hash')) ?? []
    return [Number(from), Number(to)]
  }
  /** How many pixels of the chart have exactly the colour of a name in the style sheet. */
  const pixels = (name: string): Promise<number> =>
    page.evaluate(`(() => {
      const canvas = document.querySelector('#chart')
      const probe = document.createElement('canvas').getContext('2d')
      probe.fillStyle = getComputedStyle(document.documentElement).getPropertyValue('--${name}')
      probe.fillRect(0, 0, 1, 1)
      const [red, green, blue] = probe.getImageData(0, 0, 1, 1).data
      const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height)
      let count = 0
      for (let at = 0; at < data.length; at += 4)
        if (data[at] === red && data[at + 1] === green && data[at + 2] === blue) count += 1
      return count
    })()`)
  /** Where a machine's lane is in the window of the browser. */
  const spot = async (at: number, node: number): Promise<readonly [number, number]> => {
    const box = await page.evaluate<{ x: number; y: number; width: number; height: number }>(
      `document.querySelector('#chart').getBoundingClientRect().toJSON()`,
    )
    const [from, to] = await shown()
    const lanesTop = 24 + 20 + 2 * 18 + 4
    const laneHeight = Math.floor((box.height - lanesTop) / 5)
    const x = box.x + 104 + ((at - from) / (to - from)) * (box.width - 104)
    return [x, box.y + lanesTop + (node + 0.5) * laneHeight]
  }

  it('draws phases, crashes, partitions, decisions and the violation, without a complaint', async () => {
    await open(html)
    for (const name of ['phase-waiting', 'phase-k3s-ready', 'lineage-0', 'lineage-1', 'band-partition']) {
      expect(await pixels(name), name).toBeGreaterThan(50)
    }
    expect(await pixels('violation')).toBeGreaterThan(200)
    expect(await text('h1')).toBe('Seed 4711: 5 machines, bootstrap expect 3')
    expect(await text('.verdict')).toBe('violated: S2')
    expect(await text('.faults')).toContain('600 ms7.4 scut0-2 | 3-4; oneWay false')
    expect(await text('.faults')).toContain('power-cut1; keeps false')
    expect(page.complaints).toEqual([])
  })

  it('hides gossip until it is asked for', async () => {
    await open(html)
    const count = async (): Promise<number> =>
      Number(/([\d,]+) messages/.exec(await text('#shown'))?.[1]?.replaceAll(',', ''))
    const before = await count()
    await page.evaluate(
      `[...document.querySelectorAll('#legend button')].find((one) => one.textContent.startsWith('gossip')).click()`,
    )
    await rest()
    const gossips = trace.events.filter((event) => event.kind === 'send' && event.type === 'gossip').length
    const copies = (await count()) - before - gossips
    expect(before).toBeGreaterThan(20)
    expect(copies).toBeGreaterThanOrEqual(0)
    expect(copies).toBeLessThan(gossips / 4)
  })

  it('zooms with the wheel around the pointer, moves with a drag, and goes back with a key', async () => {
    await open(html)
    const whole = await shown()
    const [x, y] = await spot(6_000, 2)
    await page.mouse('mouseWheel', x, y, { deltaX: 0, deltaY: -480 })
    await rest()
    const zoomed = await shown()
    expect((zoomed[1] - zoomed[0]) / (whole[1] - whole[0])).toBeCloseTo(0.5, 1)
    expect(Math.abs((await spot(6_000, 2))[0] - x)).toBeLessThan(3)
    await page.mouse('mousePressed', x, y, { button: 'left', buttons: 1, clickCount: 1 })
    await page.mouse('mouseMoved', x - 100, y, { button: 'left', buttons: 1 })
    await page.mouse('mouseReleased', x - 100, y, { button: 'left' })
    await rest()
    expect(Math.abs((await spot(6_000, 2))[0] - (x - 100))).toBeLessThan(3)
    await page.press('ArrowRight')
    await rest()
    expect((await shown())[0]).toBeGreaterThan(zoomed[0])
    await page.press('0')
    await rest()
    expect(await shown()).toEqual(whole)
  })

  it('tells what a machine was under the pointer', async () => {
    await open(html)
    await page.mouse('mouseMoved', ...(await spot(6_000, 1)))
    await rest()
    expect(await text('#tooltip')).toContain('node 1: off since 5.200 s')
    await page.mouse('mouseMoved', ...(await spot(4_500, 2)))
    await rest()
    const lines = await text('#tooltip')
    expect(lines).toContain('node 2: k3s-starting')
    expect(lines).toContain('plan A1 granted, leader 0')
    expect(lines).toContain('slow-disk: a sync takes 400 ms')
    expect(await text('#moment')).toContain('A1 granted')
  })

  it('tells what a message was under the pointer', async () => {
    await open(html)
    await page.evaluate(`location.hash = '#t=1400..2400'`)
    await rest()
    const sent = trace.events.find((event) => event.kind === 'send' && event.type === 'prepare')
    const number = sent?.kind === 'send' ? sent.message : -1
    const arrival = trace.events.find((event) => event.kind === 'delivery' && event.message === number)
    const [x0, y0] = await spot(1_500, 2)
    const [x1, y1] = await spot(arrival?.at ?? Number.NaN, 0)
    await page.mouse('mouseMoved', (x0 + x1) / 2, (y0 + y1) / 2)
    await rest()
    expect(await text('#tooltip')).toContain('prepare 2 → 0')
  })

  it('jumps to the violation, and keeps only what led to it', async () => {
    await open(html)
    await click('.violations [data-at]')
    const [from, to] = await shown()
    expect(from).toBeLessThan(13_000)
    expect(to).toBeGreaterThan(13_000)
    expect(to - from).toBeLessThan(3_000)
    expect(await text('#moment-time')).toBe('13.000 s')
    expect(await text('#events .now')).toContain('two active clusters')
    await click('[data-do=causes]')
    expect(await text('#shown')).toContain('only those that can have led')
    const entries = await page.evaluate<string>(`document.querySelector('#events').textContent`)
    expect(entries).toContain('promise 4 → 3')
    expect(entries).not.toContain('prepare 3 → 0')
    await page.press('Escape')
    await rest()
    expect(await text('#events')).toContain('prepare 3 → 0')
  })

  it('steps through marks and events with keys', async () => {
    await open(html)
    const times: string[] = []
    for (let count = 0; count < 3; count += 1) {
      await page.press('n')
      await rest()
      times.push(await text('#moment-time'))
    }
    expect(times).toEqual(['600 ms', '2.143 s', '3.250 s'])
    await page.press(',')
    await rest()
    expect(await text('#moment-time')).not.toBe('3.250 s')
  })

  it('keeps one machine when its name is clicked', async () => {
    await open(html)
    const [, y] = await spot(0, 4)
    await page.mouse('mousePressed', 40, y, { button: 'left', buttons: 1, clickCount: 1 })
    await page.mouse('mouseReleased', 40, y, { button: 'left' })
    await rest()
    expect(await text('#shown')).toContain('only those of node 4')
  })

  it('follows the scheme, and is light on paper', async () => {
    await open(html)
    const ground = (): Promise<string> => page.evaluate(`getComputedStyle(document.body).backgroundColor`)
    const light = await ground()
    await page.send('Emulation.setEmulatedMedia', {
      features: [{ name: 'prefers-color-scheme', value: 'dark' }],
    })
    await rest()
    expect(await ground()).not.toBe(light)
    expect(await pixels('ground')).toBeGreaterThan(1_000)
    const { data } = await page.send('Page.printToPDF', { landscape: true })
    expect(String(data).length).toBeGreaterThan(10_000)
    await page.send('Emulation.setEmulatedMedia', {
      media: 'print',
      features: [{ name: 'prefers-color-scheme', value: 'dark' }],
    })
    await rest()
    expect(await ground()).toBe(light)
    expect(await pixels('ground')).toBeGreaterThan(1_000)
    await page.send('Emulation.setEmulatedMedia', { media: '', features: [] })
  })

  it('draws a bounded number of lines of 200,000 events, says so, and draws all of them nearby', async () => {
    const big = sampleRun(0.25)
    expect(big.trace.events.length).toBeGreaterThan(200_000)
    await open(renderRun(big.trace, big.result))
    await page.evaluate(
      `for (const one of ['gossip', 'ping', 'ack'])
        [...document.querySelectorAll('#legend button')].find((button) => button.textContent.startsWith(one)).click()`,
    )
    await rest()
    expect(await text('#shown')).toMatch(/1\d\d,\d\d\d messages · one line in \d+ drawn: zoom in for all/)
    await page.evaluate(`location.hash = '#t=4000..4200'`)
    await rest()
    expect(await text('#shown')).toMatch(/[1-9],?\d* messages$/)
    expect(page.complaints).toEqual([])
  })

  it('draws a run of the simulator', async () => {
    const plan = generatePlan({ seed: 1, nodes: 5, faults: 'partition-at-birth' })
    const run = simulate(plan, { record: true })
    if (run.trace === undefined) throw new Error('the run was not recorded')
    await open(renderRun(run.trace, run.result))
    expect(await pixels('phase-waiting')).toBeGreaterThan(50)
    expect(await pixels('band-partition')).toBeGreaterThan(50)
    expect(await text('.decisions')).toContain('A0chartered')
    expect(await text('.verdict')).toBe('no violation')
    expect(await page.evaluate(`document.querySelectorAll('#moment tr').length`)).toBe(5)
    expect(page.complaints).toEqual([])
  })

  it('shows names that look like markup as text, and may load nothing', async () => {
    const evil = '</script><img src=x onerror="document.title=1"><!-- \u2028'
    const events = trace.events.map((event) => (event.kind === 'log' ? { ...event, message: evil } : event))
    await open(
      renderRun(
        { ...trace, events },
        { ...result, violations: [{ invariant: 'S2', at: 1, node: 0, text: evil }] },
      ),
    )
    expect(await page.evaluate('document.title')).toContain('Seed 4711')
    expect(await text('.violations')).toContain(evil)
    expect(await page.evaluate('document.images.length')).toBe(0)
    expect(page.complaints).toEqual([])
    const refused = `new Promise((resolve) => {
      const image = new Image()
      document.addEventListener('securitypolicyviolation', () => resolve('refused'))
      image.onload = () => resolve('loaded')
      image.src = 'data:image/gif;base64,R0lGODlhAQABAAAAACwAAAAAAQABAAA='
    })`
    expect(await page.evaluate(refused)).toBe('refused')
    page.complaints.length = 0
  })
})

describe('the script of the page', () => {
  it('is one text without imports, in which each name stands for one thing', () => {
    const script = clientScript()
    expect(script).not.toMatch(/^(import|export) /m)
    const names = [...script.matchAll(/^(?:async )?(?:function|const|let|class) (\w+)/gm)].map(
      ([, name]) => name,
    )
    expect(names.length).toBeGreaterThan(50)
    expect(new Set(names).size).toBe(names.length)
  })
})
