// Proves that the main job needs no root: an ordinary user gets a cluster of real agents and a real etcd in a user
// namespace. Root becomes such a user for it; an ordinary user is one already.
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { run } from '../../src/lab/run.ts'
import { timeFactor } from '../support/site.ts'
import { isSkipped, skipNote } from './support/obstacle.ts'

const script = fileURLToPath(new URL('fixtures/rootless-cluster.ts', import.meta.url))

// A private copy of /dev/net/tun that everybody may open, as on most machines; gone with its namespace.
const becomeSomebody = `
set -e
mount -t tmpfs none /mnt
mknod -m 666 /mnt/tun c 10 200
mount --bind /mnt/tun /dev/net/tun
mkdir -m 700 /mnt/labs; chown 65534:65534 /mnt/labs
MUSTER_LAB_DIRECTORY=/mnt/labs HOME=/mnt/labs exec setpriv --reuid=65534 --regid=65534 --clear-groups "$@"`

it.skipIf(isSkipped)(`three hosts of an ordinary user become one cluster${skipNote}`, async () => {
  const isRoot = process.getuid?.() === 0
  const become = isRoot ? ['unshare', '--mount', 'sh', '-c', becomeSomebody, 'sh'] : []
  const ran = await run([...become, process.execPath, script], { timeoutMs: 280_000 * timeFactor })
  expect(ran.stderr).toBe('')
  expect(JSON.parse(ran.stdout)).toEqual({
    user: isRoot ? 65_534 : process.getuid?.(),
    rootless: true,
    lacking: [],
    clusters: 1,
    servers: 3,
    etcd: true,
    silent: [],
    left: [],
    alive: [],
  })
})
