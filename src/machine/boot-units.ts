import { systemPaths } from '../core/install/layout.ts'
import { agentUnit, deviceUnit, earlyLines, packagedAgent } from './agent-unit.ts'

/** Longest wait of the health check before the boot counts as bad, in seconds; below the unit's own limit. */
export const healthTimeoutSeconds = 600

const liveMark = systemPaths.live

/**
 * Lines of a unit that leaves the processor to the start of the agent or the installer, for so many seconds at most. It looks
 * after 1, 2, 4, … seconds: a program that sleeps for one second costs a slow machine a good part of it.
 */
function agentFirst(seconds: number): string {
  const waits = `[ $n -lt ${seconds} ] && [ ! -S /run/muster/agent.sock ] && [ ! -e ${systemPaths.progress} ]`
  return `ExecStartPre=/bin/sh -c 'n=1; while ${waits}; do sleep $n; n=$((2*n)); done'`
}

/** A unit of the image. */
export interface BootUnit {
  readonly name: string
  readonly text: string
  /** Whether its `[Install]` section is carried out. */
  readonly enable: boolean
}

/**
 * The units of a muster machine, in the order of a boot:
 *
 * ```
 * local-fs ─▶ early ─▶ muster (agent) ───────────────────────────▶ k3s
 *               │  └─▶ health (installed) ─▶ boot-complete
 *               ├─▶ install (live)
 *               └─▶ console
 * network-online ─▶ network stage        timer ─▶ reconcile stage
 * ```
 *
 * Nothing that a person may wait for stands behind the agent: an agent without a token never says READY.
 */
export const bootUnits: readonly BootUnit[] = [
  {
    name: 'muster-early.service',
    enable: true,
    text: `[Unit]
Description=muster: this machine's own configuration
${earlyLines.join('\n')}
# Mounts were made by the initrd. Neither networkd nor sysinit.target waits for it: who reads a file that it
# changes is told so afterwards.
After=local-fs.target systemd-tmpfiles-setup-dev.service
Before=muster.service ssh.service systemd-user-sessions.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/bin/muster machine apply --early
StandardOutput=journal+console
StandardError=journal+console
# A command that hangs is ended by the program itself. A machine that is slow keeps its time, and one whose program was
# killed tries again: a boot without its configuration helps nobody.
TimeoutStartSec=1800
Restart=on-abnormal
RestartSec=1
StartupCPUWeight=1000

[Install]
WantedBy=sysinit.target
`,
  },
  {
    name: 'muster-device.service',
    enable: true,
    text: deviceUnit('muster0', [...earlyLines, `ConditionPathExists=!${liveMark}`]),
  },
  {
    name: 'muster.service',
    enable: true,
    text: agentUnit({
      ...packagedAgent,
      compileCache: systemPaths.compiled,
      unitLines: [
        ...earlyLines,
        '# Not after the network: a link that comes later is noticed.',
        'After=muster-early.service systemd-journald.socket systemd-tmpfiles-setup.service',
        '# A system without a disk of its own founds nothing, and an identity that ends with it only disturbs.',
        `ConditionPathExists=!${liveMark}`,
      ],
    }),
  },
  {
    name: 'muster-network.service',
    enable: true,
    text: `[Unit]
Description=muster: what needs the network
${earlyLines.join('\n')}
Wants=network-online.target
After=network-online.target muster-early.service sysinit.target
ConditionPathExists=${systemPaths.stageWanted}network

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/bin/muster machine apply --stage network
TimeoutStartSec=900

[Install]
WantedBy=multi-user.target
`,
  },
  {
    name: 'muster-reconcile.timer',
    enable: true,
    text: `[Unit]
Description=muster: the stage reconcile, every hour

[Timer]
OnBootSec=5min
OnUnitActiveSec=60min
AccuracySec=30s

[Install]
WantedBy=timers.target
`,
  },
  {
    name: 'muster-reconcile.service',
    enable: false,
    text: `[Unit]
Description=muster: the stage reconcile
After=muster-early.service
ConditionPathExists=${systemPaths.stageWanted}reconcile

[Service]
Type=oneshot
ExecStart=/usr/bin/muster machine apply --stage reconcile
TimeoutStartSec=900
Nice=10
`,
  },
  {
    name: 'muster-install.service',
    enable: true,
    text: `[Unit]
Description=muster: installation on the disk of this machine
${earlyLines.join('\n')}
# Its disks are there since the initrd; it waits for nothing else of the boot.
After=muster-early.service systemd-udevd.service systemd-journald.socket
Wants=systemd-udev-trigger.service
ConditionPathExists=${liveMark}
ConditionKernelCommandLine=muster.mode=live
# Tried again for ever: a disk may come late, and nobody is there to start it.
StartLimitIntervalSec=0

[Service]
Type=exec
ExecStart=/usr/bin/muster install --unattended
StandardOutput=journal+console
StandardError=journal+console
Restart=on-failure
RestartSec=60

[Install]
WantedBy=multi-user.target
`,
  },
  {
    name: 'muster-health.service',
    enable: true,
    text: `[Unit]
Description=muster: whether this boot is a good one
${earlyLines.join('\n')}
# Nobody waits for it but boot-complete.target: multi-user.target is up long before a cluster is.
After=sysinit.target muster-early.service
Before=boot-complete.target
ConditionPathExists=!${liveMark}
# A bad boot is tried again; the loader counts, and takes the system of before when it has counted to the end.
FailureAction=reboot

[Service]
Type=oneshot
RemainAfterExit=yes
${agentFirst(32)}
ExecStart=/usr/bin/muster health --wait --bless --timeout ${healthTimeoutSeconds}
StandardOutput=journal+console
StandardError=journal+console
# For a check that hangs.
TimeoutStartSec=${healthTimeoutSeconds + 120}

[Install]
RequiredBy=boot-complete.target
WantedBy=multi-user.target
`,
  },
  {
    name: 'muster-console.service',
    enable: true,
    text: `[Unit]
Description=muster: the state of this machine on its screen and its serial line
After=muster-early.service
Conflicts=getty@tty1.service

[Service]
Type=exec
${agentFirst(16)}
ExecStart=/usr/bin/muster console --tty /dev/tty1 --log /dev/ttyS0
Restart=always
RestartSec=5
Nice=5

[Install]
WantedBy=multi-user.target
`,
  },
]

