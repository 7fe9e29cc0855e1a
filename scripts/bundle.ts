// Bundles the command into the one file that its argument names: `node scripts/bundle.ts FILE`.
import { bundleCommand } from './bundle-command.ts'

const [file] = process.argv.slice(2)
if (file === undefined) throw new Error('usage: node scripts/bundle.ts FILE')
await bundleCommand(file)
