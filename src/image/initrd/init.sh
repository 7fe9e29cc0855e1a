#!/bin/sh
# The first program of every muster machine: finds the image that the kernel's command line names by hash, lets the
# kernel verify each block of it, and hands over to it. docs/image.md says what is where.
#
#   live       medium by image-id -> loop -> dm-verity -> overlay in memory
#   installed  disk that the firmware booted from -> the slot that verifies -> overlay; /config, /persist and /efi of that disk
#   recovery   as installed, from the slot muster-recovery alone; of the disk /config and /efi, so that an image can be put in place
#
# Whatever fails is said on every console, and the machine starts again: that is how a bad image uses up its tries.
export PATH=/bin:/sbin
top=/sysroot
state=/run/muster
waitSeconds=30

# To all consoles, with the kernel's own time stamp.
tell() { echo "<5>muster: $*" >/dev/kmsg; }
warn() { echo "<3>muster: $*" >/dev/kmsg; }
fail() {
  echo "<2>muster: this boot has failed: $*; starting again in 5 s" >/dev/kmsg
  distrust
  sleep 5
  sync
  reboot -f
  # A machine that cannot even do that panics, and the kernel restarts it.
  exit 1
}

# The loader does not count an entry that is known to be good, and would start it for ever. One that fails here gets a counter with one
# try, and more tries made than any entry begins with: src/core/install/entry-name.ts. Then it is the turn of the other slot, and at last of
# the recovery.
distrust() {
  [ "$mode" = installed ] && [ -n "$disk" ] && part=$(partition_of "$disk" muster-esp) || return
  mkdir -p /run/efi
  mount -t vfat -o nosuid,nodev,noexec,sync "/dev/$part" /run/efi || return
  for entry in /run/efi/EFI/Linux/muster_*.efi; do
    case $entry in *+*) continue ;; esac
    # The command line stands near the beginning.
    head -c 1048576 "$entry" | grep -q "muster.mode=installed muster.root=$root" || continue
    mv "$entry" "${entry%.efi}+1-3.efi" && warn "${entry##*/} was known to be good: it has one more try"
  done
  umount /run/efi
}

mount -t proc -o nosuid,noexec,nodev proc /proc
mount -t sysfs -o nosuid,noexec,nodev sysfs /sys
mount -t devtmpfs -o mode=0755,nosuid dev /dev
mount -t tmpfs -o mode=0755,nosuid,nodev run /run
mkdir -p -m 0755 $state $top
tell "initrd started"

mode= root= blocks= salt=
for word in $(cat /proc/cmdline); do
  case $word in
    muster.mode=*) mode=${word#*=} ;;
    muster.root=*) root=${word#*=} ;;
    muster.blocks=*) blocks=${word#*=} ;;
    muster.salt=*) salt=${word#*=} ;;
  esac
done
[ -n "$root" ] && [ -n "$blocks" ] && [ -n "$salt" ] || fail "the command line names no image"
case $mode in live | installed | recovery) ;; *) fail "muster.mode is '$mode'" ;; esac

# --- drivers -------------------------------------------------------------------------------------------------

# All devices that are there; what hangs below a controller appears once its driver is loaded.
known=
load_drivers() {
  new=
  for file in $(find /sys/devices -name modalias); do
    read -r alias <"$file" 2>/dev/null || continue
    # What the processor could do faster is chosen below.
    case $alias in cpu:*) continue ;; esac
    case $known in *"|$alias|"*) continue ;; esac
    known="$known|$alias|"
    new="$new $alias"
  done
  [ -z "$new" ] || modprobe -b -a $new 2>/dev/null
}

modprobe -a $(cat /etc/muster/modules) 2>/dev/null
# dm-verity keeps the hash that is there when it is set up. Where the processor hashes by itself, that is ten times as
# fast; its vector instructions gain little, and under emulation they take two and a half times as long as plain code.
grep -qw sha_ni /proc/cpuinfo && modprobe sha256_ssse3 2>/dev/null
load_drivers
tell "drivers loaded"

# --- disks ---------------------------------------------------------------------------------------------------

# Names of whole disks; no loop, ram or device-mapper devices.
disks() {
  for path in /sys/class/block/*; do
    name=${path##*/}
    [ ! -e "$path/partition" ] || continue
    case $name in loop* | ram* | zram* | dm-* | md* | fd*) continue ;; esac
    [ "$(cat "$path/size")" -gt 0 ] 2>/dev/null && echo "$name"
  done
}

# partition_of DISK GPT-NAME: name of the device of that partition of that very disk.
partition_of() {
  for path in /sys/class/block/"$1"/"$1"*; do
    [ -e "$path/partition" ] || continue
    grep -qx "PARTNAME=$2" "$path/uevent" && echo "${path##*/}" && return 0
  done
  return 1
}

# Bytes of a device as lower-case hex: hex_at DEVICE OFFSET COUNT
hex_at() { dd if="/dev/$1" bs=1 skip="$2" count="$3" 2>/dev/null | hexdump -v -e '1/1 "%02x"'; }

