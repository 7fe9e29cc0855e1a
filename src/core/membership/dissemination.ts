import type { NodeId } from '../model/ids.ts'

/**
 * How often one node passes on one piece of news: 4·log10(n + 1), rounded up. By then all n have it with
 * high probability. Source: SWIM (Das, Gupta, Motivala 2002), section 4.1; factor of memberlist's LAN profile.
 */
export function sendLimit(members: number): number {
  return Math.max(1, Math.ceil(4 * Math.log10(members + 1)))
}

interface News<T> {
  readonly subject: NodeId
  readonly item: T
  /** Who told us; it need not hear it again. */
  readonly source: NodeId
  sends: number
}

/**
 * News that wait to be passed on: at most one piece for each subject, the newer replaces the older.
 * What was sent least often goes first, and among those the freshest, so that a flood of old news never
 * holds up a new one. Work is proportional to what is taken, not to what waits.
 */
export class BroadcastQueue<T> {
  /** `#tiers[k]`: news sent k times, freshest last. */
  readonly #tiers: News<T>[][] = []
  readonly #bySubject = new Map<NodeId, News<T>>()

  get size(): number {
    return this.#bySubject.size
  }

  put(subject: NodeId, item: T, source: NodeId): void {
    this.drop(subject)
    const news: News<T> = { subject, item, source, sends: 0 }
    this.#bySubject.set(subject, news)
    this.#tier(0).push(news)
  }

  drop(subject: NodeId): void {
    const news = this.#bySubject.get(subject)
    if (news === undefined) return
    this.#bySubject.delete(subject)
    const tier = this.#tier(news.sends)
    tier.splice(tier.indexOf(news), 1)
  }

  /** Up to `max` items for `target`, and counts them as sent. Its own words are not told back to a source. */
  take(target: NodeId, max: number, limit: number): T[] {
    const taken: News<T>[] = []
    for (const tier of this.#tiers) {
      for (let index = tier.length - 1; index >= 0 && taken.length < max; index--) {
        const news = tier[index] as News<T>
        if (news.source === target) continue
        taken.push(news)
        tier.splice(index, 1)
      }
    }
    // In reverse, so that the freshest is the last of its new tier as well.
    for (const news of taken.toReversed()) this.#count(news, limit)
    return taken.map((news) => news.item)
  }

  /** Counts everything as sent once: nobody was there who could be told. */
  pass(limit: number): void {
    const all = this.#tiers.flat()
    for (const tier of this.#tiers) tier.length = 0
    for (const news of all) this.#count(news, limit)
  }

  #count(news: News<T>, limit: number): void {
    news.sends++
    if (news.sends >= limit) this.#bySubject.delete(news.subject)
    else this.#tier(news.sends).push(news)
  }

  #tier(sends: number): News<T>[] {
    while (this.#tiers.length <= sends) this.#tiers.push([])
    return this.#tiers[sends] as News<T>[]
  }
}
