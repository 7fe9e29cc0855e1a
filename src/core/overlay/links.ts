/** What the overlay's link should be. */
export interface LinkIntent {
  readonly device: string
  readonly address4: string
  readonly prefix4: number
  readonly address6: string
  readonly prefix6: number
  readonly mtu: number
}

/** What came of making a link so. */
export interface LinkReport {
  /** Each change that was needed, in a few words; empty where the link was right. */
  readonly changes: readonly string[]
  /** What could not be done though the link is of use without it (a machine without IPv6). */
  readonly problems: readonly string[]
}

/** Port: addresses, MTU and state of a network link that exists. */
export interface Links {
  /** Changes only what differs. Throws ERR_OVERLAY_DEVICE where the link is missing or cannot be made so. */
  configure(intent: LinkIntent): Promise<LinkReport>
  /** Quick look, without any program: whether the link is up and has the addresses. */
  isConfigured(intent: LinkIntent): boolean
}
