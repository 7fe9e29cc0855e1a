import { z } from 'zod'
import { anything, oneOf, text, texts, variables } from './fields.ts'
import type { Variables } from './fields.ts'
import { fileEncodings, userFields } from './system.ts'
import type { FileEncoding, User } from './system.ts'

/** A file as a step of a stage writes it. */
export interface StepFile {
  path: string
  content?: string | undefined
  permissions?: string | number | undefined
  owner?: string | number | undefined
  group?: string | number | undefined
  owner_string?: string | undefined
  encoding?: FileEncoding | '' | undefined
}

/** A file that a step fetches. */
export interface StepDownload extends Omit<StepFile, 'content' | 'encoding'> {
  url: string
  timeout?: number | undefined
}

/** A line of passwd, group, shadow or gshadow, as YAML in a text. */
export interface StepEntity {
  path?: string | undefined
  entity: string
}

/** What a step does to units. */
export interface StepUnits {
  enable?: string[] | undefined
  disable?: string[] | undefined
  start?: string[] | undefined
  mask?: string[] | undefined
  overrides?: { service: string; content: string; name?: string | undefined }[] | undefined
}

/** One step of a stage, as Kairos writes it. */
export interface StageStep {
  name?: string | undefined
  if?: string | undefined
  only_os?: string | undefined
  only_os_version?: string | undefined
  only_arch?: string | undefined
  only_service_manager?: string | undefined
  if_files?: Partial<Record<'any' | 'all' | 'none', string[] | undefined>> | undefined
  node?: string | undefined
  after?: (string | { name?: string | undefined })[] | undefined
  commands?: string[] | undefined
  files?: StepFile[] | undefined
  downloads?: StepDownload[] | undefined
  directories?: Omit<StepFile, 'content' | 'encoding'>[] | undefined
  users?: Record<string, Omit<User, 'name'>> | undefined
  authorized_keys?: Record<string, string[]> | undefined
  ensure_entities?: StepEntity[] | undefined
  delete_entities?: StepEntity[] | undefined
  hostname?: string | undefined
  dns?:
    | {
        path?: string | undefined
        nameservers?: string[] | undefined
        search?: string[] | undefined
        options?: string[] | undefined
      }
    | undefined
  sysctl?: Variables | undefined
  modules?: string[] | undefined
  systemctl?: StepUnits | undefined
  environment?: Variables | undefined
  environment_file?: string | undefined
  timesyncd?: Variables | undefined
  systemd_firstboot?: Variables | undefined
  layout?: unknown
  git?: unknown
  unpack_images?: unknown
  packages?: unknown
  package_pins?: unknown
  datasource?: unknown
}

const required = (description: string): z.ZodString => z.string().min(1).describe(description)
const textOrNumber = z.union([z.string(), z.number()], { error: 'expected text or a number' }).optional()
const place = {
  path: required('Where to.'),
  permissions: textOrNumber.describe('Mode, `0644`.'),
  owner: textOrNumber.describe('User by number.'),
  group: textOrNumber.describe('Group by number.'),
  owner_string: text('User and group by name.'),
}
const entities = z
  .array(
    z.strictObject({
      path: text('The file; default: as the kind says.'),
      entity: required('YAML of one line.'),
    }),
  )
  .optional()
  .describe('Lines of passwd, group and shadow.')

