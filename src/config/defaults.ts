import type { LogLevel } from './schema/muster.ts'

/** What holds on a machine whose configuration says nothing about it. The cluster's own defaults are `defaultSpec`. */
export const defaults: {
  readonly port: number
  readonly overlayPort: number
  readonly device: string
  readonly k3sPath: string
  readonly stateDirectory: string
  readonly socket: string
  readonly logLevel: LogLevel
} = {
  port: 4_710,
  overlayPort: 4_711,
  device: 'muster0',
  k3sPath: '/usr/local/bin/k3s',
  stateDirectory: '/var/lib/muster',
  socket: '/run/muster/agent.sock',
  logLevel: 'info',
}
