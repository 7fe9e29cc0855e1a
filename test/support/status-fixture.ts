import type { StatusResource } from '../../src/agent/api/resources.ts'

/** The status of a node that waits for a third machine, with changes. */
export function statusFixture(changes: Partial<StatusResource> = {}): StatusResource {
  return {
    apiVersion: 'muster/v1',
    kind: 'Status',
    now: 100_000,
    nodeId: '12D3KooWaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaah1h1h1h1',
    hostname: 'h1',
    version: '0.1.0',
    phase: 'membership',
    note: '',
    assignment: null,
    plan: null,
    members: { known: 2, alive: 2 },
    peers: { connected: 1 },
    waiting: [
      {
        for: 'machines',
        have: 2,
        need: 3,
        missing: ['h3'],
        since: 59_000,
        retryAt: 103_000,
        message: 'Two of three machines are here.',
      },
    ],
    conditions: [
      {
        type: 'PeersFound',
        status: 'true',
        reason: 'Connected',
        message: 'Connected to 1 of 1 known peers.',
        hint: '',
        since: 58_000,
      },
      {
        type: 'Chartered',
        status: 'false',
        reason: 'Waiting',
        message: 'There is no cluster yet.',
        hint: 'Start the others.',
        since: 40_000,
      },
      {
        type: 'AddressFree',
        status: 'false',
        reason: 'AddressOverlap',
        message: 'The overlay is in the way.',
        hint: 'Choose another range.',
        since: 40_000,
      },
    ],
    ...changes,
  }
}
