import type { Codec } from '../model/codec.ts'
import { list, struct, text } from '../model/codec.ts'
import type { Crypto } from '../model/crypto.ts'
import type { Hash } from '../model/ids.ts'

/** The hardware on which an identity was born, as far as the machine tells. Empty: unknown. */
export interface BirthRecord {
  /** `/etc/machine-id`: lies on the disk and is copied with it, so it proves nothing about the hardware. */
  readonly machineId: string
  /** SMBIOS product UUID. */
  readonly productUuid: string
  /** Hardware addresses of the physical links, sorted. */
  readonly macs: readonly string[]
  /** Serial number of the disk that holds the state. */
  readonly diskSerial: string
}

/** The record of a machine that tells nothing. */
export const unknownBirth: BirthRecord = { machineId: '', productUuid: '', macs: [], diskSerial: '' }

/** Strict shape of a birth record that is read back from a disk. */
export const birthCodec: Codec<BirthRecord> = struct({
  machineId: text(128),
  productUuid: text(128),
  macs: list(text(32), 64),
  diskSerial: text(256),
})

/** Digest of a birth record, as member records carry it. */
export function birthDigest(birth: BirthRecord, crypto: Pick<Crypto, 'digest'>): Hash {
  return crypto.digest('muster/birth/1', normalize(birth))
}

/** What a comparison can rest on. */
export type BirthPart = 'product UUID' | 'MAC addresses' | 'disk serial'

/**
 * How the machine of now relates to the one of birth:
 * - `same`: every part that both know agrees, or they know no part in common (nothing speaks against it).
 * - `repaired`: board or links agree and something else does not: a part was replaced.
 * - `moved`: only the disk agrees: it sits in another machine.
 * - `elsewhere`: nothing agrees: a cloned disk, or a migrated virtual machine.
 */
export interface BirthComparison {
  readonly kind: 'same' | 'repaired' | 'moved' | 'elsewhere'
  readonly agreeing: readonly BirthPart[]
  readonly differing: readonly BirthPart[]
}

/** Compares the machine of birth with the machine of now. */
export function compareBirth(record: BirthRecord, machineNow: BirthRecord): BirthComparison {
  const then = normalize(record)
  const now = normalize(machineNow)
  const agreeing: BirthPart[] = []
  const differing: BirthPart[] = []
  const judge = (part: BirthPart, known: boolean, agrees: boolean): void => {
    if (known) (agrees ? agreeing : differing).push(part)
  }
  judge(
    'product UUID',
    then.productUuid !== '' && now.productUuid !== '',
    then.productUuid === now.productUuid,
  )
  // One common link is enough: cards are added and taken out.
  judge(
    'MAC addresses',
    then.macs.length > 0 && now.macs.length > 0,
    then.macs.some((mac) => now.macs.includes(mac)),
  )
  judge('disk serial', then.diskSerial !== '' && now.diskSerial !== '', then.diskSerial === now.diskSerial)
  return { kind: kindOf(agreeing, differing), agreeing, differing }
}

function kindOf(agreeing: readonly BirthPart[], differing: readonly BirthPart[]): BirthComparison['kind'] {
  if (differing.length === 0) return 'same'
  if (agreeing.some((part) => part !== 'disk serial')) return 'repaired'
  // A disk whose serial differs while nothing else is known may be a restored image: not proof of a machine.
  return agreeing.length > 0 ? 'moved' : 'elsewhere'
}

/** What firmware says when nobody filled it in: equal on thousands of boards, so it identifies none. */
const placeholders: ReadonlySet<string> = new Set([
  '00000000-0000-0000-0000-000000000000',
  'ffffffff-ffff-ffff-ffff-ffffffffffff',
  '03000200-0400-0500-0006-000700080009',
  '12345678-1234-5678-90ab-cddeefaabbcc',
  'not settable',
  'not specified',
  'not available',
  'to be filled by o.e.m.',
  'default string',
  'none',
  // QEMU's first disk, on every virtual machine that names none.
  'qm00001',
  '00:00:00:00:00:00',
])

function normalize(birth: BirthRecord): BirthRecord {
  const clean = (value: string): string => {
    const lower = value.trim().toLowerCase()
    return placeholders.has(lower) ? '' : lower
  }
  return {
    machineId: clean(birth.machineId),
    productUuid: clean(birth.productUuid),
    macs: [...new Set(birth.macs.map(clean))].filter((mac) => mac !== '').toSorted(),
    diskSerial: clean(birth.diskSerial),
  }
}
