// Times of many runs, in a form that is small, that workers can send, and whose parts add up.

/** Each bucket is so much longer than the one before: what is read from a distribution is exact to 1 %. */
const growth = 1.01

/** How long something took, over many runs. Milliseconds. */
export interface Distribution {
  /** Runs by number of bucket; bucket `b` begins at 1.01^b ms. */
  readonly buckets: Record<number, number>
  /** Runs in which it happened. */
  count: number
  /** Runs in which it never happened. */
  never: number
  leastMs: number
  mostMs: number
}

/** No run yet. */
export function emptyDistribution(): Distribution {
  return { buckets: {}, count: 0, never: 0, leastMs: Infinity, mostMs: 0 }
}

/** Counts one run; undefined: it never happened. */
export function addTime(distribution: Distribution, ms: number | undefined): void {
  if (ms === undefined) {
    distribution.never += 1
    return
  }
  const bucket = Math.max(0, Math.floor(Math.log(Math.max(1, ms)) / Math.log(growth)))
  distribution.buckets[bucket] = (distribution.buckets[bucket] ?? 0) + 1
  distribution.count += 1
  distribution.leastMs = Math.min(distribution.leastMs, ms)
  distribution.mostMs = Math.max(distribution.mostMs, ms)
}

/** Adds another worker's runs to these. */
export function addDistribution(into: Distribution, from: Distribution): void {
  for (const [bucket, count] of Object.entries(from.buckets)) {
    into.buckets[Number(bucket)] = (into.buckets[Number(bucket)] ?? 0) + count
  }
  into.count += from.count
  into.never += from.never
  into.leastMs = Math.min(into.leastMs, from.leastMs)
  into.mostMs = Math.max(into.mostMs, from.mostMs)
}

/** Ranges of time with their numbers of runs, in order. */
export function rangesOf({ buckets }: Distribution): readonly {
  readonly fromMs: number
  readonly toMs: number
  readonly count: number
}[] {
  const numbers = Object.keys(buckets).map(Number)
  return numbers
    .toSorted((a, b) => a - b)
    .map((bucket) => ({
      fromMs: growth ** bucket,
      toMs: growth ** (bucket + 1),
      count: buckets[bucket] ?? 0,
    }))
}

/**
 * The time within which a share of the runs had it happen, by nearest rank; runs in which it never happened count as longer
 * than any. Undefined where that share never had it.
 */
export function quantileMs(distribution: Distribution, share: number): number | undefined {
  const total = distribution.count + distribution.never
  const rank = Math.max(1, Math.ceil(share * total))
  if (rank > distribution.count) return undefined
  let seen = 0
  for (const { fromMs, toMs, count } of rangesOf(distribution)) {
    seen += count
    if (seen >= rank) {
      return Math.min(distribution.mostMs, Math.max(distribution.leastMs, Math.sqrt(fromMs * toMs)))
    }
  }
  return undefined
}
