// Proves that a scenario file that the simulator runs holds with real agents as well: the command that a person would
// type is run, in real time, and its verdict counts.
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { timeFactor } from '../support/site.ts'
import { isSkipped, skipNote } from './support/obstacle.ts'

const top = fileURLToPath(new URL('../../', import.meta.url))

/** Of the examples the one that asks most of the network: nobody founds while two of five are cut off. */
const files = ['partition-at-birth.yaml']

describe.skipIf(isSkipped)(`a scenario file${skipNote}`, () => {
  it.each(files)(
    '%s holds with real agents',
    async (file) => {
      const argv = ['simulations/scenarios/main.ts', '--lab', `simulations/scenarios/${file}`]
      const { failed, said } = await new Promise<{ failed: boolean; said: string }>((resolve) => {
        execFile(process.execPath, argv, { cwd: top }, (error, stdout, stderr) =>
          resolve({ failed: error !== null, said: `${stdout}${stderr}` }),
        )
      })
      // The exit code is 0 only where all expectations hold; which one did not is in the text.
      expect({ failed, said }).toMatchObject({ failed: false })
      expect(said).toContain(': passed')
    },
    900_000 * timeFactor,
  )
})
