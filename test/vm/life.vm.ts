// Proves one machine's life: it installs image A from the ISO, is upgraded to B, finds B good, takes a bad image, tries that three
// times, is back on B by itself, says so, and never takes the bad one again.
import { expect, it } from 'vitest'
import { timeFactor } from '../support/site.ts'
import { isoOf, versionOf } from './support/images.ts'
import { mustExec, withVms } from './support/machines.ts'
import { isSkipped, skipNote } from './support/obstacle.ts'
import { becomesGood, readSlots, restart, runningVersion, upgrade } from './support/slots.ts'

it.skipIf(isSkipped)(
  `one machine goes from the ISO to A, to B, to a bad image, and back by itself${skipNote}`,
  async () => {
    await withVms({ name: 'life', nodes: 1, iso: isoOf('a') }, async (lab) => {
      const first = await becomesGood(lab, 'm1', 'a', 2)
      expect(first.rejected).toEqual([])
      const nodeId = (await mustExec(lab, 'm1', ['cat', '/etc/machine-id'])).trim()

      expect(await upgrade(lab, 'm1', 'b')).toMatchObject({ code: 0 })
      const staged = await readSlots(lab, 'm1')
      expect(runningVersion(staged)).toBe(versionOf('a'))
      expect(staged.slots.find(({ next }) => next)).toMatchObject({ version: versionOf('b'), triesLeft: 3 })
      await restart(lab, 'm1')
      const second = await becomesGood(lab, 'm1', 'b', 3)
      expect(
        second.slots
          .filter(({ good }) => good)
          .map(({ version }) => version)
          .toSorted(),
      ).toEqual([versionOf('a'), versionOf('b')])

      expect(await upgrade(lab, 'm1', 'panics')).toMatchObject({ code: 0 })
      await restart(lab, 'm1')
      // Three boots of the bad image, and one of the good one.
      const third = await becomesGood(lab, 'm1', 'b', 3 + 3 + 1, 480)
      expect((await lab.status())[0]?.console.boots).toBe(3 + 3 + 1)
      expect(lab.console('m1').match(/Kernel panic - not syncing/g)).toHaveLength(3)
      expect(third.rejected.map(({ version }) => version)).toEqual([versionOf('panics')])
      const table = await mustExec(lab, 'm1', ['muster', 'slots'])
      process.stdout.write(table)
      expect(table).toContain(versionOf('panics'))

      const again = await upgrade(lab, 'm1', 'panics')
      expect(again.code).not.toBe(0)
      expect(again.said).toContain('ERR_IMAGE_REJECTED')
      // It is still the same machine.
      expect((await mustExec(lab, 'm1', ['cat', '/etc/machine-id'])).trim()).toBe(nodeId)
    })
  },
  3_600_000 * timeFactor,
)
