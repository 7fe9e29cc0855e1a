import type { Exposure, Mutant } from './mutant.ts'

/** Every machine loses its power once while the first servers make the cluster. */
const cutWhileMaking: Exposure = {
  faults: 'clean',
  nodes: 5,
  fixed: {
    boots: [0, 0, 0, 0, 0],
    k3s: { startMs: [2_000, 6_000], failure: 0, lostReply: 0 },
    faults: [0, 1, 2, 3, 4].map((node) => ({
      kind: 'power-cut',
      at: 6_500 + 900 * node,
      forMs: 1_000,
      node,
      keeps: true,
    })),
    horizonMs: 30_000,
  },
}

/** Four of five hand out the secrets of a CA that nobody made. */
const forgedSecrets: Exposure = {
  faults: 'clean',
  nodes: 5,
  fixed: {
    faults: [0, 1, 2, 3].map((node) => ({ kind: 'lie', at: 2_500, forMs: 60_000, node, how: 'forge' })),
    boots: [0, 0, 0, 0, 0],
    horizonMs: 60_000,
  },
}

/** Bugs in how a machine carries out its assignment. */
export const k3sMutants: readonly Mutant[] = [
  {
    name: 'init-again-after-the-statement',
    bug: 'the initialiser starts k3s with cluster-init again after others may have joined',
    edits: [
      {
        file: 'src/core/k3s/team.ts',
        find: "const role = observation.hasEtcdData ? 'server' : 'server-init'",
        replace: "const role = observation.tombstone ? 'server' : 'server-init'",
      },
    ],
    breaks: ['S3'],
    exposure: cutWhileMaking,
    seedsMax: 200,
  },
  {
    name: 'k3s-record-not-persisted',
    bug: 'k3s is started before the record that announces it is on disk',
    edits: [
      {
        file: 'src/core/node/execution.ts',
        find: '      if (decision.record !== undefined)\n',
        replace: '      if (decision.record === undefined)\n',
      },
    ],
    breaks: ['S3', 'S12'],
    exposure: { faults: 'clean', nodes: 5 },
    seedsMax: 5,
  },
  {
    name: 'ca-not-checked',
    bug: 'a server joins with secrets whose CA nobody certified',
    edits: [
      {
        file: 'src/core/k3s/decide.ts',
        find: 'if (expectedCa(input) !== offered.caHash) return input',
        replace: "if (expectedCa(input) === '') return input",
      },
      {
        file: 'src/core/k3s/team.ts',
        find: 'record.secrets.caHash !== initialised.caHash ||',
        replace: "record.secrets.caHash === '' ||",
      },
      {
        file: 'src/core/k3s/run.ts',
        find: "(hash) => hash !== '' && hash !== caHash,",
        replace: "(hash) => hash !== '' && caHash === '',",
      },
    ],
    breaks: ['S5'],
    exposure: forgedSecrets,
    seedsMax: 500,
  },
  {
    name: 'keeps-the-data-of-a-revoked-grant',
    bug: 'k3s data of a grant that was revoked stay on the disk, and a server runs on them under the next one',
    edits: [
      {
        file: 'src/core/k3s/decide.ts',
        find: 'if (!isClean(input, observation)) {\n    const reason',
        replace: "if (observation.tombstone && observation.configured !== '') {\n    const reason",
      },
      {
        file: 'src/core/k3s/run.ts',
        find: "(hash) => hash !== '' && hash !== caHash,",
        replace: "(hash) => hash !== '' && caHash === '',",
      },
      {
        file: 'src/core/k3s/team.ts',
        find: 'if (observation.caHash !== record.secrets.caHash) {',
        replace: "if (observation.caHash === '') {",
      },
      {
        file: 'src/core/k3s/team.ts',
        find: "(observation.caHash !== '' && observation.caHash !== initialised.caHash)",
        replace: "initialised.caHash === ''",
      },
    ],
    breaks: ['S4'],
    exposure: { faults: 'hostile', nodes: 5 },
    seedsMax: 500,
  },
  {
    name: 'joins-before-its-turn',
    bug: 'the third server of the team joins while the second is still a learner',
    edits: [
      {
        file: 'src/core/k3s/team.ts',
        find: 'if (missing.length === 0 && strangers.length === 0) return undefined',
        replace: 'if (missing.length >= 0 || strangers.length === 0) return undefined',
      },
    ],
    breaks: ['S6'],
    exposure: { faults: 'clean', nodes: 5 },
    seedsMax: 50,
  },
  {
    name: 'api-open-before-active',
    bug: 'the API is open to everybody as soon as it runs',
    edits: [
      {
        file: 'src/core/k3s/unit.ts',
        find: "if (plan.header.phase === 'active') return 'all'",
        replace: "if (plan.header.phase !== 'chartered') return 'all'",
      },
    ],
    breaks: ['S14'],
    exposure: { faults: 'clean', nodes: 5 },
    seedsMax: 5,
  },
  {
    name: 'wipes-because-the-plan-says-so',
    bug: 'a server that lost its role puts its data away although etcd still lists it',
    edits: [
      {
        file: 'src/core/k3s/run.ts',
        find: 'if (observation.tombstone) return afterRemoval(input, record)\n  if (!observation.hasEtcdData) {',
        replace:
          "if (record.grant > 0) return putAway(record, 'the plan says so')\n  if (!observation.hasEtcdData) {",
      },
    ],
    breaks: ['S13'],
    exposure: { faults: 'hostile', nodes: 5 },
    seedsMax: 200,
  },
  {
    name: 'clears-on-an-old-list',
    bug: 'a list that is older than the plan proves that a member is gone, without a tombstone',
    edits: [
      {
        file: 'src/core/k3s/run.ts',
        find: "if (!assigned && absence(input, record) === 'absent')",
        replace: "if (absence(input, record) === 'absent')",
      },
      {
        file: 'src/core/k3s/run.ts',
        find: 'list.generation >= input.plan.header.generation &&\n      list.members.some((member) => member.address === from.address4 && !member.learner)',
        replace: 'list.generation >= 0',
      },
      {
        file: 'src/core/k3s/run.ts',
        find: 'list.members.some((member) => member.id === record.memberId || member.address === own),',
        replace: 'list.members.some((member) => member.id === record.memberId && member.learner),',
      },
    ],
    breaks: ['S13'],
    exposure: { faults: 'hostile', nodes: 5 },
    seedsMax: 200,
  },
]
