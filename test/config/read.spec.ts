// Proves what files mean and where mistakes are pointed at: each case is a file as a user writes it, read whole.
import { describe, expect, it } from 'vitest'
import type { ConfigReading } from '../../src/config/index.ts'
import { readConfig } from '../../src/config/index.ts'
import { defaultSpec } from '../../src/core/model/spec.ts'

function read(...texts: string[]): ConfigReading {
  return readConfig(texts.map((text, index) => ({ path: `${index + 1}.yaml`, text })))
}

/** Errors as `file:line:column key`, with what they say. */
function errorsOf(...texts: string[]): string[] {
  const { config, diagnostics } = read(...texts)
  const errors = diagnostics.filter(({ severity }) => severity === 'error')
  expect(config === undefined).toBe(errors.length > 0)
  return errors.map(
    ({ file, line, column, path, message }) => `${file}:${line}:${column} ${path}: ${message}`,
  )
}

function warningsOf(text: string): string[] {
  return read(text)
    .diagnostics.filter(({ severity }) => severity === 'warning')
    .map(({ path }) => path)
}

describe('what files mean', () => {
  it.each([[''], ['#cloud-config\n'], ['muster:\n'], ['{}']])('nothing said is the defaults: %j', (text) => {
    const { config, diagnostics } = read(text)
    expect(diagnostics).toEqual([])
    expect(config?.spec).toEqual(defaultSpec)
    expect(config).toMatchObject({
      token: undefined,
      bootstrap: undefined,
      roles: ['control-plane', 'worker'],
      zone: '',
    })
  })

  it('no file at all is the defaults', () => {
    expect(readConfig([]).config?.spec).toEqual(defaultSpec)
  })

  it('own keys', () => {
    const { config, diagnostics } = read(`
muster:
  token_file: /etc/muster/token
  bootstrap: {expect: 5, tolerate: 1, slack: 2}
  control_plane: 5
  addresses: {ipv4: 10.99.0.0/16}
  discovery: {mdns: false}
  peers: [192.0.2.1, "a.example.org:99", "2001:db8::1", "[2001:db8::2]:7", /dns4/b.example.org/tcp/1]
  zone: rack-1
  roles: [master]
  listen: {port: 99, overlay_port: 0}
  overlay: {device: ov0, mtu: 1280}
  k3s: {version: v1, service_cidr: 10.77.0.0/16, disable: [traefik], server_args: ["--a=b"], agent_args: [--c d]}
  timers: {probe_interval: 2s, settle: 500ms}
  state_directory: /tmp/x
  log_level: debug
`)
    expect(diagnostics).toEqual([])
    expect(config).toMatchObject({
      tokenFile: '/etc/muster/token',
      bootstrap: { mode: 'tolerate', expect: 5, tolerate: 1, slack: 2 },
      discovery: {
        mdns: false,
        beacon: true,
        dht: true,
        staticPeers: [
          '/ip4/192.0.2.1/tcp/99',
          '/dns/a.example.org/tcp/99',
          '/ip6/2001:db8::1/tcp/99',
          '/ip6/2001:db8::2/tcp/7',
          '/dns4/b.example.org/tcp/1',
        ],
      },
      zone: 'rack-1',
      roles: ['control-plane'],
      listen: { port: 99, overlayPort: 0 },
      overlay: { device: 'ov0', mtu: 1280 },
      stateDirectory: '/tmp/x',
      logLevel: 'debug',
      spec: {
        controlPlane: 5,
        addresses: { ipv4: '10.99.0.0/16' },
        timers: { probeIntervalMs: 2_000, settleMs: 500 },
        k3s: {
          version: 'v1',
          serviceCidr: '10.77.0.0/16',
          clusterDns: '10.77.0.10',
          disable: ['traefik'],
          serverArgs: { a: ['b'] },
          agentArgs: { c: ['d'] },
        },
      },
    })
  })

  it.each([
    ['{expect: 3}', { mode: 'expect', expect: 3 }],
    ['{single: true}', { mode: 'expect', expect: 1 }],
    ['{auto: true}', { mode: 'auto' }],
    ['{auto: true, single: false}', { mode: 'auto' }],
    ['{expect: 5, tolerate: 2}', { mode: 'tolerate', expect: 5, tolerate: 2, slack: 0 }],
    [
      `{voters: [${'B'.repeat(40)}, ${'A'.repeat(40)}]}`,
      { mode: 'voters', voters: ['A'.repeat(40), 'B'.repeat(40)] },
    ],
  ])('bootstrap %s', (block, setting) => {
    expect(read(`muster: {bootstrap: ${block}}`).config?.bootstrap).toEqual(setting)
  })

  it('later files win key by key, lists are replaced, empty keys say nothing, and origins are kept', () => {
    const { config, origins } = read(
      'muster:\n  zone: a\n  control_plane: 5\n  peers: [192.0.2.1, 192.0.2.2]\n',
      'muster:\n  zone: b\n  control_plane:\n  peers: [192.0.2.3]\n',
    )
    expect(config?.zone).toBe('b')
    expect(config?.spec.controlPlane).toBe(5)
    expect(config?.discovery.staticPeers).toEqual(['/ip4/192.0.2.3/tcp/4710'])
    expect(origins.get('muster.zone')).toEqual({ file: '2.yaml', line: 2, column: 3 })
    expect(origins.get('muster.control_plane')).toEqual({ file: '1.yaml', line: 3, column: 3 })
    expect(origins.get('muster.peers')?.file).toBe('2.yaml')
  })

  it('anchors and merge keys', () => {
    const { config } = read(
      'muster:\n  listen: &ports {port: 1, overlay_port: 2}\n  overlay: {mtu: 1300}\n',
      '',
    )
    expect(config?.listen).toEqual({ port: 1, overlayPort: 2 })
    const merged = read('muster:\n  k3s:\n    <<: {version: v1, path: /a}\n    path: /b\n').config
    expect([merged?.spec.k3s.version, merged?.k3s.path]).toEqual(['v1', '/b'])
  })

  it('file modes stay as they are written', () => {
    expect(
      read('write_files:\n- path: /a\n  permissions: 0644\n').config?.machine.writeFiles[0]?.permissions,
    ).toBe('0644')
  })
})

