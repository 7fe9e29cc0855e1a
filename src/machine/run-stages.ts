import { randomBytes } from 'node:crypto'
import type { MachineConfig, StageStep } from '../config/index.ts'
import { errorText } from '../errors.ts'
import { parse } from './accounts.ts'
import type { Action } from './actions.ts'
import { problem } from './actions.ts'
import { carryOut } from './carry-out.ts'
import { changeEntity } from './entities.ts'
import { fetchKeys, keptKeys, rememberKeys, rememberedKeys } from './kept-keys.ts'
import type { Machine, MachineFacts } from './machine.ts'
import { readFacts } from './machine.ts'
import { hashPassword, saltFrom } from './password.ts'
import { planDirectories, planDownloads, planStepFiles, planWriteFiles } from './plan-files.ts'
import type { UserKeys } from './plan-keys.ts'
import { planKeys, remoteKeys } from './plan-keys.ts'
import {
  planDns,
  planEnvironment,
  planHostname,
  planModules,
  planSysctl,
  planTimesyncd,
  planUnits,
  planUnitStarts,
} from './plan-system.ts'
import { planUsers, readAccounts, writeAccounts } from './plan-users.ts'
import { exists, readIfThere } from './rooted-files.ts'
import type { StageProblem, StageResult } from './stage-report.ts'
import { passedOver, stepsOf } from './steps.ts'

/** What the configuration says about the machine, with its host name. */
export type Wishes = MachineConfig & { readonly hostname: string | undefined }

/** Files that a running service has read already; it is told when one of them was written. */
const followUps: readonly { readonly below: string; readonly argv: readonly string[] }[] = [
  { below: '/etc/systemd/system/', argv: ['systemctl', 'daemon-reload'] },
  { below: '/etc/systemd/network/', argv: ['networkctl', 'reload'] },
  {
    below: '/etc/systemd/timesyncd.conf.d/',
    argv: ['systemctl', 'try-restart', '--no-block', 'systemd-timesyncd.service'],
  },
]

/** Stages that have a unit of their own, and the network. */
const laterStages: readonly string[] = ['network', 'reconcile']

/**
 * Carries a configuration out, stage by stage. Every plan is made when its turn comes, from the machine as it is then:
 * a step sees what the steps before it did. A failure is noted and the next action is done.
 */
export class StageRunner {
  readonly #machine: Machine
  readonly #wishes: Wishes
  readonly #problems: StageProblem[] = []
  readonly #written: string[] = []
  #done = 0

  constructor(machine: Machine, wishes: Wishes) {
    this.#machine = machine
    this.#wishes = wishes
  }

