/** Where an agent runs. */
export interface AgentUnit {
  /** The agent's command line, for example `['/usr/bin/muster', 'agent']`. Absolute. */
  readonly command: readonly string[]
  /** Keeps what V8 compiled at the last start: the next one is quicker. Absolute. */
  readonly compileCache: string
  /** More lines for `[Unit]`. */
  readonly unitLines: readonly string[]
}

/** On a machine with a system of its own, which a package brought the agent to. */
export const packagedAgent: AgentUnit = {
  command: ['/usr/bin/muster', 'agent'],
  compileCache: '/var/cache/muster',
  unitLines: ['After=network.target'],
}

/** Lines of a unit that starts before the basic system is up, and still ends with it. */
export const earlyLines: readonly string[] = [
  'DefaultDependencies=no',
  'Conflicts=shutdown.target',
  'Before=shutdown.target',
]

/**
 * Text of `muster.service`. The agent is restarted for ever and watched; ending it ends neither k3s (a unit
 * of its own) nor the overlay's device (persistent).
 */
export function agentUnit(agent: AgentUnit = packagedAgent): string {
  return `[Unit]
Description=muster: identical machines become one k3s cluster
Documentation=man:muster(1)
${agent.unitLines.join('\n')}
After=muster-device.service
Wants=muster-device.service
# Tried again for ever: a machine that gave up must be visited.
StartLimitIntervalSec=0

[Service]
Type=notify
NotifyAccess=main
ExecStart=${agent.command.map((part) => quoted(part)).join(' ')}
EnvironmentFile=-/etc/default/muster
Restart=always
RestartSec=2
# An emulated or starved machine needs minutes; one that restarts its agent meanwhile never gets there.
TimeoutStartSec=600
TimeoutStopSec=30
# A start is READY as soon as state is loaded and sockets are open, not when there is a cluster.
WatchdogSec=120
KillMode=mixed
# Every packet of the overlay passes through it, and with them what the members of etcd say to each other.
CPUWeight=1000
# Lost memory is better taken from a pod than from the agent.
OOMScoreAdjust=-500
LimitNOFILE=16384

# State, sockets, and what the agent writes: k3s' configuration and unit.
StateDirectory=muster
StateDirectoryMode=0700
CacheDirectory=muster
CacheDirectoryMode=0700
Environment=NODE_COMPILE_CACHE=${agent.compileCache}
# Its few threads hardly ever allocate at once: arenas of their own would keep memory that nobody uses.
Environment=MALLOC_ARENA_MAX=1
RuntimeDirectory=muster
RuntimeDirectoryPreserve=yes
UMask=0077

# What it may do: TUN and addresses (NET_ADMIN), low ports (NET_BIND_SERVICE), files of k3s (DAC_OVERRIDE,
# CHOWN, FOWNER), disks and boot entries of an upgrade (SYS_ADMIN), signals and reboot by systemd over D-Bus.
CapabilityBoundingSet=CAP_NET_ADMIN CAP_NET_RAW CAP_NET_BIND_SERVICE CAP_DAC_OVERRIDE CAP_CHOWN CAP_FOWNER CAP_KILL CAP_SYS_ADMIN CAP_SYS_BOOT
NoNewPrivileges=yes
LockPersonality=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
PrivateTmp=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
# Not set, for they would break it: PrivateDevices and ProtectClock (their device policy hides /dev/net/tun
# and disks), ProtectSystem=strict (k3s' unit
# is written to /etc/systemd/system), MemoryDenyWriteExecute (V8 compiles), PrivateNetwork, PrivateMounts.

[Install]
WantedBy=multi-user.target
`
}

/**
 * Text of `muster-device.service`: makes the overlay's device before k3s, so that a k3s started by systemd
 * after a power cut finds the interface that its configuration names, however long the agent needs.
 * Stopping it removes nothing.
 */
export function deviceUnit(device: string, unitLines: readonly string[] = []): string {
  return `[Unit]
Description=muster: the overlay's network device ${device}
${unitLines.map((line) => `${line}\n`).join('')}Before=muster.service k3s.service k3s-agent.service network-online.target
After=systemd-modules-load.service
ConditionPathExists=!/sys/class/net/${device}

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStartPre=-modprobe tun
ExecStart=ip tuntap add dev ${device} mode tun

[Install]
WantedBy=multi-user.target
`
}

/** systemd's own quoting of one word (systemd.service(5), "Command lines"). */
function quoted(word: string): string {
  const escaped = word.replaceAll('%', '%%').replaceAll('$', '$$$$')
  return /^[\w@%+=:,./$-]+$/.test(escaped) ? escaped : `"${escaped.replaceAll(/["\\]/g, String.raw`\$&`)}"`
}
