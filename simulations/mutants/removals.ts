import { readFileSync } from 'node:fs'
import { planSchema } from '../plan/plan.ts'
import type { Exposure, Mutant } from './mutant.ts'

/** A site of the corpus, with its seed: one run shows all that it can show. */
function foundOn(name: string): Exposure {
  const text = readFileSync(new URL(`../corpus/${name}.json`, import.meta.url), 'utf8')
  const plan = planSchema.parse(JSON.parse(text))
  return { faults: 'clean', nodes: plan.nodes, fixed: plan }
}

/** Such a site with other dice: every seed draws its own delays and losses. */
function like(name: string): Exposure {
  const { seed: _, ...site } = foundOn(name).fixed ?? {}
  return { faults: 'clean', nodes: site.nodes ?? 5, fixed: site }
}

/** Bugs in how members leave etcd: docs/decisions/0013 to 0016. */
export const removalMutants: readonly Mutant[] = [
  {
    name: 'clears-without-a-tombstone',
    bug: 'a server that lost its role puts its data away because the lists of others do not show it',
    edits: [
      {
        file: 'src/core/k3s/run.ts',
        find: "if (!assigned && absence(input, record) === 'absent')",
        replace: "if (absence(input, record) === 'absent')",
      },
    ],
    breaks: ['S13'],
    exposure: like('cleared-too-early-70309'),
    seedsMax: 200,
  },
  {
    name: 'leftover-waits-for-the-change',
    bug: 'a member that no plan wanted is removed only when etcd equals the plan, which it never does',
    edits: [
      {
        file: 'src/core/planner/roles.ts',
        find: 'const leftover = past && blocked(input, servers) === undefined ? removeLeftover(input, past) : undefined',
        replace:
          'const leftover = past && blocked(input, servers) !== undefined ? removeLeftover(input, past) : undefined',
      },
    ],
    breaks: ['L2'],
    exposure: foundOn('removal-beside-a-death-102537'),
    seedsMax: 1,
  },
  {
    name: 'death-waits-for-a-removal',
    bug: 'a dead server is removed only after the removal of another one that etcd refuses',
    edits: [
      {
        file: 'src/core/planner/roles.ts',
        find: 'if (input.inGrace || !input.etcdAnswers) return undefined\n  const up',
        replace: 'if (input.inGrace || !input.etcdAnswers || leaving !== "") return undefined\n  const up',
      },
    ],
    breaks: ['L2'],
    exposure: foundOn('removal-beside-a-death-102537'),
    seedsMax: 1,
  },
  {
    name: 'lost-data-not-said',
    bug: 'a server whose k3s data were deleted halts and tells nobody',
    edits: [
      {
        file: 'src/core/k3s/run.ts',
        find: "blocked: memberId !== '' && member === 'present' ? { ...halted, say: { lost } } : halted,",
        replace: 'blocked: halted,',
      },
    ],
    breaks: ['L2'],
    exposure: foundOn('lost-data-101950'),
    seedsMax: 1,
  },
  {
    name: 'leaver-counts-as-gone',
    bug: 'a server that said goodbye and still serves does not count for the quorum of etcd',
    edits: [
      {
        file: 'src/core/planner/roles.ts',
        find: 'return input.leaving.has(one.nodeId) || (',
        replace: "return input.leaving.has('') || (",
      },
    ],
    breaks: ['L2'],
    exposure: foundOn('leaver-beside-a-death-133440'),
    seedsMax: 1,
  },
  {
    name: 'blind-leader-takes-etcd-for-lost',
    bug: 'a leader that halted and so sees no etcd says that etcd has no quorum, and does nothing about its own lost data',
    edits: [
      {
        file: 'src/core/planner/next.ts',
        find: "return own?.role === 'control-plane' && !halted(self)",
        replace: "return own?.role === 'control-plane' && (!halted(self) || self !== '')",
      },
    ],
    breaks: ['L2'],
    exposure: like('blind-leader-200454'),
    seedsMax: 200,
  },
  {
    name: 'adds-beside-a-halted-server',
    bug: 'a server is added while another one has halted: etcd refuses it, it is given up, and added again, for ever',
    edits: [
      {
        file: 'src/core/planner/roles.ts',
        find: 'servers.length >= target || servers.some(({ nodeId }) => input.hasHalted(nodeId))',
        replace: "servers.length >= target || servers.some(({ nodeId }) => nodeId === '')",
      },
    ],
    breaks: ['L2'],
    exposure: foundOn('addition-beside-lost-data-303'),
    seedsMax: 1,
  },
  {
    name: 'forgets-a-grant-while-k3s-starts',
    bug: 'a grant that is revoked while its k3s is being started is forgotten, and its data count as those of the next one',
    edits: [
      {
        file: 'src/core/k3s/decide.ts',
        find: "return !busy && !isDirty(observation) && observation.configured === ''",
        replace: "return (!busy || busy) && !isDirty(observation) && observation.configured === ''",
      },
    ],
    breaks: ['S4', 'S14'],
    exposure: foundOn('revoked-while-starting-305103'),
    seedsMax: 1,
  },
]