/** Units of Debian that cost time at boot, or would do what is done elsewhere. They are masked. */
export const maskedUnits: readonly string[] = [
  // The screen and the serial line show the machine's state; a login is on tty2 and later, and on the serial line.
  'console-getty.service',
  'getty@tty1.service',
  // The entry is blessed by muster-health.service, which records it first.
  'systemd-bless-boot.service',
  'systemd-boot-check-no-failures.service',
  'systemd-boot-update.service',
  'systemd-boot-system-token.service',
  // The image is what it is: nothing of it is made, repaired or brought up to date on the machine.
  'apt-daily.timer',
  'apt-daily-upgrade.timer',
  'dpkg-db-backup.timer',
  'man-db.timer',
  'e2scrub_all.timer',
  'e2scrub_reap.service',
  'ldconfig.service',
  'systemd-firstboot.service',
  'systemd-hwdb-update.service',
  'systemd-journal-catalog-update.service',
  'systemd-machine-id-commit.service',
  'systemd-repart.service',
  'systemd-sysusers.service',
  'systemd-update-done.service',
  // The initrd has mounted and checked everything.
  'systemd-fsck-root.service',
  'systemd-remount-fs.service',
  'systemd-quotacheck.service',
  'quotaon.service',
  // Nothing asks for these here.
  'dev-hugepages.mount',
  'proc-sys-fs-binfmt_misc.automount',
  'sys-fs-fuse-connections.mount',
  'sys-kernel-config.mount',
  'sys-kernel-debug.mount',
  'sys-kernel-tracing.mount',
  'modprobe@configfs.service',
  'modprobe@drm.service',
  'modprobe@efi_pstore.service',
  'modprobe@fuse.service',
  'rc-local.service',
  'systemd-ask-password-console.path',
  'systemd-ask-password-wall.path',
  'systemd-binfmt.service',
  'systemd-initctl.socket',
  'systemd-pstore.service',
  'systemd-rfkill.socket',
  'systemd-update-utmp.service',
  'systemd-update-utmp-runlevel.service',
]
