import type { ChildProcess } from 'node:child_process'
import { spawn, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Member } from './etcd.ts'
import type { Answer, Question } from './http.ts'
import { ask } from './http.ts'
import { read } from './process.ts'

const program = join(import.meta.dirname, 'k3s-contract')
const factor = Number(process.env['MUSTER_TEST_TIME_FACTOR'] ?? '1')

/** Why the double cannot run here; empty: it can. */
export const missingTools: string = ['etcd', 'openssl', 'setpriv']
  .filter((tool) => spawnSync(tool, ['--help']).error !== undefined)
  .join(', ')

/** A network of the loopback device that no other run uses. */
const network = `127.${60 + (Math.floor(process.pid / 250) % 150)}.${process.pid % 250}`

/** Some hosts on one machine, each with its own root and its own address on the loopback device. */
export class Site {
  readonly directory: string = mkdtempSync(join(tmpdir(), 'k3s-contract-site-'))
  readonly #hosts: Host[] = []

  host(name: string): Host {
    const host = new Host(name, `${network}.${this.#hosts.length + 1}`, join(this.directory, name))
    this.#hosts.push(host)
    return host
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#hosts.map((host) => host.kill()))
    rmSync(this.directory, { recursive: true, force: true })
  }
}

/** One machine that runs the double. */
export class Host {
  readonly name: string
  readonly address: string
  readonly root: string
  output = ''
  #child: ChildProcess | undefined
  #exit: Promise<number | null> = Promise.resolve(null)

  constructor(name: string, address: string, root: string) {
    this.name = name
    this.address = address
    this.root = root
  }

  get url(): string {
    return `https://${this.address}:6443`
  }

  get data(): string {
    return join(this.root, 'data')
  }

  /** Replaces the configuration file. */
  configure(config: object, file = 'config.yaml'): void {
    mkdirSync(join(this.root, 'etc/config.yaml.d'), { recursive: true })
    writeFileSync(join(this.root, 'etc', file), JSON.stringify(config))
  }

  start(command: 'server' | 'agent', ...flags: readonly string[]): void {
    const identity = ['--node-name', this.name, '--node-ip', this.address, '--data-dir', this.data]
    const kubeconfig = command === 'server' ? ['--write-kubeconfig', join(this.root, 'k3s.yaml')] : []
    const child = spawn(program, [command, ...identity, ...kubeconfig, ...flags], {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: {
        PATH: process.env['PATH'],
        K3S_CONFIG_FILE: join(this.root, 'etc/config.yaml'),
        K3S_CONTRACT_LOOPBACK: this.address,
        K3S_CONTRACT_TIME_SCALE: '0.05',
      },
    })
    this.output = ''
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => (this.output += chunk))
    this.#exit = new Promise((resolve) => child.once('exit', (code) => resolve(code)))
    this.#child = child
  }

  /** Asks it to end, and waits. */
  async stop(): Promise<void> {
    this.#child?.kill('SIGTERM')
    await this.#exit
  }

  /** As a power cut. */
  async kill(): Promise<void> {
    this.#child?.kill('SIGKILL')
    await this.#exit
  }

  /** Waits for the end and gives the exit code. */
  ended(): Promise<number | null> {
    return this.#exit
  }

  async says(text: string): Promise<void> {
    await until(
      `${this.name} says "${text}"`,
      () => this.output.includes(text),
      () => this.output,
    )
  }

  /** Asks as the administrator of this host. */
  api(path: string, question: Question = {}): Promise<Answer> {
    const tls = join(this.data, 'server/tls')
    const cert = read(join(tls, 'client-admin.crt')) ?? ''
    const key = read(join(tls, 'client-admin.key')) ?? ''
    return ask(`${this.url}${path}`, { ca: read(join(tls, 'server-ca.crt')) ?? '', cert, key, ...question })
  }

  async ready(): Promise<void> {
    const answers = async (): Promise<boolean> => (await this.api('/readyz')).status === 200
    await until(`${this.name} is ready`, answers, () => this.output)
  }

  async members(): Promise<readonly Member[]> {
    const headers = { authorization: `Basic ${Buffer.from(`server:${password}`).toString('base64')}` }
    const answer = await this.api('/db/info', { headers })
    return (JSON.parse(answer.body) as { readonly members: readonly Member[] }).members
  }

  async voters(count: number): Promise<void> {
    const enough = async (): Promise<boolean> => {
      const members = await this.members()
      return members.length === count && members.every((member) => member.isLearner !== true && member.name)
    }
    await until(`${this.name} lists ${count} voters`, enough, () => this.output)
  }
}

/** The password of all sites' servers, and that of their agents. */
export const password = 'server-password'
export const agentPassword = 'agent-password'

/** Waits until a condition holds; an exception counts as "not yet". */
export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  context: () => string = () => '',
): Promise<void> {
  const end = performance.now() + 40_000 * factor
  for (;;) {
    const holds = await Promise.resolve()
      .then(condition)
      .catch(() => false)
    if (holds) return
    if (performance.now() > end) throw new Error(`never: ${what}\n${context().slice(-3_000)}`)
    await delay(100)
  }
}
