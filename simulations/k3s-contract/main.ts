import { runAgent } from './agent.ts'
import { readOptions } from './options.ts'
import { Fatal, log } from './process.ts'
import { runServer } from './server.ts'

/** Nobody shall take it for k3s. */
const version = 'k3s version v0.0.0+contract-sim (k3s-contract-sim)'

async function main(argv: readonly string[]): Promise<number> {
  const [command, ...rest] = argv
  if (command === '--version' || command === '-v') {
    process.stdout.write(`${version}\n`)
    return 0
  }
  if (command !== 'server' && command !== 'agent') {
    process.stderr.write('usage: k3s-contract server|agent|--version [--flag value …]\n')
    return 2
  }
  const stop = new AbortController()
  for (const name of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(name, () => stop.abort())
  try {
    const options = readOptions(command, rest)
    const run = command === 'server' ? runServer : runAgent
    const aborted = new Promise<void>((resolve) => {
      // Whatever it is waiting for, it ends soon after it was asked to.
      stop.signal.addEventListener('abort', () => setTimeout(resolve, 8_000).unref(), { once: true })
    })
    await Promise.race([run(options, stop.signal), aborted])
    return 0
  } catch (error) {
    log('fatal', error instanceof Error ? error.message : String(error))
    if (!(error instanceof Fatal)) process.stderr.write(`${error instanceof Error ? error.stack : ''}\n`)
    return 1
  }
}

process.exit(await main(process.argv.slice(2)))