describe('mistakes', () => {
  it.each<[string, readonly string[], string]>([
    ['unknown key', ['muster:\n  tokn: x\n'], '1.yaml:2:3 muster.tokn: unknown key `tokn`'],
    [
      'key twice',
      ['muster:\n  zone: a\n  zone: b\n'],
      '1.yaml:3:3 muster.zone: the key stands twice; first in line 2',
    ],
    [
      'wrong type',
      ['muster:\n  control_plane: three\n'],
      '1.yaml:2:18 muster.control_plane: expected a number, found text',
    ],
    [
      'fraction',
      ['muster: {control_plane: 1.5}'],
      '1.yaml:1:25 muster.control_plane: expected a whole number, found the number 1.5',
    ],
    [
      'beyond bounds',
      ['muster: {control_plane: 9}'],
      '1.yaml:1:25 muster.control_plane: must be at most 7, is 9',
    ],
    [
      'unknown word',
      ['p2p: {role: boss}'],
      '1.yaml:1:13 p2p.role: expected master, control-plane or worker, found text',
    ],
    ['missing key', ['users:\n- shell: /bin/sh\n'], '1.yaml:2:3 users.0.name: is required and not there'],
    [
      'two tokens in one file',
      ['muster: {token: aaaa}\np2p: {network_token: bbbb}'],
      '1.yaml:2:22 p2p.network_token: a second token; the first is muster.token in 1.yaml:1',
    ],
    [
      'two tokens in two files',
      ['muster: {token: aaaa}', 'muster: {token: bbbb}'],
      '2.yaml:1:17 muster.token: a second token; the first is muster.token in 1.yaml:1',
    ],
    [
      'token and token file',
      ['muster: {token: /a, token_file: /a}'],
      '1.yaml:1:33 muster.token_file: a second token; the first is muster.token in 1.yaml:1',
    ],
    [
      'two ways of founding',
      ['muster:\n  bootstrap:\n    expect: 3\n    single: true\n'],
      '1.yaml:4:13 muster.bootstrap.single: contradicts muster.bootstrap.expect (1.yaml:3): a cluster is founded in one way',
    ],
    [
      'a lonely tolerate',
      ['muster: {bootstrap: {auto: true, tolerate: 1}}'],
      '1.yaml:1:44 muster.bootstrap.tolerate: has a meaning only together with `expect`',
    ],
    [
      'slack without tolerate',
      ['muster: {bootstrap: {expect: 3, slack: 1}}'],
      '1.yaml:1:40 muster.bootstrap.slack: has a meaning only together with `tolerate`',
    ],
    [
      'a network that is none',
      ['muster: {addresses: {ipv4: 10.300.0.0/16}}'],
      '1.yaml:1:28 muster.addresses.ipv4: is not an IPv4 network',
    ],
    [
      'a network too small',
      ['muster: {addresses: {ipv4: 10.9.0.0/30}}'],
      '1.yaml:1:28 muster.addresses.ipv4: the network is too small: room for 2 machine(s)',
    ],
    [
      'an address in a network',
      ['muster: {addresses: {ipv4: 10.9.0.1/16}}'],
      '1.yaml:1:28 muster.addresses.ipv4: is an address within a network, not the network',
    ],
    [
      'loopback',
      ['muster: {addresses: {ipv4: 127.0.0.0/16}}'],
      '1.yaml:1:28 muster.addresses.ipv4: machines cannot have addresses of this network',
    ],
    [
      'overlap with the pods',
      ['muster: {addresses: {ipv4: 10.42.0.0/24}}'],
      '1.yaml:1:28 muster.addresses.ipv4: overlaps the network of the pods (10.42.0.0/16), the default',
    ],
    [
      'overlap by a flag',
      ['k3s:\n  args:\n  - --cluster-cidr=10.144.0.0/16\n'],
      '1.yaml:3:5 k3s.args.0: overlaps the network of the overlay (10.144.0.0/16), the default',
    ],
    [
      'a peer that is none',
      ['muster: {peers: [1.2.3]}'],
      '1.yaml:1:18 muster.peers.0: is not an address of a machine',
    ],
    [
      'probe timers',
      ['muster: {timers: {probe_timeout: 3s}}'],
      '1.yaml:1:34 muster.timers.probe_timeout: a probe must be over before the next begins: timeout 3000 ms, interval 1000 ms',
    ],
    [
      'template',
      ['hostname: "{{ nonsense }}"'],
      '1.yaml:1:11 hostname: `{{ nonsense }}` is not understood; known are `{{ .MachineID }}`, `{{ .UUID }}` and `{{ trunc 4 .MachineID }}`',
    ],
    [
      'external database',
      ['p2p: {auto: {ha: {external_db: x}}}'],
      '1.yaml:1:32 p2p.auto.ha.external_db: an external database is not supported: the servers of the cluster keep their own etcd',
    ],
    [
      'two numbers of servers',
      ['muster: {control_plane: 5}\np2p: {auto: {ha: {master_nodes: 2}}}'],
      '1.yaml:2:33 p2p.auto.ha.master_nodes: contradicts muster.control_plane (1.yaml:1)',
    ],
    ['k0s', ['k0s: {enabled: true}'], '1.yaml:1:16 k0s.enabled: k0s is not supported'],
    [
      'a flag for servers alone',
      ['k3s-agent: {args: [--disable=traefik]}'],
      '1.yaml:1:20 k3s-agent.args.0: `--disable` is a flag of servers: a worker would not start',
    ],
    [
      'a short flag',
      ['k3s: {args: [-v]}'],
      '1.yaml:1:14 k3s.args.0: `-v` is not a long flag; write it as `--name=value`',
    ],
    ['not a map', ['- a'], '1.yaml:1:1 : a configuration is a map of keys to values'],
    [
      'two documents',
      ['a: 1\n---\nb: 2'],
      '1.yaml:2:1 : the file holds several YAML documents (`---`); put them into files of their own',
    ],
  ])('%s', (_, texts, expected) => {
    expect(errorsOf(...texts)).toContain(expected)
  })

  it('say by how much `tolerate` is too bold', () => {
    const { diagnostics } = read('muster: {bootstrap: {expect: 5, tolerate: 3}}')
    expect(diagnostics[0]).toMatchObject({
      path: 'muster.bootstrap.tolerate',
      suggestion: expect.stringContaining('`tolerate: 2`'),
    })
  })

  it('are all told at once, those of form and those of meaning', () => {
    const paths = read(
      'muster:\n  tokn: x\n  control_plane: many\n  bootstrap: {expect: 5, tolerate: 4}\n  peers: ["?"]\np2p: {role: boss}\n',
      'muster:\n  bootstrap: {voters: [short]}\n',
    ).diagnostics.map(({ path }) => path)
    expect(paths).toEqual([
      'muster.tokn',
      'muster.control_plane',
      'muster.bootstrap.tolerate',
      'muster.peers.0',
      'p2p.role',
      'muster.bootstrap.voters.0',
    ])
  })

  it.each([
    ['muster: {control_plan: 3}', 'Did you mean `control_plane`?'],
    ['muster: {controlPlane: 3}', 'Did you mean `control_plane`?'],
    ['control_plane: 3', 'Did you mean `muster.control_plane`?'],
    ['p2p: {rol: master}', 'Did you mean `role`?'],
    ['p2p: {role: mastr}', 'Did you mean `master`?'],
    ['k3s: {enable: true}', 'Did you mean `enabled`?'],
    ['muster: {discovery: {mdns: yes}}', 'Write `true`.'],
    ['muster: {control_plane: "3"}', 'Write it without quotes: `3`.'],
    ['muster: {peers: 192.0.2.1}', 'Write it as a list: a line with `- ` for each item.'],
    ['muster: {addresses: {ipv4: 10.9.0.1/16}}', 'Did you mean `10.9.0.0/16`?'],
  ])('come with a suggestion: %s', (text, suggestion) => {
    expect(read(text).diagnostics.map((diagnostic) => diagnostic.suggestion)).toContain(suggestion)
  })

  it('never show a secret, wherever it stands', () => {
    const shown = JSON.stringify([
      read('muster: {token: topsecret, tokn: 1}\n').diagnostics,
      read('muster:\n  token: [topsecret]\n').diagnostics,
      read('p2p:\n  network_token: topsecret\n   role: x\n').diagnostics,
      read('muster: {token: >\n  topsecret\n}').diagnostics,
      read('users:\n- {name: a, passwd: topsecret, shel: x}\n').diagnostics,
      read('muster: {token: another}\np2p:\n  network_token:\n    topsecret\n').diagnostics,
      read('muster:\n  token: topsecret\n', 'p2p: {network_token: topsecret2}').diagnostics,
      read('k3s: {env: {K3S_TOKEN: topsecret}, agrs: []}').diagnostics,
    ])
    expect(shown).not.toContain('topsecret')
  })
})

