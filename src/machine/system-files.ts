/** A file of the image beside its units. */
export interface SystemFile {
  readonly path: string
  readonly text: string
}

/**
 * What the parts of systemd are told in the image, and the kernel. All lies below `/usr/lib`: a machine's own
 * configuration writes below `/etc`, and wins.
 */
export const systemFiles: readonly SystemFile[] = [
  {
    path: '/usr/lib/systemd/network/80-muster.network',
    text: `# Every ethernet link of the machine. A file in /etc/systemd/network that comes earlier in the alphabet wins.
[Match]
Type=ether
# Physical links only: k3s makes its own, and the overlay is muster's.
Kind=!*

[Network]
DHCP=yes
# IPv6 link-local at once; IPv4 link-local when no DHCP server answers. Neither ends the search for one.
LinkLocalAddressing=yes
IPv6AcceptRA=yes
LLMNR=no
MulticastDNS=no

[DHCPv4]
ClientIdentifier=mac
UseDomains=yes

[DHCPv6]
UseDomains=yes
`,
  },
  {
    path: '/usr/lib/systemd/network/10-muster-leave-alone.network',
    text: `# Links of k3s and the overlay: networkd keeps its hands off them.
[Match]
Name=muster0 cni* flannel* veth* kube-*

[Link]
Unmanaged=yes
`,
  },
  {
    path: '/usr/lib/systemd/system/systemd-networkd-wait-online.service.d/muster.conf',
    text: `# One link suffices, and a machine without any goes on.
[Service]
ExecStart=
ExecStart=/lib/systemd/systemd-networkd-wait-online --any --timeout=60
`,
  },
  {
    path: '/usr/lib/systemd/journald.conf.d/muster.conf',
    text: `# /var/log/journal is a directory of the disk on an installed machine, and is not there otherwise.
[Journal]
Storage=auto
SystemMaxUse=256M
SystemKeepFree=512M
SystemMaxFileSize=32M
RuntimeMaxUse=32M
ForwardToSyslog=no
`,
  },
  {
    path: '/usr/lib/systemd/system.conf.d/muster.conf',
    text: `# A machine that hangs is restarted by its hardware, while it runs and while it goes down.
[Manager]
RuntimeWatchdogSec=3min
RebootWatchdogSec=3min
# A machine that is slow (emulated, or busy with others) is not made quicker by killing what it starts.
DefaultTimeoutStartSec=5min
DefaultTimeoutStopSec=45s
# The login on the serial line waits for its device, and systemd-udevd may need minutes to name it.
DefaultDeviceTimeoutSec=5min
`,
  },
  {
    path: '/usr/lib/sysctl.d/60-muster.conf',
    text: `kernel.panic = 5
kernel.panic_on_oops = 1
vm.overcommit_memory = 1
fs.inotify.max_user_instances = 8192
fs.inotify.max_user_watches = 524288
net.ipv4.ip_forward = 1
net.ipv6.conf.all.forwarding = 1
# Forwarding would switch router advertisements off.
net.ipv6.conf.all.accept_ra = 2
`,
  },
]
