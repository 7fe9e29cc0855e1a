import type { Command } from './command.ts'
import { agentCommands } from './commands/agent.ts'
import { labCommands } from './commands/lab.ts'
import { labHostCommands } from './commands/lab-hosts.ts'

/** Every command, in the order in which the overview shows them. */
export const commands: readonly Command[] = [...agentCommands, ...labCommands, ...labHostCommands]
