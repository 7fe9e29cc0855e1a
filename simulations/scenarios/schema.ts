import { z } from 'zod'

// A scenario file: a site, what happens to it and when, and what must come of it. Words as in a configuration.

const span = z.string().regex(/^(0|[1-9]\d{0,8})(ms|s|m|h)$/, {
  error: 'expected a span of time such as 500ms, 30s or 5m',
})

const machineList = z.string().regex(/^\s*(all|h[1-9]\d*(\s*,\s*h[1-9]\d*)*)\s*$/, {
  error: 'expected machines such as `h1, h3`, or `all`',
})

const sides = z.string().regex(/^\s*h[1-9]\d*(\s*,\s*h[1-9]\d*)*\s*[/>]\s*h[1-9]\d*(\s*,\s*h[1-9]\d*)*\s*$/, {
  error: 'expected two sides such as `h1, h2 / h3`, or `h1 > h2` for one direction',
})

/** What can happen, by its key: what it means, and what follows it. */
export const eventWords: Readonly<Record<EventWord, string>> = {
  start: 'Machines that are switched on for the first time now. All others are there from the beginning.',
  power_cut: 'The plug is pulled; power is back after `for`.',
  stop: 'The machine goes down in an orderly way, and comes back after `for`.',
  wipe: 'The disk is replaced by an empty one: the machine comes back as somebody new.',
  pause: 'Everything on the machine stands still for `for`, and goes on.',
  partition: 'Nothing passes between the two sides for `for`; with `>` nothing passes from left to right.',
  clone: 'A copy of the disk wakes up in one more machine.',
  rollback: 'The disk goes back to what it held `back` ago.',
  full_disk: 'Nothing can be written for `for`.',
  k3s_hang: 'k3s neither starts nor answers for `for`.',
  clock_jump: "The machine's clock moves ahead by `by`.",
}

/** Keys of events. */
export type EventWord =
  | 'start'
  | 'power_cut'
  | 'stop'
  | 'wipe'
  | 'pause'
  | 'partition'
  | 'clone'
  | 'rollback'
  | 'full_disk'
  | 'k3s_hang'
  | 'clock_jump'

const on = (word: EventWord) => machineList.optional().describe(eventWords[word])

const event = z.strictObject({
  at: span.describe('When it begins, from the beginning of the scenario.'),
  start: on('start'),
  power_cut: on('power_cut'),
  stop: on('stop'),
  wipe: on('wipe'),
  pause: on('pause'),
  partition: sides.optional().describe(eventWords.partition),
  clone: on('clone'),
  rollback: on('rollback'),
  full_disk: on('full_disk'),
  k3s_hang: on('k3s_hang'),
  clock_jump: on('clock_jump'),
  for: span.optional().describe('How long it lasts; default: to the end of the scenario.'),
  back: span.optional().describe('With `rollback`.'),
  by: span.optional().describe('With `clock_jump`.'),
})

/** The whole file. */
export const scenarioSchema = z.strictObject({
  name: z.string().min(1).describe('What the scenario is called.'),
  about: z.string().optional().describe('For people.'),
  machines: z
    .int()
    .min(1)
    .max(1_000)
    .describe('How many machines there are at most; their names are h1, h2, …'),
  bootstrap: z
    .strictObject({
      expect: z.int().min(1).optional().describe('As in a configuration.'),
      tolerate: z.int().min(0).optional(),
      slack: z.int().min(0).optional(),
      auto: z.boolean().optional(),
    })
    .describe('How the cluster is founded: `expect`, perhaps with `tolerate` and `slack`, or `auto: true`.'),
  control_plane: z.int().min(1).max(7).optional().describe('Machines that run the control plane; default 3.'),
  duration: span.describe('How long the scenario lasts.'),
  seeds: z
    .int()
    .min(1)
    .max(100_000)
    .optional()
    .describe('In the simulator: runs, each with other chances; default 10.'),
  boot_within: span
    .optional()
    .describe('Machines that are there from the beginning get power within this time; default 5s.'),
  network: z
    .strictObject({
      delay: span.optional().describe('Longest delay of a message on a good day; default 5ms.'),
      loss_percent: z
        .number()
        .min(0)
        .max(90)
        .optional()
        .describe('Share of messages that is lost; default 0.'),
    })
    .optional(),
  segments: z
    .array(machineList)
    .optional()
    .describe('Machines that multicast reaches together, a line for each segment; default: all.'),
  no_path: z.array(sides).optional().describe('Pairs that can never connect, such as `h1 / h4`.'),
  timeline: z.array(event).optional().describe('What happens.'),
  expect: z
    .array(z.string())
    .min(1)
    .describe(
      'What must come of it, such as `active within 120s`, `never two clusters`, `role of h3 is worker`.',
    ),
})

/** A scenario as it is written. */
export type Scenario = z.infer<typeof scenarioSchema>
/** One event of its timeline. */
export type ScenarioEvent = z.infer<typeof event>

/** JSON Schema (2020-12) of a scenario file, for editors. */
export function scenarioJsonSchema(): string {
  const schema = {
    $id: 'urn:muster:scenario:v1',
    title: 'muster scenario',
    ...z.toJSONSchema(scenarioSchema, { io: 'input' }),
  }
  return `${JSON.stringify(schema, undefined, 2)}\n`
}
