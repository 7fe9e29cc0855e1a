import type { NodeId } from '../model/ids.ts'
import { shortId } from '../model/ids.ts'
import type { ClusterPlan } from '../model/plan.ts'
import { assignmentOf } from '../model/plan.ts'
import { serversOf } from './evidence.ts'
import { largestOdd } from './fitness.ts'

/** The answer of `plan explain NODE`: one sentence a line, from the plan alone, so that every node says the same. */
export function explain(plan: ClusterPlan, node: NodeId): readonly string[] {
  const { header, body } = plan
  const assignment = assignmentOf(body, node)
  if (assignment === undefined) {
    const former = body.retired.find((one) => one.nodeId === node)
    return former === undefined
      ? [`${shortId(node)} has no place in generation ${header.generation}.`]
      : [`${former.name} is retired: ${former.reason}. Its address ${former.address4} is free.`]
  }
  const { name, role, address4, address6, reason } = assignment
  const lines = [
    `${name} is a ${role}: ${reason}.`,
    `Its addresses are ${address4} and ${address6}; it keeps them for life.`,
  ]
  lines.push(
    header.voters.includes(node)
      ? `It is one of ${header.voters.length} voters who decide the next plan.`
      : `It is no voter; ${header.voters.length} others decide the next plan.`,
  )
  const place = header.grant?.team.indexOf(node) ?? -1
  if (place === 0) lines.push(`Grant ${header.grant?.number} made it the initialiser.`)
  if (place > 0) lines.push(`It is in the team of grant ${header.grant?.number}.`)
  if (header.openChange?.node === node) {
    lines.push(
      header.openChange.kind === 'add'
        ? 'It is joining etcd now; nobody else joins or leaves the control plane meanwhile.'
        : `Its etcd member ${header.openChange.etcdMemberId} is being removed.`,
    )
  }
  const servers = serversOf(body.assignments).length
  lines.push(
    `The control plane has ${servers} of ${largestOdd(body.spec.controlPlane)} servers that the spec asks for.`,
  )
  return lines
}