const step: z.ZodType<StageStep> = z.strictObject({
  name: text('Name of the step.'),
  if: text('Shell condition.'),
  only_os: text('Pattern of the system.'),
  only_os_version: text('Pattern of its version.'),
  only_arch: text('Pattern of the architecture.'),
  only_service_manager: text('systemd or openrc.'),
  if_files: z
    .strictObject({
      any: texts('One of them exists.'),
      all: texts('All exist.'),
      none: texts('None exists.'),
    })
    .optional()
    .describe('Conditions on files.'),
  node: text('Host name or machine id that the step is for.'),
  after: z
    .array(z.union([z.string(), z.strictObject({ name: text('Name.') })]))
    .optional()
    .describe('Names of steps that come first.'),
  commands: texts('Shell commands.'),
  files: z
    .array(
      z.strictObject({
        ...place,
        content: z.string().optional().describe('What.'),
        encoding: oneOf([...fileEncodings, ''], 'How `content` is written.'),
      }),
    )
    .optional()
    .describe('Files to write.'),
  downloads: z
    .array(
      z.strictObject({
        ...place,
        url: required('Where from.'),
        timeout: z.number().min(0).optional().describe('Longest wait, in seconds.'),
      }),
    )
    .optional()
    .describe('Files to fetch.'),
  directories: z.array(z.strictObject(place)).optional().describe('Directories to make.'),
  users: z.record(z.string(), userWithoutName()).optional().describe('Users by name.'),
  authorized_keys: z.record(z.string(), z.array(z.string())).optional().describe('Public keys by user.'),
  ensure_entities: entities,
  delete_entities: entities,
  hostname: text('Host name, may be a template.'),
  dns: z
    .strictObject({
      path: text('File; default /etc/resolv.conf.'),
      nameservers: texts('Addresses.'),
      search: texts('Domains.'),
      options: texts('Options.'),
    })
    .optional()
    .describe('Name servers.'),
  sysctl: variables('Kernel parameters.'),
  modules: texts('Kernel modules.'),
  systemctl: z
    .strictObject({
      enable: texts('Units.'),
      disable: texts('Units.'),
      start: texts('Units.'),
      mask: texts('Units.'),
      overrides: z
        .array(
          z.strictObject({
            service: required('Unit.'),
            content: required('Text of the drop-in.'),
            name: text('Name of the drop-in.'),
          }),
        )
        .optional()
        .describe('Drop-in files of units.'),
    })
    .optional()
    .describe('Units.'),
  environment: variables('Variables.'),
  environment_file: text('Where the variables go.'),
  timesyncd: variables('Settings of the clock.'),
  systemd_firstboot: variables('Settings of the first boot.'),
  layout: anything('Partitions.'),
  git: anything('A repository to fetch.'),
  unpack_images: anything('Container images to unpack.'),
  packages: anything('Packages.'),
  package_pins: anything('Versions of packages.'),
  datasource: anything('Where user-data comes from.'),
})

/** Kairos names the user by the key; a `name` inside is allowed and means the same. */
function userWithoutName(): z.ZodType<Omit<User, 'name'>> {
  return z.strictObject({ ...userFields, name: text('Login name.') })
}

/** `stages:`: name of a stage to its steps. */
export const stagesSchema: z.ZodType<Record<string, StageStep[]> | undefined> = z
  .record(z.string(), z.array(step))
  .optional()
  .describe('What runs in which stage of the boot.')

/** Keys of a step that a machine with an image does not carry out, and why. */
export const unsupportedStepKeys: Readonly<Record<string, string>> = {
  layout: 'the disk is laid out once, at the installation',
  git: 'the image has no git; put the files into the configuration or into the image',
  unpack_images: 'images for k3s lie in the image or below /var/lib/rancher/k3s/agent/images',
  packages: 'the image is immutable: packages are added when it is built',
  package_pins: 'the image is immutable: packages are chosen when it is built',
  datasource: 'the sources of the configuration are fixed (docs/image.md)',
  systemd_firstboot: 'a machine with an image has no first boot: /etc is made anew each time',
}

/** Names of stages; each also with `.before` and `.after`. */
export const stageNames: readonly string[] = [
  'rootfs',
  'initramfs',
  'boot',
  'fs',
  'network',
  'reconcile',
  ...['install', 'upgrade', 'reset'].flatMap((verb) => [
    `before-${verb}`,
    `after-${verb}`,
    `after-${verb}-chroot`,
    `kairos-uki-${verb}.pre`,
    `kairos-uki-${verb}`,
    `kairos-${verb}.pre`,
    `kairos-${verb}`,
  ]),
  'kairos-agent.bootstrap',
  ...['master', 'master/ha', 'master/clusterinit', 'worker'].flatMap((role) => [
    `provider-kairos.bootstrap.before.${role}`,
    `provider-kairos.bootstrap.after.${role}`,
  ]),
]

/** Stages that a machine runs by itself, in the order of a boot. */
export const runStages: readonly string[] = ['initramfs', 'fs', 'boot', 'network', 'reconcile']
