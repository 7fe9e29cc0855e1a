/** One rule of k3s that the double mirrors. Paths are those of k3s at 66a14f0e8 (v1.36), 2026-07-28. */
export interface ContractRule {
  readonly id: string
  /** Where k3s says so. */
  readonly source: string
  readonly mirrors: string
  /** The test that shows it on the double: a part of its name; empty: shown by no test of its own. */
  readonly test: string
}

/** The list that a run against a real k3s binary has to go through as well. */
export const contract: readonly ContractRule[] = [
  {
    id: 'config-merge',
    source: 'pkg/configfilearg/parser.go',
    mirrors: 'config.yaml, then config.yaml.d in order; a later key replaces, `key+` adds; argv comes last',
    test: 'reads drop-ins in order',
  },
  {
    id: 'agent-unknown-key',
    source: 'pkg/configfilearg/defaultparser.go',
    mirrors: 'a server-only key ends the agent; the server warns and skips what it does not know',
    test: 'an agent exits on a key of the server',
  },
  {
    id: 'token-file-wait',
    source: 'pkg/util/file.go ReadFile',
    mirrors: 'a token file that is not there yet is awaited, 2 s a time, 4 min in all',
    test: 'waits for its token file',
  },
  {
    id: 'keep-authorities',
    source: 'pkg/daemons/control/deps/deps.go createSigningCertKey',
    mirrors: 'CA files that are there at the first start are kept',
    test: 'keeps the authorities',
  },
  {
    id: 'token-pin',
    source: 'pkg/clientaccess/token.go',
    mirrors: 'the hash in K10<hash>::user:password must be that of the CA that /cacerts serves',
    test: 'refuses a server with another CA',
  },
  {
    id: 'stale-authorities',
    source: 'pkg/cluster/bootstrap.go',
    mirrors: "local CA files that differ from the cluster's end the joining server",
    test: 'refuses to join with authorities of another cluster',
  },
  {
    id: 'critical-arguments',
    source: 'pkg/daemons/config/types.go CriticalControlArgs',
    mirrors: 'a joining server with other critical values exits',
    test: 'refuses other critical values',
  },
  {
    id: 'join-as-learner',
    source: 'pkg/etcd/etcd.go pollJoin, join',
    mirrors: 'learner first; too many learners and an unhealthy cluster are waited out; else it exits',
    test: 'become three voters',
  },
  {
    id: 'promote-tick',
    source: 'pkg/etcd/etcd.go manageLearners (15 s)',
    mirrors: 'the leader promotes learners that are in sync and drops those without progress for 5 min',
    test: 'become three voters',
  },
  {
    id: 'member-name',
    source: 'pkg/etcd/etcd.go setName',
    mirrors: 'member name <node>-<8 hex>; a second member with the same node part ends the newcomer',
    test: 'refuses a second server of the same name',
  },
  {
    id: 'existing-database',
    source: 'pkg/cluster/bootstrap.go shouldBootstrapLoad',
    mirrors: 'with a database on disk cluster-init and server are ignored',
    test: 'resumes from its disk whatever its flags say',
  },
  {
    id: 'bootstrap-key',
    source: 'pkg/cluster/storage.go',
    mirrors: 'another token than the one the data were made with ends the server',
    test: 'resumes from its disk whatever its flags say',
  },
  {
    id: 'tombstone',
    source: 'pkg/etcd/etcd.go Start, RemoveSelf',
    mirrors: 'a removed member writes a tombstone and exits; it rejoins only with `server`, after a backup',
    test: 'leaves a tombstone',
  },
  {
    id: 'node-password',
    source: 'pkg/agent/config/config.go, pkg/nodepassword',
    mirrors: 'a node name with another password is refused (403) until the node is deleted',
    test: 'refuses a second machine with the same node name',
  },
  {
    id: 'agent-secret',
    source: 'pkg/server/auth, pkg/server/handlers',
    mirrors: 'the agent password opens what agents need, never the CA keys',
    test: 'gives a worker no keys',
  },
  {
    id: 'supervisor-paths',
    source: 'pkg/server/handlers/router.go',
    mirrors: '/ping and /cacerts for all; /db/info, /v1-k3s/* by password; the API by certificate',
    test: 'gives a worker no keys',
  },
  {
    id: 'agent-balancer',
    source: 'pkg/agent/loadbalancer/config.go',
    mirrors: 'the saved server list is used only if the default address is the same',
    test: '',
  },
  {
    id: 'ready',
    source: 'pkg/etcd/etcd.go, pkg/daemons/control/server.go',
    mirrors: 'ready only when etcd serves linearizable reads: no learner, no minority',
    test: 'become three voters',
  },
]
