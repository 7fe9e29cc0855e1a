// Proves what a boot does with a configuration, on a directory as the machine: where configuration comes from and what a
// bad file does, users, keys, files, stages, mounts; failures are noted and never end a boot.
import { existsSync, lstatSync, mkdirSync, readdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { applyEarly, applyStage } from '../../src/machine/apply.ts'
import { readReport } from '../../src/machine/stage-report.ts'
import { DirectoryMachine } from './directory-machine.ts'

const key = (name: string): string => `ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI${name}`
const isRoot = process.getuid?.() === 0

let machine: DirectoryMachine
beforeEach(() => {
  machine = new DirectoryMachine()
})
afterEach(() => {
  machine.remove()
})

const configure = (text: string, name = '10_site.yaml'): void =>
  machine.file(`/config/cloud-config/${name}`, text)
const errors = (): string[] =>
  readReport(machine.root).stages.flatMap(({ problems }) =>
    problems
      .filter(({ severity }) => severity === 'error')
      .map(({ where, message }) => `${where}: ${message}`),
  )
const warnings = (): string[] =>
  readReport(machine.root).stages.flatMap(({ problems }) =>
    problems
      .filter(({ severity }) => severity === 'warning')
      .map(({ where, message }) => `${where}: ${message}`),
  )
const commands = (): string[] =>
  machine.ran.filter(([shell, flag]) => shell === '/bin/sh' && flag === '-c').map(([, , command]) => command!)

describe('where the configuration comes from', () => {
  const base64 = (text: string): string => Buffer.from(text).toString('base64')

  it('a live system: image, medium, volume, command line; the later one wins', async () => {
    machine.remove()
    machine = new DirectoryMachine('live')
    machine.file(
      '/usr/lib/muster/config.d/00.yaml',
      'hostname: from-image\nmuster: {zone: image, log_level: debug}\n',
    )
    machine.file(
      '/run/muster/medium/muster/config.yaml',
      `hostname: from-medium\nmuster: {zone: medium}\n${'\n'.repeat(4_096)}`,
    )
    machine.file('/dev/disk/by-label/cidata', '')
    machine.programs.set('mount -o ro', ([, , , , target]) => {
      mkdirSync(target!, { recursive: true })
      machine.file('/run/muster/cidata/user-data', '#cloud-config\nhostname: from-volume\n')
      machine.file('/run/muster/cidata/meta-data', 'instance-id: 1\n')
    })
    machine.file('/proc/cmdline', `quiet muster.config=${base64('muster: {zone: line}\n')} panic=5\n`)
    await applyEarly(machine)
    expect(machine.read('/etc/hostname')).toBe('from-volume\n')
    expect(readdirSync(join(machine.root, 'etc/muster'))).toEqual([
      '10_image_00.yaml',
      '20_medium.yaml',
      '50_cidata.yaml',
      '60_command-line.yaml',
    ])
    expect(machine.mode('/etc/muster/20_medium.yaml')).toBe(0o600)
    expect(machine.ran.at(-1)?.[0]).toBe('umount')
    expect(warnings()).toEqual([
      'configuration: meta-data of the volume cidata is not read: user-data alone counts',
    ])
  })

  it('an installed system: its own partition, and neither medium nor volume', async () => {
    machine.file('/run/muster/medium/muster/config.yaml', 'hostname: from-medium\n')
    configure('hostname: from-disk\n')
    await applyEarly(machine)
    expect(machine.read('/etc/hostname')).toBe('from-disk\n')
    expect(readdirSync(join(machine.root, 'etc/muster'))).toEqual(['40_10_site.yaml'])
  })

  it('a recovery system: the partition of the machine, so that those come in who may', async () => {
    machine.remove()
    machine = new DirectoryMachine('recovery')
    configure(`users: [{name: op, ssh_authorized_keys: ['${key('op')}']}]`)
    await applyEarly(machine)
    expect(machine.read('/home/op/.ssh/authorized_keys')).toContain(key('op'))
    expect(existsSync(join(machine.root, 'config/last-good.json'))).toBe(false)
  })

  it('a file that went bad is shown with its place, and the configuration of the last good boot counts', async () => {
    configure('hostname: good\nmuster: {zone: old}\n')
    await applyEarly(machine)
    machine.reboot()
    configure('hostname: new\nmuster: {zonne: x}\n')
    const result = await applyEarly(machine)
    expect(result.problems[0]).toMatchObject({
      where: '/config/cloud-config/10_site.yaml:2:10',
      severity: 'error',
    })
    expect(machine.said.join('\n')).toContain('zonne')
    expect(machine.read('/etc/hostname')).toBe('good\n')
    expect(machine.read('/etc/muster/40_10_site.yaml')).toContain('zone: old')
    // What is bad stays where it is, to be mended.
    expect(machine.read('/config/cloud-config/10_site.yaml')).toContain('zonne')
  })

  it('a bad file without a good boot before it leaves the valid ones in place', async () => {
    configure('hostname: good\n')
    configure('hostname: [\n', '90_bad.yaml')
    await applyEarly(machine)
    expect(machine.read('/etc/hostname')).toBe('good\n')
    expect(warnings()).toContain('configuration: /config/cloud-config/90_bad.yaml has errors and is left out')
  })

  it('nothing valid at all: the boot goes on, and says so', async () => {
    configure('muster: 1\n')
    expect((await applyEarly(machine)).problems.length).toBeGreaterThan(0)
    expect(readdirSync(join(machine.root, 'etc/muster'))).toEqual([])
    expect((await applyStage(machine, 'network')).problems).toEqual([])
  })
})

describe('users and keys', () => {
  const site = `
users:
- name: admin
  passwd: $6$salt$hash
  groups: [admin, wheel]
  shell: /bin/sh
  sudo: ALL=(ALL) NOPASSWD:ALL
  ssh_authorized_keys: ['github:somebody', '${key('own')}']
- {name: worker, lock_passwd: true, passwd: $6$salt$hash, uid: 4000, primary_group: staff}
ssh_authorized_keys: ['${key('top')}']
`
  it.skipIf(!isRoot)(
    'are in the files of accounts, with homes, rules and keys (needs root for the owners)',
    async () => {
      configure(site)
      await applyEarly(machine)
      expect(machine.read('/etc/passwd').split('\n').slice(2)).toEqual([
        'admin:x:1000:1000::/home/admin:/bin/sh',
        'worker:x:4000:1001::/home/worker:/bin/bash',
        '',
      ])
      expect(machine.read('/etc/shadow')).toMatch(/^admin:\$6\$salt\$hash:/m)
      expect(machine.read('/etc/shadow')).toMatch(/^worker:!\$6\$salt\$hash:/m)
      expect(machine.mode('/etc/shadow')).toBe(0o640)
      expect(machine.read('/etc/group')).toMatch(/^wheel:x:\d+:admin$/m)
      expect(machine.read('/etc/gshadow')).toMatch(/^wheel:!::admin$/m)
      expect(machine.read('/etc/gshadow')).toMatch(/^sudo:\*::$/m)
      expect(machine.mode('/etc/gshadow')).toBe(0o640)
      expect(machine.read('/etc/sudoers.d/90-muster-users')).toBe(
        '%admin ALL=(ALL) NOPASSWD: ALL\nadmin ALL=(ALL) NOPASSWD:ALL\n',
      )
      expect(machine.mode('/etc/sudoers.d/90-muster-users')).toBe(0o440)
      expect(machine.read('/home/admin/.ssh/authorized_keys')).toBe(`${key('top')}\n${key('own')}\n`)
      expect(machine.mode('/home/admin/.ssh')).toBe(0o700)
      expect(lstatSync(join(machine.root, 'home/admin/.ssh/authorized_keys')).uid).toBe(1_000)
      expect(errors()).toEqual([])
    },
  )

  it.skipIf(!isRoot)(
    'fetched keys come with the network, and are there at once in the next boot (needs root)',
    async () => {
      configure(site)
      await applyEarly(machine)
      expect(warnings().join()).toContain('github:somebody was not fetched yet')
      await applyStage(machine, 'network')
      expect(warnings().join()).toContain('there is no network')
      machine.web.set('https://github.com/somebody.keys', `${key('web')}\nnonsense\n`)
      await applyStage(machine, 'reconcile')
      const all = `${key('top')}\n${key('web')}\n${key('own')}\n`
      expect(machine.read('/home/admin/.ssh/authorized_keys')).toBe(all)
      machine.reboot()
      machine.web.clear()
      await applyEarly(machine)
      expect(machine.read('/home/admin/.ssh/authorized_keys')).toBe(all)
      expect(warnings()).toEqual([])
      // An answer that holds no key, such as a page of a portal, takes nothing away.
      machine.web.set('https://github.com/somebody.keys', '<html>log in</html>')
      await applyStage(machine, 'network')
      expect(machine.read('/home/admin/.ssh/authorized_keys')).toBe(all)
    },
  )

  it.skipIf(!isRoot)('of several steps are one file (needs root)', async () => {
    configure(`users: [{name: a, ssh_authorized_keys: ['${key('1')}']}]
stages:
  boot:
  - authorized_keys: {a: ['${key('2')}']}
  - users: {b: {ssh_authorized_keys: ['${key('3')}']}}
  - authorized_keys: {nobody-here: ['${key('4')}']}
`)
    await applyEarly(machine)
    expect(machine.read('/home/a/.ssh/authorized_keys')).toBe(`${key('1')}\n${key('2')}\n`)
    expect(machine.read('/home/b/.ssh/authorized_keys')).toBe(`${key('3')}\n`)
    expect(errors()).toEqual(['stages.boot.2.authorized_keys: keys for nobody-here: there is no such user'])
  })

  it('with names and fields that would break the files are refused', async () => {
    configure(`users:
- {name: "a:b"}
- {name: c, gecos: "x:y"}
- {name: d, shell: "/bin/sh\\nroot2::0:0::/:/bin/sh"}
- {name: e, sudo: nonsense, no_create_home: true}
`)
    await applyEarly(machine)
    expect(
      machine
        .read('/etc/passwd')
        .trim()
        .split('\n')
        .map((line) => line.split(':')[0]),
    ).toEqual(['root', 'daemon', 'e'])
    expect(errors()).toHaveLength(4)
  })
})

describe('files', () => {
  it('are decoded, with their modes; what cannot be is named', async () => {
    const gz = gzipSync('packed').toString('base64')
    configure(`write_files:
- {path: /etc/plain, content: "a\\n"}
- {path: /etc/b64, content: aGVsbG8=, encoding: b64, permissions: "0600"}
- {path: /etc/gz, content: "${gz}", encoding: gz+b64, permissions: 0755}
- {path: /etc/number, content: x, permissions: 640}
- {path: /etc/more, content: "1\\n"}
- {path: /etc/more, content: "2\\n", append: true}
- {path: /etc/bad, content: "!", encoding: gz+b64}
- {path: relative, content: x}
- {path: /etc/mode, content: x, permissions: "0999"}
- {path: /../../../../../../etc/out, content: x}
`)
    await applyEarly(machine)
    expect(machine.read('/etc/plain')).toBe('a\n')
    expect(machine.mode('/etc/plain')).toBe(0o644)
    expect([machine.read('/etc/b64'), machine.mode('/etc/b64')]).toEqual(['hello', 0o600])
    expect([machine.read('/etc/gz'), machine.mode('/etc/gz')]).toEqual(['packed', 0o755])
    expect(machine.mode('/etc/number')).toBe(0o640)
    expect(machine.read('/etc/more')).toBe('1\n2\n')
    expect(machine.read('/etc/out')).toBe('x')
    expect(errors().map((line) => line.split(':')[0])).toEqual([
      'write_files.6',
      'write_files.7',
      'write_files.8',
    ])
  })

  it('that are deferred come after the stages, and commands last', async () => {
    configure(`write_files: [{path: /etc/late, content: x, defer: true}]
runcmd: [echo last, [touch, /x]]
stages: {boot: [{if_files: {none: [/etc/late]}, commands: [echo boot]}], initramfs: [{commands: [echo initramfs]}]}
`)
    await applyEarly(machine)
    expect(machine.read('/etc/late')).toBe('x')
    expect(commands()).toEqual(['echo initramfs', 'echo boot', 'echo last'])
    expect(machine.ran.at(-1)).toEqual(['touch', '/x'])
  })
})

describe('stages', () => {
  it('run before, themselves, after; steps by their order and `after`; conditions hold', async () => {
    configure(`stages:
  network.after: [{commands: [c]}]
  network:
  - {name: second, after: [first], commands: [b2]}
  - {name: first, commands: [b1]}
  - {only_arch: nothing, commands: [no]}
  - {only_os: "deb.*", only_os_version: "^12$", commands: [os]}
  - {only_os: "(", commands: [no]}
  - {node: other, commands: [no]}
  - {if: "false", commands: [no]}
  - {if: "true", commands: [yes]}
  - {if_files: {any: [/nowhere, /etc/passwd]}, commands: [any]}
  - {if_files: {all: [/nowhere, /etc/passwd]}, commands: [no]}
  network.before: [{commands: [a]}]
`)
    machine.programs.set('/bin/sh -c false', () => ({ exitCode: 1 }))
    await applyEarly(machine)
    expect(commands()).toEqual([])
    await applyStage(machine, 'network')
    expect(commands()).toEqual(['a', 'b1', 'b2', 'os', 'false', 'true', 'yes', 'any', 'c'])
    expect(errors()).toEqual([])
  })

  it('of later are wanted only where there is something to do: no program is started for nothing', async () => {
    const wanted = (): string[] =>
      ['network', 'reconcile'].filter((name) => existsSync(join(machine.root, `/run/muster/stage-${name}`)))
    configure('stages: {boot: [{commands: [echo boot]}]}\n')
    await applyEarly(machine)
    expect(wanted()).toEqual([])
    configure('stages: {reconcile: [{commands: [echo often]}]}\n')
    await applyEarly(machine)
    expect(wanted()).toEqual(['reconcile'])
    configure('stages: {network.after: [{commands: [echo late]}]}\n')
    await applyEarly(machine)
    expect(wanted()).toEqual(['network', 'reconcile'])
  })

  it('a failure is noted, and the next action is done', async () => {
    machine.programs.set('/bin/sh -c bad', () => ({ exitCode: 3, stderr: 'no such thing\n' }))
    machine.programs.set('modprobe', () => {
      throw new Error('there is no modprobe')
    })
    configure('stages: {boot: [{modules: [x], commands: [bad, good]}]}\n')
    const result = await applyEarly(machine)
    expect(commands()).toEqual(['bad', 'good'])
    expect(result.problems.map(({ message }) => message)).toEqual([
      'there is no modprobe',
      '`bad` ended with 3: no such thing',
    ])
  })

  it('what a step says about kernel, names, units and environment is done before its commands', async () => {
    configure(`stages:
  boot:
  - commands: [last]
    sysctl: {net.ipv4.ip_forward: 1}
    hostname: "n-{{ trunc 4 .MachineID }}"
    dns: {nameservers: [192.0.2.1], search: [example.org]}
    timesyncd: {NTP: 192.0.2.2}
    environment: {A: "b c"}
    directories: [{path: /srv/x, permissions: 0700}]
    systemctl:
      enable: [one, two.timer]
      mask: [three]
      start: [four]
      overrides: [{service: five, content: "[Service]\\nNice=1\\n"}]
    downloads: [{url: "http://192.0.2.3/a", path: /srv/}]
`)
    machine.web.set('http://192.0.2.3/a', 'fetched')
    await applyEarly(machine)
    expect(machine.read('/proc/sys/net/ipv4/ip_forward')).toBe('1\n')
    expect(machine.read('/etc/hostname')).toBe('n-0123\n')
    expect(machine.read('/etc/hosts')).toContain('127.0.1.1\tn-0123')
    expect(machine.read('/etc/resolv.conf')).toContain('search example.org\nnameserver 192.0.2.1\n')
    expect(machine.read('/etc/systemd/timesyncd.conf.d/50-muster.conf')).toBe('[Time]\nNTP=192.0.2.2\n')
    expect(machine.read('/etc/environment')).toBe('A="b c"\n')
    expect(machine.mode('/srv/x')).toBe(0o700)
    expect(machine.read('/srv/a')).toBe('fetched')
    expect(machine.read('/etc/systemd/system/five.service.d/override.conf')).toContain('Nice=1')
    expect(machine.ran).toEqual([
      ['systemctl', 'daemon-reload'],
      ['systemctl', 'try-restart', '--no-block', 'systemd-timesyncd.service'],
      ['systemctl', 'mask', 'three.service'],
      ['systemctl', 'enable', 'one.service', 'two.timer'],
      ['/bin/sh', '-c', 'last'],
      ['systemctl', 'start', '--no-block', 'four.service'],
    ])
  })

  it('lines of accounts come and go', async () => {
    configure(`stages:
  boot:
  - ensure_entities:
    - {path: /etc/passwd, entity: "{kind: user, username: svc, uid: 900, gid: 900, homedir: /, shell: /bin/false}"}
    - {entity: "{kind: group, group_name: svc, gid: 900, users: [a, b]}"}
    - {entity: "{kind: nonsense}"}
    delete_entities: [{entity: "{kind: user, username: daemon}"}]
`)
    await applyEarly(machine)
    expect(machine.read('/etc/passwd')).toBe('root:x:0:0:root:/root:/bin/bash\nsvc:x:900:900::/:/bin/false\n')
    expect(machine.read('/etc/group')).toContain('svc:x:900:a,b\n')
    expect(errors()).toHaveLength(1)
  })

  it('what cannot be done here is a warning with its place', async () => {
    configure(`stages:
  boot: [{name: x, layout: {}, packages: {install: [a]}}]
  rootfs: [{commands: [a]}]
  provider-kairos.bootstrap.before.master: [{commands: [a]}]
bundles: []
`)
    await applyEarly(machine)
    expect(warnings().map((line) => line.split(': ')[1])).toEqual([
      'stages.boot.0.layout',
      'stages.boot.0.packages',
      'stages.rootfs',
      'stages.provider-kairos.bootstrap.before.master',
      'bundles',
    ])
  })

  it('network files are read again by networkd', async () => {
    configure('write_files: [{path: /etc/systemd/network/10.network, content: x}]\n')
    await applyEarly(machine)
    expect(machine.ran).toEqual([['networkctl', 'reload']])
  })
})

describe('mounts', () => {
  it('persist what is named, beginning with what the image has; never a directory of units', async () => {
    machine.file('/srv/data/from-image', 'x')
    machine.programs.set('cp -a', ([, , from, to]) => {
      symlinkSync(from!, to!)
    })
    configure(
      'install: {bind_mounts: [/srv/data, /etc/systemd/system, /etc, /var/lib/rancher/k3s, ../x], ephemeral_mounts: [/var/log/pods]}\n',
    )
    await applyEarly(machine)
    const { root } = machine
    expect(machine.ran.filter(([name]) => name === 'mount')).toEqual([
      ['mount', '--bind', `${root}/persist/binds/srv/data`, `${root}/srv/data`],
      ['mount', '-t', 'tmpfs', '-o', 'mode=0755,nosuid,nodev', 'tmpfs', `${root}/var/log/pods`],
    ])
    expect(machine.read('/persist/binds/srv/data/from-image')).toBe('x')
    expect(errors().map((line) => line.split(' ')[1])).toEqual(['/etc/systemd/system:', '/etc:', '../x:'])
    expect(warnings()).toEqual(['install.bind_mounts: /var/lib/rancher/k3s: persists anyway'])
  })

  it('are not made in a live system, and not twice', async () => {
    configure('install: {bind_mounts: [/srv]}\n')
    machine.file('/proc/self/mountinfo', `36 35 98:0 / /srv rw,noatime master:1 - ext4 /dev/root rw\n`)
    await applyEarly(machine)
    expect(machine.ran).toEqual([])
    machine.remove()
    machine = new DirectoryMachine('live')
    machine.file('/usr/lib/muster/config.d/a.yaml', 'install: {bind_mounts: [/srv]}\n')
    await applyEarly(machine)
    expect(machine.ran).toEqual([])
  })
})

describe('what the image brings', () => {
  it('has one host key for all boots', async () => {
    machine.file('/usr/bin/ssh-keygen', '')
    let made = 0
    machine.programs.set(join(machine.root, '/usr/bin/ssh-keygen'), (argv) => {
      const path = argv.at(-1)!.slice(machine.root.length)
      made++
      machine.file(path, `-----BEGIN OPENSSH PRIVATE KEY-----\n${made}\n-----END OPENSSH PRIVATE KEY-----\n`)
      machine.file(`${path}.pub`, `ssh-ed25519 ${made}\n`)
    })
    await applyEarly(machine)
    machine.reboot()
    await applyEarly(machine)
    expect(made).toBe(1)
    expect(machine.read('/etc/ssh/ssh_host_ed25519_key.pub')).toBe('ssh-ed25519 1\n')
    expect(machine.mode('/etc/ssh/ssh_host_ed25519_key')).toBe(0o600)
    // A key that was cut short is made again.
    machine.file('/config/ssh/ssh_host_ed25519_key', '')
    machine.reboot()
    await applyEarly(machine)
    expect(machine.read('/config/ssh/ssh_host_ed25519_key')).toContain('\n2\n')
  })
})
