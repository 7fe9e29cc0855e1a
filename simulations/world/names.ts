import type { BirthRecord } from '../../src/core/identity/birth.ts'
import type { NodeId } from '../../src/core/model/ids.ts'
import { stream } from '../kernel/streams.ts'

const alphabet = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz'

/** A node id that looks like a peer id: the `life`-th identity of a machine. */
export function identityOf(seed: number, machine: number, life: number): NodeId {
  const random = stream(seed, `identity ${machine} ${life}`)
  let text = '12D3KooW'
  for (let i = 0; i < 44; i++) text += alphabet[random.below(58)]
  return text
}

/** The hardware of a machine. */
export function hardwareOf(machine: number): BirthRecord {
  return {
    machineId: `machine ${machine}`,
    productUuid: `uuid ${machine}`,
    macs: [`02:00:00:00:${Math.trunc(machine / 256)}:${machine % 256}`],
    diskSerial: `disk ${machine}`,
  }
}

/** Address of a machine on the site's network. */
export function underlayAddress(machine: number): string {
  return `10.77.${Math.trunc(machine / 250)}.${(machine % 250) + 1}`
}

/** What a machine listens on. */
export function endpointOf(machine: number): string {
  return `/ip4/${underlayAddress(machine)}/tcp/4710`
}
