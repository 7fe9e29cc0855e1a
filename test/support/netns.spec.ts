// Proves that the tests' own small networks carry packets, can be cut, and leave nothing behind.
import { execFileSync } from 'node:child_process'
import { describe, expect, it } from 'vitest'
import { canNetns, createNetLab } from './netns.ts'

describe.skipIf(!canNetns)('network namespaces (skipped without root and ip)', () => {
  it('joins hosts, cuts and rejoins them, and cleans up', async () => {
    const lab = await createNetLab('labtest', [{ ipv4: '10.1.0.1/24' }, { ipv4: '10.1.0.2/24' }])
    const reach = (): boolean => {
      try {
        execFileSync('ip', ['netns', 'exec', lab.host(0).name, process.execPath, '-e', connect])
        return true
      } catch {
        return false
      }
    }
    try {
      const server = lab.host(1).spawn(process.execPath, ['-e', listen])
      await server.until('a listening server', (line) => line === 'ready')
      expect(reach()).toBe(true)
      lab.setReachable(1, false)
      expect(reach()).toBe(false)
      lab.setReachable(1, true)
      expect(reach()).toBe(true)
    } finally {
      await lab.close()
    }
    expect(execFileSync('ip', ['netns', 'list'], { encoding: 'utf8' })).not.toContain(lab.host(0).name)
  })
})

const listen = `require('node:net').createServer(s => s.end('x')).listen(7000, () => console.log('ready'))`
const connect = `
  const s = require('node:net').connect(7000, '10.1.0.2')
  s.on('data', () => process.exit(0)); s.on('error', () => process.exit(1)); setTimeout(() => process.exit(2), 1500)`
