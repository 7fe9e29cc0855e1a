// Small networks for tests: hosts are network namespaces, joined by a bridge in a namespace of its own, so
// that nothing of a test ever reaches the machine's real network. Needs root and `ip`; see `canNetns`.
import { execFileSync, spawn } from 'node:child_process'
import type { ChildProcessWithoutNullStreams } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'

/** Scales every wait of the tests; machines differ 3 to 5 times in speed. */
export const timeFactor: number = Number(process.env['MUSTER_TEST_TIME_FACTOR'] ?? '1')

/** Whether this machine lets the tests make network namespaces. Skip loudly where it is false. */
export const canNetns: boolean = probe()

/** How a host is attached to the switch. Every host has one device, `eth0`, which is up unless said otherwise. */
export interface HostPlan {
  /** `address/prefix`; undefined: none. */
  readonly ipv4?: string
  /** `address/prefix` of a global address beside the link-local one. */
  readonly ipv6?: string
  /** False switches IPv6 off altogether. Default true: link-local is there. */
  readonly linkLocal?: boolean
  /** Adds `default dev eth0`, which multicast without an interface needs. */
  readonly defaultRoute?: boolean
}

/** A namespace with `eth0` and `lo`. */
export class NetHost {
  readonly name: string
  readonly #children = new Set<NetProcess>()
  constructor(name: string) {
    this.name = name
  }

  /** Runs `ip` inside, for example `host.ip('addr', 'add', '10.0.0.1/24', 'dev', 'eth0')`. */
  ip(...args: readonly string[]): string {
    return ip('-n', this.name, ...args)
  }

  /** Starts a program inside; it is killed with the network. */
  spawn(command: string, args: readonly string[]): NetProcess {
    const child = spawn('ip', ['netns', 'exec', this.name, command, ...args], { stdio: 'pipe' })
    const started = new NetProcess(child)
    this.#children.add(started)
    return started
  }

  /** Starts `node <file> <args>` inside. */
  node(file: string, ...args: readonly string[]): NetProcess {
    return this.spawn(process.execPath, [file, ...args])
  }

  async close(): Promise<void> {
    await Promise.all([...this.#children].map((child) => child.kill()))
    tolerant('netns', 'del', this.name)
  }
}

/** A child whose stdout is JSON, one value a line. stderr is kept for the report of a failed wait. */
export class NetProcess {
  readonly child: ChildProcessWithoutNullStreams
  readonly lines: unknown[] = []
  stderr = ''
  readonly #wakers = new Set<() => void>()
  #ended = false

  constructor(child: ChildProcessWithoutNullStreams) {
    this.child = child
    child.stderr.on('data', (chunk: Buffer) => {
      this.stderr = (this.stderr + chunk.toString()).slice(-8_000)
    })
    child.stdin.on('error', () => undefined)
    createInterface({ input: child.stdout }).on('line', (line) => {
      this.lines.push(parse(line))
      this.#wake()
    })
    // 'close' and not 'exit': its last words may still be on the way.
    child.once('close', () => {
      this.#ended = true
      this.#wake()
    })
  }

  /** Writes one JSON line to the child. */
  tell(command: object): void {
    this.child.stdin.write(`${JSON.stringify(command)}\n`)
  }

  /** Resolves with the first line from `from` on that matches; rejects with what was seen instead. */
  async until<T>(
    what: string,
    match: (line: unknown) => T | undefined | false,
    timeoutMs = 15_000,
    from = 0,
  ): Promise<T> {
    const deadline = Date.now() + timeoutMs * timeFactor
    let next = from
    for (;;) {
      for (; next < this.lines.length; next++) {
        const found = match(this.lines[next])
        if (found !== undefined && found !== false) return found
      }
      const leftMs = deadline - Date.now()
      if (leftMs <= 0 || this.#ended) {
        const seen = this.lines.slice(-20).map((line) => JSON.stringify(line).slice(0, 300))
        throw new Error(
          `${this.#ended ? 'the child ended' : 'gave up'} waiting for ${what}; it said:\n${seen.join('\n')}\n${this.stderr}`,
        )
      }
      await this.#changed(leftMs)
    }
  }

  async kill(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return
    const gone = once(this.child, 'exit')
    this.child.kill('SIGKILL')
    await gone
  }

  #changed(timeoutMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(done, timeoutMs)
      const wakers = this.#wakers
      function done(): void {
        clearTimeout(timer)
        wakers.delete(done)
        resolve()
      }
      wakers.add(done)
    })
  }

  #wake(): void {
    for (const wake of this.#wakers) wake()
  }
}

