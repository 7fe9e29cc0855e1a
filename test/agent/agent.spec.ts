// Proves when the agent's loop goes on and when it must not: a full disk is waited for, a disk of unknown content
// ends the process, and so does a key that belongs to another machine, after its state was put aside; a look at k3s that
// fails is made again.
import { describe, expect, it } from 'vitest'
import { Agent } from '../../src/agent/agent.ts'
import type { AgentComponents } from '../../src/agent/agent.ts'
import type { Effect } from '../../src/core/effect.ts'
import type { Input } from '../../src/core/input.ts'
import { MusterError } from '../../src/errors.ts'

interface World {
  readonly agent: Agent
  /** What was done, in order. */
  readonly done: string[]
  readonly inputs: Input[]
  /** Lets the core ask for these at its next input. */
  ask(...effects: Effect[]): void
}

const persist: Effect = { kind: 'persist', writes: [{ op: 'put', key: 'seen', value: { ids: [] } }] }
const send: Effect = { kind: 'send', to: 'peer', message: { kind: 'nack', nonce: 1 } }

interface Failures {
  readonly persist?: () => Error | undefined
  readonly keep?: () => Error | undefined
  readonly observe?: () => Promise<object>
}

function world(failures: Failures = {}): World {
  const done: string[] = []
  const inputs: Input[] = []
  let effects: Effect[] = []
  const act = (name: string, failure?: () => Error | undefined) => async (): Promise<void> => {
    const error = failure?.()
    if (error !== undefined) throw error
    done.push(name)
  }
  const components = {
    clock: { now: () => performance.now() },
    node: {
      handle: (input: Input) => inputs.push(input),
      drain: () => effects.splice(0),
      nextDeadline: () => Number.POSITIVE_INFINITY,
    },
    store: { persist: act('persist', failures.persist) },
    identity: { keep: act('keep', failures.keep), abandon: act('abandon') },
    network: { start: act('start'), stop: act('stop'), send: () => done.push('send') },
    overlay: { stop: act('overlay stop'), state: () => ({ up: false }) },
    distribution: {
      run: (step: { kind: string }) => {
        done.push(step.kind)
        return Promise.resolve({ kind: 'done', step: step.kind })
      },
      observe: failures.observe ?? (() => new Promise(() => undefined)),
    },
    logger: { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined },
  } as unknown as AgentComponents
  const agent = new Agent(components)
  const ask = (...more: Effect[]): void => {
    effects = [...effects, ...more]
    void agent.request({ kind: 'leave', cancel: true })
  }
  return { agent, done, inputs, ask }
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5))
}

describe('a disk that fails', () => {
  it('is waited for when it is full: nothing is said before it is written', async () => {
    let full = true
    const { agent, done, ask } = world({
      persist: () => (full ? new MusterError('ERR_STATE_FULL', { path: '/x' }) : undefined),
    })
    await agent.start()
    ask(persist, send)
    await until(() => agent.storeFailure !== undefined)
    expect(agent.storeFailure).toMatch(/^ERR_STATE_FULL/)
    expect(done).not.toContain('send')
    full = false
    await until(() => done.includes('send'))
    expect(done.filter((what) => what === 'persist' || what === 'send')).toEqual(['persist', 'send'])
    expect(agent.storeFailure).toBeUndefined()
    await agent.stop()
  })

  it('ends the agent when nobody knows what it holds now: no word, no second try', async () => {
    let tries = 0
    const { agent, done, ask } = world({
      persist: () => {
        tries += 1
        return new MusterError('ERR_STATE_UNSURE', { path: '/x', detail: 'EIO' })
      },
    })
    await agent.start()
    ask(persist, send)
    expect(await agent.failure).toMatchObject({ code: 'ERR_STATE_UNSURE' })
    ask(persist, send)
    await agent.stop()
    expect(tries).toBe(1)
    expect(done).not.toContain('send')
  })
})

describe('a look at k3s that fails', () => {
  it('is made again', async () => {
    let looks = 0
    const { agent, inputs } = world({
      observe: () => {
        looks += 1
        return looks === 1 ? Promise.reject(new Error('half a file')) : Promise.resolve({ ready: true })
      },
    })
    await agent.start()
    await until(() => inputs.some(({ kind }) => kind === 'k3s-observed'))
    await agent.stop()
  })
})

describe('the end of a quarantine', () => {
  it('writes the machine of now down before the core goes on with the key', async () => {
    const { agent, done, inputs, ask } = world()
    await agent.start()
    ask({ kind: 'identity', verdict: 'keep', reason: 'the voters heard nothing' })
    await until(() => inputs.some(({ kind }) => kind === 'identity-kept'))
    expect(done).toContain('keep')
    await agent.stop()
  })

  it('stops k3s, puts the state aside and ends the agent when the key is another machine\u2019s', async () => {
    const { agent, done, ask } = world()
    await agent.start()
    ask({ kind: 'identity', verdict: 're-key', reason: 'the original is alive' })
    expect(await agent.failure).toMatchObject({
      code: 'ERR_IDENTITY_CLONED',
      message: 'This machine runs on the key of another one: the original is alive.',
    })
    expect(done.filter((what) => what === 'stop' || what === 'abandon')).toEqual(['stop', 'abandon'])
    await agent.stop()
  })
})
