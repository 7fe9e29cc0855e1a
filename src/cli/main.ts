#!/usr/bin/env node
import process from 'node:process'
import { runCommandLine } from './run.ts'

// The one place that touches the process: everything else is told where to read and write.

const controller = new AbortController()
for (const name of ['SIGINT', 'SIGTERM'] as const) {
  // Once is a request; a second time the default holds and the process ends.
  process.once(name, () => controller.abort(name))
}
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    // `muster … | head` is no failure.
    if (error.code === 'EPIPE') process.exit(process.exitCode ?? 0)
    throw error
  })
}

process.exitCode = await runCommandLine(
  process.argv.slice(2),
  { stdin: process.stdin, stdout: process.stdout, stderr: process.stderr, environment: process.env },
  controller.signal,
)