describe('input that means harm', () => {
  const many = (count: number, each: (index: number) => string): string =>
    Array.from({ length: count }, (_, i) => each(i)).join('')

  it.each([
    ['flow nesting', '['.repeat(200_000), 'nested too deep'],
    ['block nesting', '- '.repeat(60), 'nested too deep'],
    ['an alias of itself', 'a: &a {b: *a}', 'nested too deep'],
    [
      'an alias bomb',
      `a0: &a0 [x]\n${many(24, (i) => `a${i + 1}: &a${i + 1} [*a${i}, *a${i}, *a${i}, *a${i}]\n`)}`,
      'too many values',
    ],
    ['a huge file', 'a'.repeat(1_048_577), 'too large'],
    ['many keys', many(60_000, (i) => `k${i}: 1\n`), 'too many values'],
    ['an unknown alias', 'a: *b', 'names no anchor'],
    ['a prototype', '__proto__: {muster: 1}', 'a key must be plain text'],
  ])('%s is one error', (_, text, message) => {
    const { config, diagnostics } = read(text)
    expect(config).toBeUndefined()
    expect(diagnostics.map((diagnostic) => diagnostic.message).join('\n')).toContain(message)
    expect(diagnostics.length).toBeLessThan(5)
  })
})

describe('Kairos configurations', () => {
  it('the usual decentralized one reads without an error', () => {
    const { config, diagnostics } = read(`#cloud-config
hostname: node-{{ trunc 4 .MachineID }}
install: {device: auto, auto: true, reboot: true, partitions: {oem: {size: 512, fs: ext4}}}
users:
- name: admin
  passwd: admin
  groups: [admin]
  ssh_authorized_keys: ["github:somebody"]
p2p:
  network_token: b3RwOgogIA==
  network_id: kairos
  role: master
  disable_dht: true
  dns: true
  loglevel: warning
  minimum_nodes: 3
  vpn: {create: false, use: false, env: {DHCP: "true", MTU: 1200}}
  auto: {enable: true, ha: {enable: true, master_nodes: 2}}
k3s:
  enabled: true
  embedded_registry: true
  env: {A: 1}
  replace_args: true
  args:
  - --disable=traefik,servicelb
  - --tls-san a.example.org
  - --flannel-iface=eth0
  - --node-label
  - a=b
k3s-agent: {args: [--node-taint=x=y:NoSchedule]}
kubevip: {eip: 192.0.2.9, interface: eth0}
stages:
  initramfs:
  - name: set up
    commands: [echo hello]
    files: [{path: /a, content: b, permissions: 0600}]
  provider-kairos.bootstrap.before.master:
  - commands: [echo hello]
write_files: [{path: /etc/x, content: y}]
runcmd: [echo a, [echo, b]]
reset: {reboot: true, reset-oem: false}
`)
    expect(diagnostics.filter(({ severity }) => severity === 'error')).toEqual([])
    expect(config).toMatchObject({
      token: 'b3RwOgogIA==',
      hostname: 'node-{{ trunc 4 .MachineID }}',
      roles: ['control-plane'],
      bootstrap: { mode: 'expect', expect: 3 },
      discovery: { dht: false, mdns: true },
      logLevel: 'warn',
      k3s: { enabled: true, serverEnvironment: { A: '1' } },
      spec: {
        controlPlane: 3,
        k3s: {
          disable: ['servicelb', 'traefik'],
          tlsSan: ['a.example.org'],
          serverArgs: { 'embedded-registry': ['true'], 'node-label': ['a=b'] },
          agentArgs: { 'node-taint': ['x=y:NoSchedule'] },
        },
      },
    })
    expect(config?.spec.k3s.serverArgs).not.toHaveProperty('flannel-iface')
    expect(config?.machine.users).toHaveLength(1)
  })

  it.each([
    ['p2p: {dns: true}', ['p2p.dns']],
    [
      'p2p: {dns: false, dynamic_roles: false, network_id: kairos, vpn: {create: true, use: true}, auto: {enable: true}}',
      [],
    ],
    ['p2p: {network_id: other}', ['p2p.network_id']],
    ['p2p: {auto: {enable: false}}', ['p2p.auto.enable']],
    ['p2p: {minimum_nodes: 2}', ['p2p.minimum_nodes']],
    ['k3s: {env: {K3S_URL: x}}', ['k3s.env']],
    ['k3s: {env: {HTTP_PROXY: x}}', []],
    ['muster: {k3s: {cluster_cidr: "10.42.0.0/16,fd42::/56", service_cidr: "10.43.0.0/16,fd43::/112"}}', []],
    ['k3s: {args: [--cluster-init]}', ['k3s.args.0']],
    ['kubevip: {eip: 192.0.2.1, version: v1}', ['kubevip.eip', 'kubevip.version']],
    ['runcmd: [a]\ninstall: {auto: true}', ['runcmd', 'install']],
    ['stages: {bot: []}', ['stages', 'stages.bot']],
    ['muster: {control_plane: 2}', ['muster.control_plane']],
    ['muster: {addresses: {ipv4: 8.0.0.0/16}}', ['muster.addresses.ipv4']],
  ])('what has no effect yet says so, once: %s', (text, paths) => {
    expect(warningsOf(text)).toEqual(paths)
  })

  it('a machine says of `upgrade` and `reset` that nobody acts on them, and what does', () => {
    const text = 'install: {auto: true}\nupgrade: {reboot: true}\nreset: {reset-oem: true}\n'
    const { diagnostics } = readConfig([{ path: 'a.yaml', text }], 'machine')
    expect(diagnostics).toMatchObject([
      { severity: 'warning', path: 'upgrade', line: 2, message: expect.stringContaining('`muster upgrade`') },
      { severity: 'warning', path: 'reset', line: 3, message: expect.stringContaining('`muster reset`') },
    ])
  })

  it('variables that k3s itself reads are left out of its environment', () => {
    const { config } = read('k3s: {env: {K3S_URL: x, HTTP_PROXY: y}}\nk3s-agent: {env: {K3S_TOKEN: x, A: 1}}')
    expect(config?.k3s.serverEnvironment).toEqual({ HTTP_PROXY: 'y' })
    expect(config?.k3s.agentEnvironment).toEqual({ A: '1' })
  })

  it('one server, where high availability is switched off', () => {
    expect(read('p2p: {auto: {ha: {enable: false}}}').config?.spec.controlPlane).toBe(1)
  })
})
