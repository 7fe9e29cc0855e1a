import type { Mutant } from './mutant.ts'

/** Bugs in what is believed of others. */
export const membershipMutants: readonly Mutant[] = [
  {
    name: 'record-without-signature',
    bug: "a member's record is believed whoever signed it",
    edits: [
      {
        file: 'src/core/membership/record-table.ts',
        find: "return this.#crypto.verify(signed.record.nodeId, 'muster/record/1', signed.record, signed.signature)",
        replace: 'return signed.record.nodeId !== ""',
      },
    ],
    breaks: ['S9'],
    exposure: { faults: 'liars', nodes: 5 },
    seedsMax: 200,
  },
  {
    name: 'older-record-wins',
    bug: 'the record that comes last is taken for the newest',
    edits: [
      {
        file: 'src/core/membership/record-merge.ts',
        find: "return order > 0 ? 'newer' : 'older'",
        replace: "return order !== 0 ? 'newer' : 'older'",
      },
      {
        file: 'src/core/membership/record-merge.ts',
        find: 'if (order !== 0) return order > 0 ? a : b',
        replace: 'if (order !== 0) return a',
      },
    ],
    breaks: ['S11'],
    exposure: { faults: 'lossy', nodes: 5 },
    seedsMax: 50,
  },
]
