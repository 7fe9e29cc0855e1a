import type { ConditionLog } from '../core/status/condition-log.ts'
import { buildStatus } from '../core/status/build-status.ts'
import type { NodeStatus, StatusInput } from '../core/status/types.ts'
import type { NodeView } from '../core/node.ts'

/** What the agent knows beside its core. */
export interface StatusSurroundings {
  readonly networkName: string
  /** Why nothing can be written at present; undefined: it can. */
  readonly storeFailure: string | undefined
  /** Milliseconds until unknown machines are called for again. */
  readonly nextCallInMs: number | undefined
}

/** The status of a node from what its core shows. */
export function nodeStatus(view: NodeView, around: StatusSurroundings, log: ConditionLog): NodeStatus {
  const { storeFailure } = around
  const status = buildStatus(statusInput(view, around), log)
  const stateWritable = log.stamp(
    [
      {
        type: 'StateWritable',
        status: storeFailure === undefined ? 'true' : 'false',
        reason: storeFailure === undefined ? 'Written' : 'CannotWrite',
        message: storeFailure ?? 'The state directory takes writes.',
        hint:
          storeFailure === undefined
            ? ''
            : 'Free space or mend the disk: this node says nothing until it can write.',
      },
    ],
    view.now,
  )
  return { ...status, conditions: [...status.conditions, ...stateWritable] }
}

function statusInput(view: NodeView, { networkName, nextCallInMs }: StatusSurroundings): StatusInput {
  const { consensus, birth } = view
  const answered = new Set([...consensus.have, ...consensus.refusals.map(({ voter }) => voter)])
  const idle = consensus.stage === 'idle'
  const fork = view.forks[0]
  return {
    now: view.now,
    networkName,
    networkId: view.networkId,
    self: view.self,
    view: view.membership,
    bootstrap: view.bootstrap,
    identitiesSeen: view.seen.length,
    linkUp: view.linkUp,
    connected: view.connected,
    refused: view.refusals.map(({ peer, address, code, detail }) => ({ peer, address, code, detail })),
    quarantine:
      view.quarantine === undefined
        ? undefined
        : {
            reason: 'HardwareDiffers',
            message: view.quarantine,
            hint: 'The voters clear it when the original stays silent. If you know that the original is off for good: `muster identity keep`.',
          },
    plan: view.chain.newest,
    planHash: view.chain.hash,
    plannerReasons: view.planning,
    charterRefused:
      view.charterRefused ??
      (birth?.kind === 'refused'
        ? {
            reason: birth.reason,
            message: birth.message,
            hint: 'Set `expect` to the number of machines, on all of them.',
          }
        : undefined),
    consensus: {
      leader: consensus.leader,
      ballot: consensus.promised,
      have: idle ? 0 : consensus.have.length,
      need: idle ? 0 : consensus.need,
      missing: consensus.asked.filter((id) => !answered.has(id)),
      refusals: consensus.refusals,
      retryAt: consensus.nextAttemptAt,
    },
    birth: birth?.kind === 'waiting' ? birth.waiting : undefined,
    following: view.following,
    voteCheck: consensus.voteCheck,
    discoveryAt: nextCallInMs === undefined ? undefined : view.now + nextCallInMs,
    fork: fork === undefined ? undefined : { clusterId: fork.clusterId, signers: [fork.from] },
    overlay: view.overlay,
    k3s: view.k3sObservation,
    settleAt: birth?.kind === 'waiting' && birth.waiting.for === 'time' ? view.now + view.holdMs : undefined,
  }
}
