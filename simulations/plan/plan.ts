import { z } from 'zod'

// A fault plan: everything that will happen to a virtual site, as data. A seed makes a plan, a plan makes a
// run, and the same plan makes the same run. Failures shrink by taking things out of the plan.

const ms = z.number().int().min(0)
const node = z.number().int().min(0)
const share = z.number().min(0).max(1)
const range = z.tuple([z.number().min(0), z.number().min(0)])

const cut = z.object({
  kind: z.literal('cut'),
  at: ms,
  forMs: ms,
  from: z.array(node),
  to: z.array(node),
  /** Only what goes from `from` to `to` is lost. */
  oneWay: z.boolean(),
})

/** One fault. `at` is virtual time in milliseconds; `forMs` how long it lasts. */
export const faultSchema = z.discriminatedUnion('kind', [
  cut,
  /**
   * Power off and on again. What was not synced is kept or lost, as `keeps` says; `torn`: one copy of the state was
   * being written and reads back wrong.
   */
  z.object({
    kind: z.literal('power-cut'),
    at: ms,
    forMs: ms,
    node,
    keeps: z.boolean(),
    torn: z.boolean().optional(),
  }),
  /** Power off at the first write after `at`, just before it is durable or just after, before anything is said. */
  z.object({ kind: z.literal('crash-at-write'), at: ms, forMs: ms, node, after: z.boolean() }),
  /** Power off at the `count`-th effect of this kind after `at`, just before or after it is carried out. */
  z.object({
    kind: z.literal('crash-at-effect'),
    at: ms,
    forMs: ms,
    node,
    effect: z.enum(['persist', 'send', 'overlay', 'k3s']),
    after: z.boolean(),
    count: z.number().int().min(1),
  }),
  /** The agent says goodbye and goes down in an orderly way. */
  z.object({ kind: z.literal('stop'), at: ms, forMs: ms, node }),
  /** The machine's clock moves by so much; negative: back. */
  z.object({ kind: z.literal('clock-jump'), at: ms, node, byMs: z.number().int() }),
  /** Steps of k3s fail, or succeed and their answer is lost. */
  z.object({ kind: z.literal('k3s-failure'), at: ms, forMs: ms, node }),
  z.object({ kind: z.literal('k3s-lost-reply'), at: ms, forMs: ms, node }),
  /** The operator, on this machine, asks for so many servers. No fault: it is carried out whatever is healed. */
  z.object({
    kind: z.literal('order'),
    at: ms,
    node,
    controlPlane: z.number().int().min(1).max(7),
    serial: z.number().int().min(1),
  }),
  /** The agent stands still, and goes on. */
  z.object({ kind: z.literal('pause'), at: ms, forMs: ms, node }),
  /** Messages on these links wait until the end. */
  z.object({ kind: z.literal('clog'), at: ms, forMs: ms, from: z.array(node), to: z.array(node) }),
  z.object({ kind: z.literal('slow-disk'), at: ms, forMs: ms, node, syncMs: ms }),
  z.object({ kind: z.literal('full-disk'), at: ms, forMs: ms, node }),
  /** An empty disk: the machine comes back as somebody new. */
  z.object({ kind: z.literal('wipe'), at: ms, forMs: ms, node }),
  /** Power off; one copy of the state rots meanwhile, or both, and then the next start is somebody new. */
  z.object({ kind: z.literal('bit-rot'), at: ms, forMs: ms, node, copies: z.number().int().min(1).max(2) }),
  /** The disk goes back to what it held `backMs` ago (a snapshot of a virtual machine). */
  z.object({ kind: z.literal('rollback'), at: ms, forMs: ms, node, backMs: ms }),
  /** A copy of the disk wakes up in one more machine. */
  z.object({ kind: z.literal('clone'), at: ms, node }),
  /** Somebody deletes the data of k3s, and leaves the identity: the machine starts with the one and without the other. */
  z.object({ kind: z.literal('k3s-wipe'), at: ms, forMs: ms, node }),
  /** Bits of these frames flip in the sender's memory, where no seal of a link shows it. */
  z.object({
    kind: z.literal('corrupt'),
    at: ms,
    forMs: ms,
    from: z.array(node),
    to: z.array(node),
    share,
  }),
  /** Frames on these links come once more, so much later, over whatever connection there is by then. */
  z.object({
    kind: z.literal('echo'),
    at: ms,
    forMs: ms,
    from: z.array(node),
    to: z.array(node),
    afterMs: ms,
  }),
  /** The agent goes down and comes back with this version of the protocol. */
  z.object({ kind: z.literal('upgrade'), at: ms, forMs: ms, node, version: z.number().int().min(1) }),
  /** Root asks the machine to leave for good; where that is allowed it is switched off afterwards. No fault. */
  z.object({ kind: z.literal('leave'), at: ms, node }),
  /** k3s neither starts nor answers on this machine. */
  z.object({ kind: z.literal('k3s-hang'), at: ms, forMs: ms, node }),
  /**
   * A member that lies: both of two votes in one ballot to all (`equivocate`), to each the one that it likes to hear
   * (`two-faced`), a plan that breaks a promise, words of others, noise, silence as a voter, old words again, or
   * messages with a field that this version does not know (`newer`).
   */
  z.object({
    kind: z.literal('lie'),
    at: ms,
    forMs: ms,
    node,
    how: z.enum(['equivocate', 'two-faced', 'bad-plan', 'forge', 'flood', 'withhold', 'replay', 'newer']),
  }),
])

