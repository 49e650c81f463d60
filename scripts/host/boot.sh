#!/usr/bin/env bash
# Boots the Debian tree ROOT with its own systemd, as PID 1 of the PID namespace that it is started in. The mount and
# cgroup namespaces are its own, too: scripts/host/booted.py sees to that.
# usage: boot.sh ROOT
set -euo pipefail
root=$1

mount --make-rprivate /
mount --bind "$root" "$root"
cd "$root"
mount -t proc proc proc
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
for folder in run tmp dev; do
  mount -t tmpfs -o mode=755 tmpfs "$folder"
done
chmod 1777 tmp
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
mount -t tmpfs -o mode=1777 tmpfs dev/shm
ln -s pts/ptmx dev/ptmx
for device in null zero full random urandom tty; do
  touch "dev/$device"
  mount --bind "/dev/$device" "dev/$device"
done
pivot_root . mnt
cd /
umount -l /mnt
exec env -i container=check PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --show-status=no \
  systemd.unit=multi-user.target </dev/null >/dev/null 2>&1
