import type { BirthRecord } from '../../src/core/identity/birth.ts'
import type { NodeFacts } from '../../src/core/model/member.ts'

/** Network of every simulated site. */
export const networkId: string = 'a'.repeat(64)

/** Every machine is a board of its own: a disk in another one is known. */
export function hardwareOf(index: number): BirthRecord {
  return {
    machineId: '',
    productUuid: `board-${index}`,
    macs: [`02:00:00:00:${(index >> 8).toString(16)}:${(index & 255).toString(16)}`],
    diskSerial: `disk-${index}`,
  }
}

/** What such a board says of itself. */
export function factsOf(index: number): NodeFacts {
  return {
    hostname: `host${index}`,
    machineId: `machine${index}`,
    arch: 'x64',
    cpus: 2,
    memoryMiB: 4_096,
    zone: '',
    roles: ['control-plane', 'worker'],
    durable: true,
    version: '0',
    k3sVersion: '',
    localNetworks: ['10.77.0.0/16'],
  }
}
