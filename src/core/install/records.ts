// images.json: what a machine remembers of the images that it ran. It outlives every slot.

/** An image that is never tried again. */
export interface RejectedImage {
  readonly imageId: string
  readonly version: string
  readonly reason: string
}

/** An image that was installed and has not proved itself yet. */
export interface Trial {
  readonly imageId: string
  readonly version: string
  /** Image that ran when it was installed; empty at the first installation. */
  readonly from: string
  /** What its last boot failed at, as far as it could say; empty: nothing yet. */
  readonly failure: string
}

/** How healthy the machine was before an upgrade: the new image is measured by this, not by perfection. */
export type HealthBaseline = Readonly<Record<string, boolean | number | string>>

export interface ImageRecords {
  readonly format: 1
  /** Epoch of the newest image that was ever healthy here. Never goes back. */
  readonly highestEpoch: number
  /** Images that were healthy here: only these are trusted without a counter. Newest last. */
  readonly blessed: readonly string[]
  readonly rejected: readonly RejectedImage[]
  readonly trial: Trial | null
  readonly baseline: HealthBaseline | null
}

/** Records of a machine that ran nothing yet. */
export const noRecords: ImageRecords = {
  format: 1,
  highestEpoch: 0,
  blessed: [],
  rejected: [],
  trial: null,
  baseline: null,
}

/**
 * Records in place of ones that are lost: nothing is trusted any more, and yet no epoch is forgotten that can be known otherwise.
 * `epochs` are those of the running image and of the installation; one that is no whole number above 0 says nothing.
 */
export function recordsAfterLoss(epochs: readonly number[]): ImageRecords {
  const known = epochs.filter((epoch) => Number.isSafeInteger(epoch) && epoch > 0)
  return { ...noRecords, highestEpoch: Math.max(0, ...known) }
}

/** Most images that are remembered of each kind: an image a week for a year. */
const rememberedMax = 52
/** Longest reason, in characters. */
const reasonMax = 512

/** Text of the file. */
export function encodeRecords(records: ImageRecords): string {
  return `${JSON.stringify(records, undefined, 2)}\n`
}

/**
 * Reads the file. Undefined where it is damaged: then nothing is trusted, and every image proves itself again.
 */
export function parseRecords(text: string): ImageRecords | undefined {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return undefined
  }
  if (!isObject(value) || value['format'] !== 1) return undefined
  const { highestEpoch, blessed, rejected, trial, baseline } = value
  if (typeof highestEpoch !== 'number' || !Number.isSafeInteger(highestEpoch) || highestEpoch < 0)
    return undefined
  if (!Array.isArray(blessed) || !blessed.every((each) => typeof each === 'string')) return undefined
  if (
    !Array.isArray(rejected) ||
    !rejected.every((each) => isTexts(each, ['imageId', 'version', 'reason']))
  ) {
    return undefined
  }
  if (trial !== null && !isTexts(trial, ['imageId', 'version', 'from', 'failure'])) return undefined
  if (baseline !== null && !isObject(baseline)) return undefined
  return value as unknown as ImageRecords
}

/** A trial begins. */
export function withTrial(
  records: ImageRecords,
  trial: Omit<Trial, 'failure'>,
  baseline: HealthBaseline | null,
): ImageRecords {
  return { ...records, trial: { ...trial, failure: '' }, baseline }
}

/** Why a trial's boot was not healthy. It counts only when all tries are used up. */
export function withFailure(records: ImageRecords, failure: string): ImageRecords {
  return records.trial === null
    ? records
    : { ...records, trial: { ...records.trial, failure: failure.slice(0, reasonMax) } }
}

/** An image proved itself. What it was once rejected for is forgotten: it was made to run again on purpose. */
export function withBlessing(records: ImageRecords, imageId: string, epoch: number): ImageRecords {
  const ended = records.trial?.imageId === imageId
  return {
    ...records,
    highestEpoch: Math.max(records.highestEpoch, epoch),
    blessed: [...records.blessed.filter((each) => each !== imageId), imageId].slice(-rememberedMax),
    rejected: records.rejected.filter((each) => each.imageId !== imageId),
    trial: ended ? null : records.trial,
    baseline: ended ? null : records.baseline,
  }
}

/** An image is known to be good no longer; it may be installed anew. */
export function withoutBlessing(records: ImageRecords, imageId: string): ImageRecords {
  return { ...records, blessed: records.blessed.filter((each) => each !== imageId) }
}

/** An image is never tried again. */
export function withRejection(records: ImageRecords, rejected: RejectedImage): ImageRecords {
  const ended = records.trial?.imageId === rejected.imageId
  return {
    ...records,
    blessed: records.blessed.filter((each) => each !== rejected.imageId),
    rejected: [
      ...records.rejected.filter(({ imageId }) => imageId !== rejected.imageId),
      { ...rejected, reason: rejected.reason.slice(0, reasonMax) },
    ].slice(-rememberedMax),
    trial: ended ? null : records.trial,
    baseline: ended ? null : records.baseline,
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isTexts(value: unknown, keys: readonly string[]): boolean {
  return isObject(value) && keys.every((key) => typeof value[key] === 'string')
}