# has_unique_id DISK ID: is it, as 32 hex digits, the id of a partition of this disk? By the table itself, first copy or second: the
# kernel does not tell. The first three fields of a GPT id are little-endian.
has_unique_id() {
  sectorBytes=$(cat "/sys/class/block/$1/queue/logical_block_size")
  last=$(($(cat "/sys/class/block/$1/size") * 512 / sectorBytes - 1))
  for header in 1 $last; do
    [ "$(hex_at "$1" $((header * sectorBytes)) 8)" = 4546492050415254 ] || continue
    table=$((0x$(hex_at "$1" $((header * sectorBytes + 72)) 8 | sed 's/\(..\)\(..\)\(..\)\(..\)\(..\)\(..\)\(..\)\(..\)/\8\7\6\5\4\3\2\1/')))
    ids=$(dd if="/dev/$1" bs="$sectorBytes" skip=$table count=$((16384 / sectorBytes)) 2>/dev/null |
      hexdump -v -e '128/1 "%02x" "\n"' | cut -c33-64 |
      sed 's/^\(..\)\(..\)\(..\)\(..\)\(..\)\(..\)\(..\)\(..\)/\4\3\2\1\6\5\8\7/')
    for id in $ids; do [ "$id" = "$2" ] && return 0; done
  done
  return 1
}

# Id of the partition that the loader came from, by the boot loader interface; empty where the firmware keeps none.
booted_from() {
  modprobe efivarfs 2>/dev/null
  mkdir -p /run/efivars
  mount -t efivarfs -o ro efivarfs /run/efivars 2>/dev/null || return 0
  # Four bytes of attributes, then UTF-16.
  file=/run/efivars/LoaderDevicePartUUID-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f
  [ -e $file ] && dd if=$file bs=1 skip=4 2>/dev/null | tr -d '\000-' | tr A-F a-f
  umount /run/efivars
}

# The disk that this machine was booted from; never another one's partitions.
find_disk() {
  mine=
  count=0
  for each in $(disks); do
    partition_of "$each" muster-esp >/dev/null || continue
    if [ -n "$bootedFrom" ]; then
      has_unique_id "$each" "$bootedFrom" && echo "$each" && return 0
    else
      mine=$each
      count=$((count + 1))
    fi
  done
  [ $count -eq 1 ] && echo "$mine" && return 0
  return 1
}

# --- the image -----------------------------------------------------------------------------------------------

# verify DEVICE: lets device mapper check each block that is read of it against the root hash. False where it holds
# another image: its first block does not verify then.
verify() {
  bytes=$(($(cat "/sys/class/block/${1##*/}/size") * 512))
  [ "$bytes" -gt $((blocks * 4096)) ] || return 1
  table="0 $((blocks * 8)) verity 1 $1 $1 4096 4096 $blocks $((blocks + 1)) sha256 $root $salt"
  dmsetup create muster-root --readonly --noudevsync --table "$table" >/dev/null 2>&1 || return 1
  [ -e /dev/mapper/muster-root ] || dmsetup mknodes muster-root >/dev/null 2>&1
  if [ "$(dd if=/dev/mapper/muster-root bs=4096 count=1 2>/dev/null | head -c 4)" = hsqs ]; then return 0; fi
  dmsetup remove muster-root >/dev/null 2>&1
  return 1
}

# A medium is taken by the image id that it holds, never by its label.
find_medium() {
  mkdir -p $state/medium
  for each in $(disks) $(cd /sys/class/block && for name in *; do [ ! -e "$name/partition" ] || echo "$name"; done); do
    [ "$(dd if="/dev/$each" bs=2048 skip=16 count=1 2>/dev/null | head -c 6 | tail -c 5)" = CD001 ] || continue
    mount -t iso9660 -o ro "/dev/$each" $state/medium 2>/dev/null || continue
    if [ "$(cat $state/medium/muster/image-id 2>/dev/null)" = "$root" ]; then
      medium=$each
      return 0
    fi
    umount $state/medium
  done
  return 1
}

# Tries again and again, while slow buses come up.
within_time() {
  tries=0
  until "$@"; do
    tries=$((tries + 1))
    [ $tries -lt $((waitSeconds * 5)) ] || return 1
    sleep 0.2
    load_drivers
  done
  # A loop ends with what its last round ended with.
  return 0
}

open_live() {
  find_medium || return 1
  device=$(losetup -f) || return 1
  losetup -r "$device" $state/medium/muster/root.img && verify "$device" && return 0
  warn "the image on /dev/$medium is damaged"
  losetup -d "$device" 2>/dev/null
  umount $state/medium
  return 1
}

open_installed() {
  disk=$(find_disk) || return 1
  for slot in $slots; do
    part=$(partition_of "$disk" "$slot") || continue
    verify "/dev/$part" && return 0
  done
  return 1
}

disk= slot= medium= bootedFrom=
if [ $mode = live ]; then
  within_time open_live || fail "no medium with image $root was found"
  tell "medium /dev/$medium verified"
