// Every seeded bug still fits the source that it changes, gives a module that parses, and is what a thread then runs.
import { stripTypeScriptTypes } from 'node:module'
import { Worker } from 'node:worker_threads'
import { expect, test } from 'vitest'
import { mutants } from './all.ts'
import { applyEdit, mutatedSources } from './apply.ts'

test('there are at least 24, each with a name of its own', () => {
  expect(mutants.length).toBeGreaterThanOrEqual(24)
  expect(new Set(mutants.map(({ name }) => name)).size).toBe(mutants.length)
})

test.each(mutants.map((mutant) => [mutant.name, mutant] as const))('%s applies and parses', (_, mutant) => {
  const sources = mutatedSources(mutant)
  expect(sources.size).toBeGreaterThan(0)
  for (const source of sources.values()) expect(() => stripTypeScriptTypes(source)).not.toThrow()
})

test('an edit that no longer applies is an error that names it', () => {
  const edit = { file: 'src/a.ts', find: 'a', replace: 'b' }
  expect(applyEdit('cat', edit)).toBe('cbt')
  expect(() => applyEdit('dog', edit)).toThrow('mutation no longer applies: src/a.ts holds 0 times: a')
  expect(() => applyEdit('banana', edit)).toThrow('holds 3 times')
})

test('a thread with a mutant runs the changed text, and the others do not', async () => {
  const program = `
    const { workerData, parentPort } = require('node:worker_threads')
    ;(async () => {
      const { loadMutated } = await import(workerData.apply)
      const { missing } = loadMutated(workerData.mutant)
      const before = missing().length
      const { majority } = await import(workerData.terms)
      parentPort.postMessage([before, missing().length, majority(3)])
    })()`
  const terms = new URL('../../src/core/consensus/terms.ts', import.meta.url).href
  const mutant = mutants.find(({ name }) => name === 'quorum-off-by-one')
  const workerData = { apply: new URL('apply.ts', import.meta.url).href, terms, mutant }
  const worker = new Worker(program, { eval: true, workerData })
  const answer = await new Promise((resolve, reject) => {
    worker.once('message', resolve)
    worker.once('error', reject)
  })
  await worker.terminate()
  expect(answer).toEqual([1, 0, 1])
  const { majority } = await import('../../src/core/consensus/terms.ts')
  expect(majority(3)).toBe(2)
})
