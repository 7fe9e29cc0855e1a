import { spawn } from 'node:child_process'

// Ends every process whose command line names the directory, twice, since a supervisor may start another one.
const script = `read -r _
for round in 1 2; do
  for entry in /proc/[0-9]*; do
    pid=\${entry#/proc/}
    [ "$pid" = $$ ] && continue
    tr '\\0' ' ' <"$entry/cmdline" 2>/dev/null | grep -qF "$DIRECTORY" && kill -9 "$pid" 2>/dev/null
  done
  sleep 0.2
done
rm -rf "$DIRECTORY"`

/**
 * Ends the services below a directory, and the directory, as soon as this process is gone: services outlive whoever
 * started them, and a test that is killed runs no clean-up. A process of its own waits at a pipe that this one holds.
 * @param directory a temporary directory that the command line of each service names
 */
export function reapAfterThisProcess(directory: string): void {
  const child = spawn('sh', ['-c', script], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
    env: { ...process.env, DIRECTORY: directory },
  })
  child.unref()
}
