// Proves that a lab's progress is judged and told from what agents say: golden lines, a redrawn table, and what counts as reached.
import { Writable } from 'node:stream'
import { stripVTControlCharacters } from 'node:util'
import { describe, expect, it } from 'vitest'
import type { StatusResource } from '../../src/agent/api/resources.ts'
import { type HostObservation, judgeGoal } from '../../src/lab/observe.ts'
import { hostPresentation, lineOf, ProgressView } from '../../src/lab/progress.ts'
import { statusFixture } from '../support/status-fixture.ts'

const waiting: HostObservation = { name: 'h1', agent: 'running', status: statusFixture() }
const active: HostObservation = {
  name: 'h2',
  agent: 'running',
  status: statusFixture({
    phase: 'k3s',
    waiting: [],
    note: 'the control plane is ready',
    plan: { clusterId: 'c1', generation: 2, hash: 'ab', phase: 'active', epoch: 0 },
    assignment: { role: 'worker', name: 'h2', address4: '10.144.0.7', address6: 'fd00::7', reason: '' },
  }),
}
const dead: HostObservation = { name: 'h3', agent: 'stopped', status: undefined }

describe('lineOf', () => {
  it('says phase, plan, role and what is awaited', () => {
    expect([waiting, active, dead].map(lineOf)).toEqual([
      'h1  membership  waiting for machines 2/3 (missing h3)',
      'h2  k3s  plan 2 active  worker 10.144.0.7  the control plane is ready',
      'h3  agent stopped',
    ])
  })
})

describe('judgeGoal', () => {
  const withPlan = (change: Partial<StatusResource>): HostObservation => ({
    ...active,
    status: { ...active.status!, ...change },
  })

  it('wants all hosts, and tells who lacks what', () => {
    expect(judgeGoal('active', [active])).toMatchObject({ reached: true, lacking: [] })
    expect(judgeGoal('active', [waiting, active, dead])).toEqual({
      reached: false,
      failure: '',
      lacking: ['h1: waiting for machines 2/3 (missing h3)', 'h3: agent stopped'],
    })
    expect(judgeGoal('active', [])).toMatchObject({ reached: false })
  })

  it('tells chartered, active and ready apart', () => {
    const granted = withPlan({ plan: { ...active.status!.plan!, phase: 'granted' } })
    expect(judgeGoal('chartered', [granted]).reached).toBe(true)
    expect(judgeGoal('active', [granted]).reached).toBe(false)
    expect(judgeGoal('ready', [active]).reached).toBe(false)
    const k3sReady = {
      type: 'K3sReady',
      status: 'true',
      reason: 'Ready',
      message: '',
      hint: '',
      since: 0,
    } as const
    expect(judgeGoal('ready', [withPlan({ conditions: [k3sReady] })]).reached).toBe(true)
  })

  it('gives up at once on two clusters, and where no agent is left', () => {
    const other = withPlan({ plan: { ...active.status!.plan!, clusterId: 'c2' } })
    expect(judgeGoal('active', [active, other]).failure).toBe('there are 2 clusters')
    expect(judgeGoal('active', [dead, dead]).failure).toBe('every agent has ended')
  })
})

describe('ProgressView', () => {
  it('says only what changed where there is no terminal', () => {
    const out = new Sink()
    const view = new ProgressView(out, hostPresentation)
    view.show([waiting, dead], 0)
    view.show([waiting, dead], 500)
    view.show([waiting, active], 12_340)
    expect(out.text.split('\n')).toEqual([
      '   0.0 s  h1  membership  waiting for machines 2/3 (missing h3)',
      '   0.0 s  h3  agent stopped',
      '  12.3 s  h2  k3s  plan 2 active  worker 10.144.0.7  the control plane is ready',
      '',
    ])
  })

  it('redraws in place on a terminal, cut to its width', () => {
    const out = Object.assign(new Sink(), { isTTY: true, columns: 40 })
    const view = new ProgressView(out, hostPresentation)
    view.show([waiting, dead], 0)
    expect(out.text).not.toContain('\u001B[4A')
    view.show([waiting, active], 500)
    expect(out.text).toContain('\u001B[4A')
    const widest = Math.max(
      ...stripVTControlCharacters(out.text)
        .split('\n')
        .map((line) => line.length),
    )
    expect(widest).toBeLessThan(40)
  })
})

class Sink extends Writable {
  text = ''
  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.text += chunk.toString()
    done()
  }
}
