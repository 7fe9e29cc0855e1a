/**
 * Every bound of the protocol, with its reason. Printed in docs/limits.md.
 */

/** Identities that one network may hold. Beyond it new ones are refused; 1000 nodes are the design's goal. */
export const membersMax = 4_096

/** One message on the wire. A plan for 1000 nodes with evidence is about 300 KiB. */
export const messageBytesMax: number = 2 * 1_024 * 1_024

/** Voters of one generation: more adds latency, not safety (protocol 2.3). */
export const votersMax = 7

/** Identities listed in a charter by `auto` or `voters`. */
export const charterListMax = 128

/** Multiaddrs in one record: a machine has few links. */
export const endpointsMax = 16

/** Any single text (names, notes, reasons) in a message. */
export const textBytesMax = 1_024

/** Networks of a machine's own links in its facts. */
export const localNetworksMax = 32

/** SWIM claims in one message: piggybacked, so small. */
export const claimsPerMessageMax = 32

/** Records in one gossip message. */
export const recordsPerMessageMax = 64

/** Certified headers in one message; a longer chain is asked for in parts. */
export const headersPerMessageMax = 64

/** Assignments of one plan: every member has one. */
export const assignmentsMax: number = membersMax

/** Retired nodes kept in a plan's body; the oldest are dropped when their address is taken again. */
export const retiredMax = 1_024

/** Statements in a plan's evidence: votes of a majority of voters and a member list each. */
export const evidenceMax = 64

/** etcd members in a list: 7 servers and a change under way. */
export const etcdMembersMax = 16

/** Messages waiting to be sent to one peer; the oldest is dropped beyond it (all are repeated by design). */
export const sendQueueMax = 256

/** Inputs waiting for the core; beyond it network messages are dropped, never local results. */
export const inputQueueMax = 8_192