else
  slots="muster-a muster-b"
  [ $mode = installed ] || slots=muster-recovery
  bootedFrom=$(booted_from)
  if ! within_time open_installed; then
    [ -n "$disk" ] || fail "the disk that was booted from${bootedFrom:+ ($bootedFrom)} was not found"
    fail "no slot of /dev/$disk holds image $root"
  fi
  tell "$slot of /dev/$disk verified"
fi

mkdir -p $state/root $state/overlay
mount -t squashfs -o ro,nodev /dev/mapper/muster-root $state/root || fail "the image cannot be mounted"
mount -t tmpfs -o mode=0755,nodev,size=50% overlay $state/overlay
mkdir $state/overlay/upper $state/overlay/work
mount -t overlay -o "lowerdir=$state/root,upperdir=$state/overlay/upper,workdir=$state/overlay/work" overlay $top ||
  fail "no overlay can be laid over the image"

# --- partitions of the same disk -----------------------------------------------------------------------------

# The image's own fsck; repairs only what is safe to repair without asking.
check() {
  chroot $top /sbin/e2fsck -p "$1" >/run/fsck.log 2>&1
  code=$?
  [ $code -lt 4 ] && return 0
  warn "e2fsck of $1 ended with $code: $(tail -n 1 /run/fsck.log)"
  return 1
}

# mount_ext4 GPT-NAME DIRECTORY OPTIONS
mount_ext4() {
  part=$(partition_of "$disk" "$1") || { warn "/dev/$disk has no partition $1"; return 1; }
  case $3 in ro*) ;; *) check "/dev/$part" || return 1 ;; esac
  mount -t ext4 -o "nosuid,nodev,noatime,$3" "/dev/$part" "$top$2" && return 0
  warn "$1 (/dev/$part) cannot be mounted"
  return 1
}

bind() {
  mkdir -p "$1" "$top$2"
  mount --bind "$1" "$top$2" || fail "$2 cannot be bound"
}

# One id for the life of the installation; made here where the installer left it to the first boot.
put_machine_id() {
  file=$top/config/machine-id
  if ! grep -qxE '[0-9a-f]{32}' $file 2>/dev/null; then
    tr -d - </proc/sys/kernel/random/uuid >$file.part
    sync
    mv $file.part $file
    sync
  fi
  cat $file >$top/etc/machine-id
}

# k3s looks for container images in a directory that persists: links lead to those of this image, and to no other's.
link_airgap() {
  from=/usr/lib/muster/airgap
  to=$top/var/lib/rancher/k3s/agent/images
  for link in "$to"/*; do
    case $(readlink "$link" 2>/dev/null) in $from/*) rm "$link" ;; esac
  done
  for file in "$top$from"/*; do
    [ -e "$file" ] || continue
    mkdir -p "$to"
    ln -s "$from/${file##*/}" "$to/${file##*/}"
  done
}

# For chroot; moved for good at the end.
mount --bind /dev $top/dev
mount --bind /proc $top/proc
case $mode in
  installed)
    if ! mount_ext4 muster-config /config rw; then
      sleep 25
      fail "/config cannot be mounted, and without it this machine has no identity"
    fi
    put_machine_id
    mkdir -p -m 0700 $top/config/state
    bind $top/config/state /var/lib/muster
    if mount_ext4 muster-persistent /persist rw; then
      for path in $(cat /etc/muster/persistent); do bind "$top/persist$path" "$path"; done
      link_airgap
    else
      warn "nothing of k3s is kept: /persist is missing. It was not formatted; the machine goes on without it"
      : >$state/persist-failed
    fi
    ;;
  recovery)
    if mount_ext4 muster-config /config rw; then
      grep -xE '[0-9a-f]{32}' $top/config/machine-id >$top/etc/machine-id 2>/dev/null
    else
      warn "going on without /config"
    fi
    ;;
esac
if [ $mode != live ]; then
  part=$(partition_of "$disk" muster-esp) &&
    mount -t vfat -o nosuid,nodev,noexec,noatime,sync,umask=0077 "/dev/$part" $top/efi ||
    warn "/efi cannot be mounted"
fi
umount $top/dev $top/proc
tell "partitions mounted"

# --- handing over --------------------------------------------------------------------------------------------

# Not before: a disk may have to be repaired for longer than a watchdog waits. Some hang below a chip whose driver was loaded above.
load_drivers
# Who opens a watchdog starts it, and one that is closed without the letter V goes on. systemd takes it over: an image that
# hangs before it does is restarted, and has used up a try.
if [ -e /dev/watchdog ]; then
  : >/dev/watchdog && tell "watchdog started"
else
  tell "no watchdog is known: nothing would restart this machine if it hung"
fi

[ $mode = installed ] || : >$state/live
echo "{\"mode\":\"$mode\",\"imageId\":\"$root\",\"disk\":\"${disk:+/dev/$disk}${medium:+/dev/$medium}\",\"partition\":\"$slot\"}" >$state/boot.json
for each in dev proc sys run; do mount --move /$each $top/$each; done
echo "<5>muster: handing over to the image" >$top/dev/kmsg
exec switch_root $top /usr/lib/systemd/systemd
