import type { Mutant } from './mutant.ts'

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
    exposure: { faults: 'hostile', nodes: 5 },
    seedsMax: 200,
  },
  {
    name: 'k3s-record-not-persisted',
    bug: 'k3s is started before the record that announces it is on disk',
    edits: [
      {
        file: 'src/core/node/execution.ts',
        find: 'if (decision.record !== this.#record && decision.record !== undefined) {',
        replace: 'if (decision.record !== this.#record && decision.record === undefined) {',
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
    ],
    breaks: ['S5'],
    exposure: { faults: 'hostile', nodes: 5 },
    seedsMax: 500,
  },
  {
    name: 'statement-of-another-grant',
    bug: 'the word of a revoked initialiser counts for the present grant',
    edits: [
      {
        file: 'src/core/node/words.ts',
        find: '(statement, signer) => statement.grant === grant.number && signer === grant.team[0],',
        replace: '(statement) => statement.grant <= grant.number,',
      },
      {
        file: 'src/core/node/statement-book.ts',
        find: "case 'initialised':\n      return statement.grant === header.grant?.number",
        replace: "case 'initialised':\n      return header.generation >= 0",
      },
      {
        file: 'src/core/k3s/team.ts',
        find: 'initialised === undefined || initialised.grant !== record.grant',
        replace: 'initialised === undefined',
      },
    ],
    breaks: ['S5'],
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
        find: "const gone = absence(input, record) === 'absent'\n",
        replace: "const gone = absence(input, record) !== 'absent' || record.grant > 0\n",
      },
    ],
    breaks: ['S13'],
    exposure: { faults: 'hostile', nodes: 5 },
    seedsMax: 200,
  },
  {
    name: 'clears-on-an-old-list',
    bug: 'a list that is older than the plan proves that a member is gone',
    edits: [
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
