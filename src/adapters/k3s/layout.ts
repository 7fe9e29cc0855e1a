import { join } from 'node:path'

/** Where the files of one host's k3s are. `root` is empty on a machine and a directory for a lab host. */
export interface K3sLayout {
  readonly root: string
  readonly data: string
  readonly server: string
  readonly tls: string
  readonly etcd: string
  readonly tombstone: string
  readonly agent: string
  /** What `make-authority` made, beside the CA files. */
  readonly authority: string
  /** k3s' base configuration; our drop-in lies in the directory of the same name with `.d`. */
  readonly config: string
  readonly kubeconfig: string
}

/** The paths of k3s under a root. */
export function layoutUnder(root: string): K3sLayout {
  const data = join(root === '' ? '/' : root, 'var/lib/rancher/k3s')
  const server = join(data, 'server')
  const configuration = join(root === '' ? '/' : root, 'etc/rancher/k3s')
  return {
    root,
    data,
    server,
    tls: join(server, 'tls'),
    etcd: join(server, 'db/etcd'),
    tombstone: join(server, 'db/etcd/tombstone'),
    agent: join(data, 'agent'),
    authority: join(server, 'muster-authority.json'),
    config: join(configuration, 'config.yaml'),
    kubeconfig: join(configuration, 'k3s.yaml'),
  }
}
