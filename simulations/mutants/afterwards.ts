import type { Plan, Trial } from '../plan/plan.ts'
import type { Exposure, Mutant } from './mutant.ts'

/** A calm site of five, all of it healed, and then what it must bear. */
function thenBears(trial: Trial, fixed: Partial<Plan> = {}): Exposure {
  return {
    faults: 'clean',
    nodes: 5,
    fixed: { controlPlane: 3, core: [0, 1, 2, 3, 4], trials: [trial], ...fixed },
  }
}

/** Bugs that a cluster shows only once it is well. */
export const afterwardsMutants: readonly Mutant[] = [
  {
    name: 'dead-server-stays',
    bug: 'a dead server keeps its place although a spare is there',
    edits: [
      {
        file: 'src/core/planner/roles.ts',
        find: 'const isReplaceable = surplus || input.spares.length > 0',
        replace: 'const isReplaceable = surplus',
      },
    ],
    breaks: ['L3'],
    exposure: thenBears('server-dies'),
    seedsMax: 20,
  },
  {
    name: 'planner-follows-the-clock',
    bug: 'the plan says something else every ten seconds although nothing has happened',
    edits: [
      {
        file: 'src/core/planner/next.ts',
        find: '  if (draft.done.length === 0) {\n',
        replace: `  const said = Math.floor(desk.now / 10_000) % 2 === 0 ? 'tick' : 'tock'
  const isBored = desk.plan.header.phase === 'active' && desk.plan.header.openChange === null
  if (draft.done.length === 0 && isBored && draft.assignments[0]?.reason !== said) {
    const assignments = draft.assignments.map((one, index) => (index === 0 ? { ...one, reason: said } : one))
    return finish(desk, { ...draft, assignments, done: [said] })
  }
  if (draft.done.length === 0) {
`,
      },
    ],
    breaks: ['L5'],
    exposure: thenBears('quiet'),
    seedsMax: 20,
  },
  {
    name: 'waits-for-a-dead-leader',
    bug: 'a leader that is known to be dead keeps its turn, and the next one waits for half a minute',
    edits: [
      {
        file: 'src/core/consensus/pacing.ts',
        find: '    const step = this.#timers.leaderTimeoutMs\n',
        replace: '    const step = 10 * this.#timers.leaderTimeoutMs\n',
      },
      {
        file: 'src/core/consensus/pacing.ts',
        find: 'else if ((id === this.#leader || !listed) && alive(id)) rank++',
        replace: 'else if (id === this.#leader || (!listed && alive(id))) rank++',
      },
    ],
    breaks: ['L6'],
    exposure: thenBears('leader-dies'),
    seedsMax: 20,
  },
  {
    name: 'restarted-voters-wait-for-each-other',
    bug: 'a voter that waits for the word of the others gives none itself',
    edits: [
      {
        file: 'src/core/consensus/consensus.ts',
        find: "      case 'vote-check':\n",
        replace: `      case 'vote-check':
        if (!this.#voteCheck.mayVote(this.#electorate.voters)) return
`,
      },
    ],
    breaks: ['S15'],
    exposure: thenBears('power-cut'),
    seedsMax: 20,
  },
  {
    name: 'servers-wait-for-each-other',
    bug: 'a server that has its data starts only when another one is ready',
    edits: [
      {
        file: 'src/core/k3s/run.ts',
        find: `  if (!input.overlayUp && !running) return waitForOverlay(record)
  const server = chooseServer(input, current, observation.hasEtcdData)`,
        replace: `  const others = serversOf(input.plan).filter(
    ({ nodeId }) => input.peers.find((peer) => peer.id === nodeId)?.phase === 'k3s-ready' && nodeId !== input.self,
  )
  if ((!input.overlayUp || others.length === 0) && !running) return waitForOverlay(record)
  const server = chooseServer(input, current, observation.hasEtcdData)`,
      },
    ],
    breaks: ['S15'],
    exposure: thenBears('power-cut'),
    seedsMax: 20,
  },
]
