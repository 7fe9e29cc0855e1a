import { z } from 'zod'
import { anything, flag, text, texts } from './fields.ts'
import { bundlesSchema, installSchema, resetSchema, upgradeSchema } from './install.ts'
import type { InstallBlock } from './install.ts'
import { musterSchema } from './muster.ts'
import type { MusterBlock } from './muster.ts'
import { k0sSchema, kairosK3sSchema, kubeVipSchema, p2pSchema } from './p2p.ts'
import type { KairosK3sBlock, KubeVipBlock, P2pBlock } from './p2p.ts'
import { stagesSchema } from './stages.ts'
import type { StageStep } from './stages.ts'
import { growPartSchema, runCommandsSchema, usersSchema, writeFilesSchema } from './system.ts'
import type { User, WriteFile } from './system.ts'

/** A whole configuration as its files state it. */
export interface RootBlock {
  muster?: MusterBlock | undefined
  p2p?: P2pBlock | undefined
  k3s?: KairosK3sBlock | undefined
  'k3s-agent'?: KairosK3sBlock | undefined
  k0s?: { enabled?: boolean | undefined } | undefined
  'k0s-worker'?: { enabled?: boolean | undefined } | undefined
  kubevip?: KubeVipBlock | undefined
  hostname?: string | undefined
  users?: User[] | undefined
  ssh_authorized_keys?: string[] | undefined
  write_files?: WriteFile[] | undefined
  runcmd?: (string | string[])[] | undefined
  stages?: Record<string, StageStep[]> | undefined
  install?: InstallBlock | undefined
  upgrade?: InstallBlock | undefined
  reset?: InstallBlock | undefined
}

/** Schema of a whole configuration. */
export const rootSchema: z.ZodType<RootBlock> = z
  .strictObject({
    muster: musterSchema,
    p2p: p2pSchema,
    k3s: kairosK3sSchema('servers'),
    'k3s-agent': kairosK3sSchema('workers'),
    k0s: k0sSchema,
    'k0s-worker': k0sSchema,
    kubevip: kubeVipSchema,
    name: text('Name of this configuration.'),
    hostname: text(
      'Host name; `{{ trunc 4 .MachineID }}` becomes the first four characters of the machine id.',
    ),
    users: usersSchema,
    ssh_authorized_keys: texts('Public keys of the first user.'),
    write_files: writeFilesSchema,
    runcmd: runCommandsSchema,
    growpart: growPartSchema,
    stages: stagesSchema,
    install: installSchema,
    upgrade: upgradeSchema,
    reset: resetSchema,
    config_url: text('Where more configuration is fetched from.'),
    bundles: bundlesSchema,
    fail_on_bundles_errors: flag('Stop where a bundle fails.'),
    cosign: flag('Verify images.'),
    'cosign-key': text('Key that images are verified with.'),
    'bind-pcrs': anything('Registers that disks are bound to.'),
    'bind-public-pcrs': anything('Registers that disks are bound to.'),
    kcrypt: anything('Encryption of disks.'),
    logs: anything('What a bundle of logs holds.'),
    strict: flag('Stop at the first error of a stage.'),
    debug: flag('Say more.'),
  })
  .describe('Cloud-config of a machine that runs muster.')