/** One switch and its hosts. */
export class NetLab {
  readonly hosts: readonly NetHost[]
  readonly #switch: string
  constructor(switchName: string, hosts: readonly NetHost[]) {
    this.#switch = switchName
    this.hosts = hosts
  }

  host(index: number): NetHost {
    const host = this.hosts[index]
    if (host === undefined) throw new Error(`this network has no host ${index}`)
    return host
  }

  /** Cuts a host off, or joins it again, without its seeing a change of its own link (a partition, not a pulled cable). */
  setReachable(index: number, reachable: boolean): void {
    ip('-n', this.#switch, 'link', 'set', `port${index}`, ...(reachable ? ['master', 'br0'] : ['nomaster']))
  }

  /** Pulls or plugs the cable: the host sees its carrier go. */
  setLink(index: number, up: boolean): void {
    ip('-n', this.#switch, 'link', 'set', `port${index}`, up ? 'up' : 'down')
  }

  async close(): Promise<void> {
    await Promise.all(this.hosts.map((host) => host.close()))
    tolerant('netns', 'del', this.#switch)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}

let made = 0

/** Makes a switch with these hosts. `name` is short and names the test's owner. Close it in `finally`, or say `await using`. */
export async function createNetLab(name: string, plans: readonly HostPlan[]): Promise<NetLab> {
  const prefix = `${name}-${process.pid}-${++made}`
  const switchName = `${prefix}-sw`
  const hosts = plans.map((_, index) => new NetHost(`${prefix}-h${index}`))
  const lab = new NetLab(switchName, hosts)
  try {
    ip('netns', 'add', switchName)
    // mcast_snooping off: a switch without a querier would drop groups after some minutes.
    ip('-n', switchName, 'link', 'add', 'br0', 'type', 'bridge', 'mcast_snooping', '0', 'forward_delay', '0')
    ip('-n', switchName, 'link', 'set', 'br0', 'up')
    for (const [index, plan] of plans.entries()) attach(lab.host(index), switchName, index, plan)
    return lab
  } catch (error) {
    await lab.close()
    throw error
  }
}

function attach(host: NetHost, switchName: string, index: number, plan: HostPlan): void {
  const port = `port${index}`
  ip('netns', 'add', host.name)
  if (plan.linkLocal === false) inside(host.name, 'sysctl', '-qw', 'net.ipv6.conf.all.disable_ipv6=1')
  ip('-n', switchName, 'link', 'add', port, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', host.name)
  ip('-n', switchName, 'link', 'set', port, 'master', 'br0', 'up')
  host.ip('link', 'set', 'lo', 'up')
  host.ip('link', 'set', 'eth0', 'up')
  if (plan.ipv4 !== undefined) host.ip('addr', 'add', plan.ipv4, 'dev', 'eth0')
  if (plan.ipv6 !== undefined) host.ip('addr', 'add', plan.ipv6, 'dev', 'eth0', 'nodad')
  if (plan.defaultRoute === true) host.ip('route', 'add', 'default', 'dev', 'eth0')
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch {
    return line
  }
}

function ip(...args: readonly string[]): string {
  return execFileSync('ip', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
}

function inside(namespace: string, command: string, ...args: readonly string[]): void {
  execFileSync('ip', ['netns', 'exec', namespace, command, ...args], { stdio: 'pipe' })
}

function tolerant(...args: readonly string[]): void {
  try {
    ip(...args)
  } catch {
    // Cleaning up: it was never made, or is gone already.
  }
}

function probe(): boolean {
  const name = `probe-${process.pid}`
  try {
    ip('netns', 'add', name)
    ip('-n', name, 'link', 'add', 'veth0', 'type', 'veth', 'peer', 'name', 'veth1')
    return true
  } catch {
    return false
  } finally {
    tolerant('netns', 'del', name)
  }
}
