import type { Command } from './command.ts'
import { aboutCommands } from './commands/about.ts'
import { agentCommand } from './commands/agent.ts'
import { bootCommands } from './commands/boot.ts'
import { configCommands } from './commands/config.ts'
import { getCommands } from './commands/get.ts'
import { healthCommand } from './commands/health.ts'
import { imageCommands } from './commands/image.ts'
import { diskCommands } from './commands/disks.ts'
import { kubeconfigCommand } from './commands/kubeconfig.ts'
import { labHostCommands } from './commands/lab-hosts.ts'
import { labCommands } from './commands/lab.ts'
import { machineCommands } from './commands/machine.ts'
import { specCommands } from './commands/spec.ts'
import { statusCommands } from './commands/status.ts'
import { tokenCommands } from './commands/token.ts'
import { vmMachineCommands } from './commands/vm-machines.ts'
import { vmCommands } from './commands/vm.ts'
import { waitCommand } from './commands/wait.ts'

/** Every command, in the order in which the overview shows them. */
export const commands: readonly Command[] = [
  ...labCommands,
  ...labHostCommands,
  ...imageCommands,
  ...vmCommands,
  ...vmMachineCommands,
  ...tokenCommands,
  ...configCommands,
  agentCommand,
  ...statusCommands,
  ...getCommands,
  waitCommand,
  kubeconfigCommand,
  ...specCommands,
  ...machineCommands,
  ...diskCommands,
  ...bootCommands,
  healthCommand,
  ...aboutCommands,
]
