import { newNetwork } from '../../../src/agent/api/operator.ts'

/** A cloud-config with a new token, this bootstrap setting, and more lines below `muster:`. */
export function labConfig(bootstrap: string, more = ''): string {
  const { token } = newNetwork({ name: 'lab' })
  return `#cloud-config\nmuster:\n  token: ${token}\n  bootstrap: ${bootstrap}\n  control_plane: 3\n${more}`
}
