/**
 * The greatest local health multiplier. Source: Lifeguard (Dadgar, Phillips, Currey 2018), section IV-A:
 * S = 8, as in memberlist's LAN profile.
 */
export const multiplierMax = 8

/**
 * How well this node itself is doing (Lifeguard's local health). A node that is slow, overloaded or half cut
 * off sees *others* fail; so it first doubts itself and probes more slowly and more patiently.
 */
export class Awareness {
  #multiplier = 1

  /** 1: healthy, up to 8: our own probes fail, our nacks are missing, or others suspect us. */
  get multiplier(): number {
    return this.#multiplier
  }

  /** A probe was answered. */
  improve(): void {
    this.#multiplier = Math.max(1, this.#multiplier - 1)
  }

  /** Something that more likely is our own fault than another's. */
  worsen(by: number): void {
    this.#multiplier = Math.min(multiplierMax, this.#multiplier + by)
  }
}