/** One fault of a plan. */
export type Fault = z.infer<typeof faultSchema>

/**
 * What a healed cluster must bear, after it is well: to be left alone (L5), the death of its leader while the operator
 * wants something (L6, L4), of a server (L3), and a power cut of the whole site (S15).
 */
export const trials = ['quiet', 'leader-dies', 'server-dies', 'power-cut'] as const
export type Trial = (typeof trials)[number]

/** A whole plan. */
export const planSchema = z.object({
  format: z.literal('muster-plan/1'),
  seed: z.number().int().min(0),
  nodes: z.number().int().min(1).max(10_000),
  bootstrap: z.discriminatedUnion('mode', [
    z.object({ mode: z.literal('expect'), expect: z.number().int().min(1) }),
    z.object({
      mode: z.literal('tolerate'),
      expect: z.number().int().min(1),
      tolerate: z.number().int().min(0),
      slack: z.number().int().min(0),
    }),
    /** Machines by number: the identities of their first disks. */
    z.object({ mode: z.literal('voters'), voters: z.array(node).min(1) }),
    z.object({ mode: z.literal('auto') }),
  ]),
  controlPlane: z.number().int().min(1).max(7),
  /** When each machine gets power for the first time. */
  boots: z.array(ms),
  /** Multicast reaches machines of the same segment only; others meet in the DHT. */
  segments: z.array(z.number().int().min(0)),
  /** Pairs that can never connect (both behind a NAT). */
  noPath: z.array(z.tuple([node, node])),
  /** The NAT that each machine is behind, 0: none. Machines behind two different ones can never connect. */
  nats: z.array(z.number().int().min(0)).optional(),
  /** Version of the protocol of each machine at its first start; 1 where it is not said. */
  versions: z.array(z.number().int().min(1)).optional(),
  network: z.object({
    delayMs: range,
    /** Share of messages that take `tailMs`. */
    tail: share,
    tailMs: range,
    loss: share,
    duplicate: share,
    /** Share of DHT answers that name somebody who does not exist. */
    stale: share,
  }),
  disk: z.object({ syncMs: range }),
  /** Each clock runs faster or slower by up to this share. */
  drift: z.number().min(0).max(0.2),
  k3s: z.object({ startMs: range, failure: share, lostReply: share }),
  timers: z.record(z.string(), z.number()),
  faults: z.array(faultSchema),
  /** Faults end here. */
  horizonMs: ms,
  /** Machines that are whole again after the horizon, and as many more as a quorum needs; the rest stays as it is. */
  core: z.array(node),
  /** The core must be one active cluster so long after the horizon. */
  patienceMs: ms,
  /** One after the other, once the core is well. */
  trials: z.array(z.enum(trials)).optional(),
  /** `real`: keys sign with Ed25519 and messages pass through the codec; slow, so for a share of the seeds. */
  crypto: z.enum(['tagged', 'real']),
})

/** Everything that will happen to a virtual site. */
export type Plan = z.infer<typeof planSchema>
