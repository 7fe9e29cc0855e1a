import { z } from 'zod'
import { anything, flag, oneOf, text, texts, variables, whole } from './fields.ts'
import type { Variables } from './fields.ts'

/** Kairos' block `p2p:`. */
export interface P2pBlock {
  network_token?: string | undefined
  network_id?: string | undefined
  role?: 'master' | 'control-plane' | 'worker' | undefined
  dns?: boolean | undefined
  loglevel?: string | undefined
  minimum_nodes?: number | undefined
  disable_dht?: boolean | undefined
  dynamic_roles?: boolean | undefined
  vpn?: { create?: boolean | undefined; use?: boolean | undefined; env?: Variables | undefined } | undefined
  auto?: { enable?: boolean | undefined; ha?: HighAvailabilityBlock | undefined } | undefined
}

/** Kairos' block `p2p.auto.ha:`. */
export interface HighAvailabilityBlock {
  enable?: boolean | undefined
  master_nodes?: number | undefined
  external_db?: string | undefined
}

/** Schema of Kairos' `p2p:`. */
export const p2pSchema: z.ZodType<P2pBlock | undefined> = z
  .strictObject({
    network_token: text('The network token, as in `muster.token`.'),
    network_id: text('Name of one of several clusters that share a token.'),
    role: oneOf(['master', 'control-plane', 'worker'], 'The one role that this machine may have.'),
    dns: flag('A DNS server for names of the overlay.'),
    loglevel: oneOf(['debug', 'info', 'warn', 'warning', 'error', 'fatal', 'panic'], 'How much is logged.'),
    minimum_nodes: whole(1, 4_096, 'Machines that must be there before roles are given.'),
    disable_dht: flag('Find machines on the local network alone.'),
    dynamic_roles: flag('Give the roles of machines that are gone to others.'),
    vpn: z
      .strictObject({
        create: flag('Whether the overlay network is made.'),
        use: flag('Whether Kubernetes runs over the overlay.'),
        env: variables("Environment of edgevpn, Kairos' overlay."),
      })
      .optional()
      .describe('The overlay network.'),
    auto: z
      .strictObject({
        enable: flag('Whether roles are given by the machines themselves.'),
        ha: z
          .strictObject({
            enable: flag('More than one server.'),
            master_nodes: whole(0, 6, 'Servers beside the first one.'),
            external_db: z.string().optional().describe('A database instead of etcd.'),
          })
          .optional()
          .describe('High availability.'),
      })
      .optional()
      .describe('Automatic roles.'),
  })
  .optional()
  .describe("Kairos' keys for peer-to-peer clusters.")

/** Kairos' blocks `k3s:` and `k3s-agent:`. */
export interface KairosK3sBlock {
  enabled?: boolean | undefined
  args?: string[] | undefined
  env?: Variables | undefined
  replace_args?: boolean | undefined
  replace_env?: boolean | undefined
  embedded_registry?: boolean | undefined
}

/** Schema of Kairos' `k3s:` (servers) and `k3s-agent:` (workers). */
export function kairosK3sSchema(whose: string): z.ZodType<KairosK3sBlock | undefined> {
  return z
    .strictObject({
      enabled: flag(`Whether k3s runs on ${whose}.`),
      args: texts(`Flags for ${whose}.`),
      env: variables(`Environment of k3s on ${whose}.`),
      replace_args: flag('Use `args` alone, without the computed flags.'),
      replace_env: flag('Use `env` alone, without the computed variables.'),
      embedded_registry: flag('The registry that is built into k3s.'),
    })
    .optional()
    .describe(`Kairos' keys for k3s on ${whose}.`)
}

/** Kairos' block `kubevip:`. */
export interface KubeVipBlock {
  enable?: boolean | undefined
  eip?: string | undefined
  interface?: string | undefined
  version?: string | undefined
  image?: string | undefined
  manifest_url?: string | undefined
  static_pod?: boolean | undefined
  args?: string[] | undefined
}

/** Schema of Kairos' `kubevip:`. */
export const kubeVipSchema: z.ZodType<KubeVipBlock | undefined> = z
  .strictObject({
    enable: flag('Whether kube-vip runs; default: where `eip` is set.'),
    eip: text('The virtual address of the API.'),
    interface: text('Device that carries the virtual address.'),
    version: text('Version of kube-vip.'),
    image: text('Image of kube-vip.'),
    manifest_url: text('Where the manifest comes from.'),
    static_pod: flag('Run as a static pod instead of a daemon set.'),
    args: texts('More flags for kube-vip.'),
  })
  .optional()
  .describe("Kairos' keys for a virtual address of the API.")

/** A block for k0s, which is not supported: read only to say so. */
export const k0sSchema: z.ZodType<{ enabled?: boolean | undefined; [key: string]: unknown } | undefined> = z
  .looseObject({ enabled: flag('Whether k0s runs.'), args: texts('Flags.'), env: anything('Environment.') })
  .optional()
  .describe('k0s is not supported.')