  /**
   * What comes before everything else in a boot: host name, users and their keys, `write_files`, then the stages
   * initramfs, fs and boot, then deferred files and `runcmd`.
   */
  async early(): Promise<StageResult> {
    return this.#measured('early', async () => {
      const wishes = this.#wishes
      await this.#do(planHostname(wishes.hostname, this.#facts(), this.#read('/etc/hosts')))
      await this.#do(planUsers(wishes.users, this.#accounts()))
      await this.#giveKeys(topKeys(wishes), 'ssh_authorized_keys')
      await this.#do(planWriteFiles(wishes.writeFiles, false))
      for (const stage of ['initramfs', 'fs', 'boot']) await this.#runSteps(stage)
      await this.#do(planWriteFiles(wishes.writeFiles, true))
      await this.#do(wishes.runCommands.map((command, index) => commandAction(command, `runcmd.${index}`)))
    })
  }

  /** One stage of `stages:` by its name. Those that have the network fetch keys first. */
  async stage(name: string): Promise<StageResult> {
    return this.#measured(name, async () => {
      if (laterStages.includes(name)) await this.#refreshKeys()
      await this.#runSteps(name)
    })
  }

  /** The later stages for which there is something to do: nobody starts a program for nothing. Asked after `early`. */
  wantedLater(): readonly string[] {
    const fetches = rememberedKeys(this.#machine.root).some((each) => remoteKeys([each]).length > 0)
    return laterStages.filter((name) => {
      const { steps, problems } = stepsOf(this.#wishes.stages, name)
      return fetches || steps.length > 0 || problems.length > 0
    })
  }

  async #measured(stage: string, work: () => Promise<void>): Promise<StageResult> {
    const begin = performance.now()
    await work()
    await this.#followUp()
    return {
      stage,
      done: this.#done,
      durationMs: Math.round(performance.now() - begin),
      problems: this.#problems.splice(0),
    }
  }

  async #runSteps(stage: string): Promise<void> {
    const { steps, problems } = stepsOf(this.#wishes.stages, stage)
    for (const { where, message } of problems) this.#note(where, message)
    for (const { where, step } of steps) {
      const facts = this.#facts()
      const reason = passedOver(step, { facts, exists: (path) => exists(this.#machine.root, path) })
      if (reason !== undefined) this.#machine.say(`${where}: passed over: ${reason}`)
      else if (await this.#holds(step, where)) await this.#runStep(step, where)
    }
  }

  async #holds(step: StageStep, where: string): Promise<boolean> {
    if (step.if === undefined) return true
    try {
      const { exitCode } = await this.#machine.run(['/bin/sh', '-c', step.if], { timeoutMs: 60_000 })
      if (exitCode !== 0) this.#machine.say(`${where}: passed over: \`if\` ended with ${exitCode}`)
      return exitCode === 0
    } catch (error) {
      this.#note(`${where}.if`, errorText(error))
      return false
    }
  }

  /**
   * The order within a step: accounts, directories, files, downloads, kernel, names, units, then commands, which find
   * all of it done; units are started after the commands. (Kairos runs commands before it makes users.)
   */
  async #runStep(step: StageStep, where: string): Promise<void> {
    const { root } = this.#machine
    await this.#changeEntities(step.ensure_entities, 'ensure', `${where}.ensure_entities`)
    const users = Object.entries(step.users ?? {}).map(([name, user]) => ({ ...user, name }))
    await this.#do(planUsers(users, this.#accounts(), `${where}.users`))
    await this.#giveKeys(stepKeys(step), `${where}.authorized_keys`)
    await this.#do(planDirectories(step, where))
    await this.#do(planStepFiles(step, where))
    await this.#do(planDownloads(step, where))
    await this.#do(planModules(step, where))
    await this.#do(planSysctl(step, where))
    await this.#do(planHostname(step.hostname, this.#facts(), this.#read('/etc/hosts'), `${where}.hostname`))
    await this.#do(planDns(step, where))
    await this.#do(planTimesyncd(step, where))
    await this.#do(planEnvironment(step, where, (path) => readIfThere(root, path) ?? ''))
    const units = planUnits(step.systemctl, where)
    await this.#do(units.filter(({ kind }) => kind !== 'program'))
    await this.#followUp()
    await this.#do(units.filter(({ kind }) => kind === 'program'))
    await this.#do(
      (step.commands ?? []).map((command, index) => commandAction(command, `${where}.commands.${index}`)),
    )
    await this.#do(planUnitStarts(step.systemctl, where))
    await this.#changeEntities(step.delete_entities, 'delete', `${where}.delete_entities`)
  }

  /** A user's keys of all steps of this boot are one file. */
  async #giveKeys(wanted: readonly UserKeys[], where: string): Promise<void> {
    if (wanted.length === 0) return
    const all = rememberKeys(this.#machine.root, wanted)
    const users = new Set(wanted.map(({ user }) => user))
    await this.#do(
      planKeys(
        all.filter(({ user }) => users.has(user)),
        this.#keys(),
        where,
      ),
    )
  }

  async #refreshKeys(): Promise<void> {
    const all = rememberedKeys(this.#machine.root)
    const remote = all.filter((each) => remoteKeys([each]).length > 0)
    if (remote.length === 0) return
    const problems = await fetchKeys(this.#machine, remote)
    for (const each of problems) this.#note(each.where, each.message, each.severity)
    const users = new Set(remote.map(({ user }) => user))
    await this.#do(
      planKeys(
        all.filter(({ user }) => users.has(user)),
        this.#keys(),
        'ssh_authorized_keys',
      ),
    )
  }

  async #changeEntities(
    entities: StageStep['ensure_entities'],
    change: 'ensure' | 'delete',
    where: string,
  ): Promise<void> {
    for (const [index, { entity }] of (entities ?? []).entries()) {
      const before = this.#accounts().files
      const changed = changeEntity(before, entity, change)
      const reason = `${where}.${index}`
      await this.#do(
        'problem' in changed
          ? [problem(reason, changed.problem)]
          : writeAccounts(before, changed.files, reason),
      )
    }
  }

  async #do(actions: readonly Action[]): Promise<void> {
    for (const action of actions) {
      if (action.kind === 'problem') {
        this.#note(action.reason, action.message, action.severity)
        continue
      }
      try {
        await carryOut(this.#machine, action)
        this.#done++
        if (action.kind === 'file') this.#written.push(action.path)
      } catch (error) {
        this.#note(action.reason, errorText(error))
      }
    }
  }

  /** Tells running services about files that they have read already. */
  async #followUp(): Promise<void> {
    const written = this.#written.splice(0)
    for (const { below, argv } of followUps) {
      if (!written.some((path) => path.startsWith(below))) continue
      await this.#do([{ kind: 'program', reason: `files below ${below}`, argv }])
    }
  }

  #note(where: string, message: string, severity: StageProblem['severity'] = 'error'): void {
    this.#problems.push({ where, message, severity })
    this.#machine.say(`${where}: ${message}`)
  }

  #read(path: string): string {
    return readIfThere(this.#machine.root, path) ?? ''
  }

  #facts(): MachineFacts {
    return readFacts(this.#machine.root)
  }

  #accounts(): { files: ReturnType<typeof readAccounts>; hash: (password: string) => string } {
    return {
      files: readAccounts((path) => this.#read(path)),
      hash: (password) => hashPassword(password, saltFrom(randomBytes(16))),
    }
  }

  #keys(): Parameters<typeof planKeys>[1] {
    const users = parse(this.#read('/etc/passwd'))
    return {
      homeOf: (user) => users.get(user)?.[5],
      kept: (form) => keptKeys(this.#machine.root, form),
    }
  }
}

/** Keys of a configuration's own users: `ssh_authorized_keys` at the top belongs to the first of them, or to root. */
export function topKeys(wishes: Wishes): readonly UserKeys[] {
  const own = wishes.users.map(({ name, ssh_authorized_keys: keys }) => ({ user: name, keys: keys ?? [] }))
  const first = { user: wishes.users[0]?.name ?? 'root', keys: wishes.sshAuthorizedKeys }
  return [first, ...own].filter(({ keys }) => keys.length > 0)
}

/** Keys of a step's users and its `authorized_keys`. */
export function stepKeys(step: StageStep): readonly UserKeys[] {
  const users = Object.entries(step.users ?? {}).map(([user, { ssh_authorized_keys: keys }]) => ({
    user,
    keys: keys ?? [],
  }))
  const others = Object.entries(step.authorized_keys ?? {}).map(([user, keys]) => ({ user, keys }))
  return [...users, ...others].filter(({ keys }) => keys.length > 0)
}

function commandAction(command: string | readonly string[], reason: string): Action {
  return typeof command === 'string'
    ? { kind: 'shell', reason, command }
    : { kind: 'program', reason, argv: command }
}
