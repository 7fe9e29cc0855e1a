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
  /** How often others told it to us as well. */
  heard: number
  /** It was replaced or dropped, and waits to be cleared away. */
  void: boolean
}

/** So many void news are left lying about before they are cleared away. */
const voidMin = 64

/**
 * News that wait to be passed on: at most one piece for each subject, the newer replaces the older.
 * What was sent least often goes first, and among those the freshest, so that a flood of old news never
 * holds up a new one. Work is proportional to what is taken, not to what waits.
 */
export class BroadcastQueue<T> {
  /** `#tiers[k]`: news sent k times, freshest last. */
  readonly #tiers: News<T>[][] = []
  readonly #bySubject = new Map<NodeId, News<T>>()

  /** What lies in the tiers, void ones included. */
  #stored = 0

  get size(): number {
    return this.#bySubject.size
  }

  put(subject: NodeId, item: T, source: NodeId): void {
    this.drop(subject)
    const news: News<T> = { subject, item, source, sends: 0, heard: 0, void: false }
    this.#bySubject.set(subject, news)
    this.#store(news)
    if (this.#stored > 2 * this.size + voidMin) this.#clear()
  }

  /**
   * Another one told us this news too: it goes round without us. Each such word stands for one of ours, so that news
   * which everybody has is passed on half as often (feedback: Demers et al. 1987, section 1.4).
   */
  heardAgain(subject: NodeId): void {
    const news = this.#bySubject.get(subject)
    if (news !== undefined) news.heard++
  }

  drop(subject: NodeId): void {
    const news = this.#bySubject.get(subject)
    if (news === undefined) return
    this.#bySubject.delete(subject)
    news.void = true
  }

  /** Up to `max` items for `target`, and counts them as sent. Its own words are not told back to a source. */
  take(target: NodeId, max: number, limit: number): T[] {
    const taken: News<T>[] = []
    for (const tier of this.#tiers) {
      for (let index = tier.length - 1; index >= 0 && taken.length < max; index--) {
        const news = tier[index] as News<T>
        const isOver = news.void || news.sends + news.heard >= limit
        if (!isOver && news.source === target) continue
        if (index === tier.length - 1) tier.pop()
        else tier.splice(index, 1)
        this.#stored--
        if (!isOver) taken.push(news)
        else if (!news.void) this.#bySubject.delete(news.subject)
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
    this.#stored = 0
    for (const news of all) if (!news.void) this.#count(news, limit)
  }

  #count(news: News<T>, limit: number): void {
    news.sends++
    if (news.sends + news.heard >= limit) this.#bySubject.delete(news.subject)
    else this.#store(news)
  }

  #store(news: News<T>): void {
    this.#tier(news.sends).push(news)
    this.#stored++
  }

  /** Clears away what is void. */
  #clear(): void {
    this.#stored = 0
    for (const [sends, tier] of this.#tiers.entries()) {
      const kept = tier.filter((news) => !news.void)
      this.#tiers[sends] = kept
      this.#stored += kept.length
    }
  }

  #tier(sends: number): News<T>[] {
    while (this.#tiers.length <= sends) this.#tiers.push([])
    return this.#tiers[sends] as News<T>[]
  }
}
