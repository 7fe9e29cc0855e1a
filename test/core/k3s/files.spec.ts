// Proves which keys and secrets reach which role: tables over the files, parsed back by a YAML library.
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import {
  agentTokenPath,
  configPath,
  fingerprintOf,
  k3sFiles,
  tokenPath,
} from '../../../src/core/k3s/files.ts'
import type { K3sFilesInput } from '../../../src/core/k3s/files.ts'
import type { K3sRole } from '../../../src/core/k3s/types.ts'
import { defaultSpec } from '../../../src/core/model/spec.ts'
import { secrets } from './support.ts'

function files(role: K3sRole, change: Partial<K3sFilesInput> = {}): Map<string, string> {
  const result = k3sFiles({
    role,
    assignment: { name: 'node-a', address4: '10.144.0.7', address6: 'fd00::7' },
    spec: defaultSpec.k3s,
    secrets,
    clusterToken: 'c0ffee-0-4',
    serverAddress: role === 'server-init' ? '' : '10.144.0.1',
    ...change,
  })
  return new Map(result.files.map((file) => [file.path, file.content]))
}

function config(role: K3sRole, change: Partial<K3sFilesInput> = {}): Record<string, unknown> {
  return parse(files(role, change).get(configPath) ?? '') as Record<string, unknown>
}

describe('the drop-in', () => {
  it('has cluster-init on the first start alone, and `server` everywhere else', () => {
    expect(config('server-init')).toMatchObject({ 'cluster-init': true })
    expect(config('server-init')).not.toHaveProperty('server')
    expect(config('server')).toMatchObject({ server: 'https://10.144.0.1:6443' })
    expect(config('server')).not.toHaveProperty('cluster-init')
    expect(config('server', { serverAddress: '' })).not.toHaveProperty('server')
  })

  it('gives an agent nothing that only a server knows: its k3s would exit', () => {
    expect(Object.keys(config('agent')).toSorted()).toEqual([
      'flannel-iface',
      'node-ip',
      'node-name',
      'server',
    ])
  })

  it('binds a server to its overlay address and its etcd to the grant', () => {
    expect(config('server')).toMatchObject({
      'node-name': 'node-a',
      'node-ip': '10.144.0.7',
      'advertise-address': '10.144.0.7',
      'flannel-iface': 'muster0',
      'tls-san': ['node-a', '10.144.0.7', 'fd00::7'],
      'etcd-arg': ['initial-cluster-token=c0ffee-0-4'],
      'cluster-cidr': '10.42.0.0/16',
    })
  })

  it('names the ULA address only where the cluster is dual-stack, IPv4 first', () => {
    const spec = { ...defaultSpec.k3s, clusterCidr: '10.42.0.0/16,fd42::/56' }
    expect(config('server', { spec })['node-ip']).toBe('10.144.0.7,fd00::7')
  })

  it('lets extra arguments add to lists but never replace what the plan decides', () => {
    const serverArgs = {
      'etcd-arg': ['heartbeat-interval=1000'],
      'node-ip': ['1.2.3.4'],
      'cluster-init': ['true'],
      token: ['x'],
      'kube-apiserver-arg': ['v=2'],
    }
    const parsed = config('server', { spec: { ...defaultSpec.k3s, serverArgs } })
    expect(parsed['etcd-arg']).toEqual(['initial-cluster-token=c0ffee-0-4', 'heartbeat-interval=1000'])
    expect(parsed['node-ip']).toBe('10.144.0.7')
    expect(parsed).not.toHaveProperty('cluster-init')
    expect(parsed).not.toHaveProperty('token')
    expect(parsed['kube-apiserver-arg']).toEqual(['v=2'])
  })
})

describe('the tokens', () => {
  it('pin the CA; a worker gets the agent password alone', () => {
    const pin = `K10${secrets.caHash}`
    expect(files('server').get(tokenPath)).toBe(`${pin}::server:s\n`)
    expect(files('server').get(agentTokenPath)).toBe('w\n')
    expect(files('agent', { secrets: { ...secrets, serverPassword: '' } }).get(tokenPath)).toBe(
      `${pin}::node:w\n`,
    )
    expect([...files('agent').keys()]).toEqual([configPath, tokenPath])
    expect([...files('agent').values()].join('')).not.toContain('server:s')
  })
})

describe('fingerprintOf', () => {
  it('sees content, mode and path, and not the order', () => {
    const a = { path: '/a', mode: 0o600, content: 'x' }
    const b = { path: '/b', mode: 0o600, content: 'y' }
    expect(fingerprintOf([a, b])).toBe(fingerprintOf([b, a]))
    for (const other of [
      { ...a, content: 'z' },
      { ...a, mode: 0o644 },
      { ...a, path: '/c' },
    ]) {
      expect(fingerprintOf([other, b])).not.toBe(fingerprintOf([a, b]))
    }
    expect(fingerprintOf([])).toBe('')
  })
})
