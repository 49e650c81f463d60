#!/usr/bin/env bash
# Makes a Debian sid root for the interop checks: a QEMU that knows vhost-user shared memory, virtiofsd, and a small
# Linux guest. Made once, outside of the repository; does nothing, quickly, when it is there. Needs root.
# The last line of output says what is in it. Exit code 3: it cannot be made here, and the message says why.
#   SHMEMD_SID=DIR   where it is kept (default: ~/.cache/shmemd/sid)
#   MIRROR=URL       where Debian comes from (default: where this machine's apt gets it)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/lib.sh

SID=${SHMEMD_SID:-${XDG_CACHE_HOME:-$HOME/.cache}/shmemd/sid}
GUEST_INIT=tests/interop/guest/init
PACKAGES=(qemu-system-x86 virtiofsd busybox-static cpio)
LOG=$SID.log

unavailable() {
  echo "sid: $*" >&2
  exit 3
}

# logged WHAT_FAILED COMMAND...: its output goes to the log, its first failing command ends the script.
logged() {
  local what=$1 status
  shift
  set +e
  (set -e && "$@") >>"$LOG" 2>&1
  status=$?
  set -e
  ((status == 0)) || unavailable "$what, see $LOG: $(tail -n 1 "$LOG")"
}

in_sid() {
  env DEBIAN_FRONTEND=noninteractive LC_ALL=C chroot "$SID" "$@" </dev/null
}

sid_apt() {
  in_sid apt-get -qq -o APT::Sandbox::User=root -o Acquire::Check-Valid-Until=false "$@"
}

# Each stage leaves a stamp; one whose recipe changed is done again.
has_stamp() {
  [[ -f $SID/stamps/$1 && $(<"$SID/stamps/$1") == "$2" ]]
}

stamp() {
  mkdir -p "$SID/stamps"
  echo "$2" >"$SID/stamps/$1"
}

mirror() {
  [[ -z ${MIRROR:-} ]] || { echo "$MIRROR" && return; }
  debian_sources | awk '$3 !~ /security/ {print $2; exit}'
}

# Made under another name, so that one that was interrupted is never taken for a whole one.
make_base() {
  local url
  [[ ! -x $SID/usr/bin/apt-get ]] || return 0
  type -P debootstrap >/dev/null || unavailable "debootstrap is missing: apt-get install debootstrap"
  url=$(mirror)
  [[ -n $url ]] || { apt update && url=$(mirror); }
  [[ -n $url ]] || unavailable "apt knows no Debian mirror; say MIRROR=URL"
  rm -rf "$SID.new"
  mkdir -p "$SID.new"
  echo "sid: debootstrap from $url into $SID"
  : >"$LOG"
  logged "debootstrap from $url failed" debootstrap --variant=minbase sid "$SID.new" "$url"
  # No service is ever started in there, and nothing in there is worth an fsync.
  printf '#!/bin/sh\nexit 101\n' >"$SID.new/usr/sbin/policy-rc.d"
  chmod +x "$SID.new/usr/sbin/policy-rc.d"
  echo force-unsafe-io >"$SID.new/etc/dpkg/dpkg.cfg.d/unsafe-io"
  mv "$SID.new" "$SID"
}

install_packages() {
  ! has_stamp packages "${PACKAGES[*]}" || return 0
  echo "sid: installing ${PACKAGES[*]}"
  logged "the package list of sid cannot be read" sid_apt update
  logged "packages of sid cannot be installed" sid_apt install --yes --no-install-recommends "${PACKAGES[@]}"
  in_sid apt-get clean
  stamp packages "${PACKAGES[*]}"
}

newest_kernel() {
  in_sid apt-cache search --names-only '^linux-binary-[0-9].*-cloud-amd64$' |
    sed -n 's/^linux-binary-\([0-9][^ ]*\) .*/\1/p' | sort -V | tail -n 1
}

# The cloud kernel, unpacked without being installed. It has everything built in that the guest needs.
fetch_kernel() {
  local version=$1 package files=$SID/guest/kernel/usr/lib/modules/$1
  rm -rf "$SID/guest"
  mkdir -p "$SID/guest/packages"
  in_sid sh -c 'cd /guest/packages && apt-get -qq -o APT::Sandbox::User=root download "$@"' sh \
    "linux-base-$version" "linux-binary-$version"
  for package in "$SID"/guest/packages/*.deb; do
    in_sid dpkg-deb --extract "/guest/packages/${package##*/}" /guest/kernel
  done
  grep -qx CONFIG_VIRTIO_FS=y "$files/config"
  mv "$files/vmlinuz" "$SID/guest/vmlinuz"
  rm -r "$SID/guest/packages" "$SID/guest/kernel"
  echo "$version" >"$SID/guest/version"
}

pack_initramfs() {
  local tree=$SID/guest/initramfs
  mkdir -p "$tree"/{bin,proc,sys,dev,mnt}
  cp "$SID/usr/bin/busybox" "$tree/bin/"
  install -m 755 "$GUEST_INIT" "$tree/init"
  in_sid sh -c 'cd /guest/initramfs && find . | cpio --quiet -o -H newc | gzip -1' >"$SID/guest/initrd.gz"
  rm -r "$tree"
}

make_guest() {
  local recipe version
  recipe=$(cat scripts/sid.sh "$GUEST_INIT" | sha256sum)
  ! has_stamp guest "$recipe" || return 0
  version=$(newest_kernel)
  [[ -n $version ]] || unavailable "sid has no cloud kernel linux-binary-*-cloud-amd64"
  echo "sid: making the guest with Linux $version"
  logged "the guest cannot be made" fetch_kernel "$version"
  logged "the guest cannot be made" pack_initramfs
  stamp guest "$recipe"
}

version_of() {
  in_sid dpkg-query --show "$1" | cut -f2
}

versions() {
  local qemu virtiofsd
  qemu=$(version_of qemu-system-x86)
  virtiofsd=$(version_of virtiofsd)
  echo "QEMU $qemu, virtiofsd $virtiofsd, guest Linux $(<"$SID/guest/version"), in $SID"
}

((EUID == 0)) || unavailable "root is needed for debootstrap and chroot"
mkdir -p "${SID%/*}"
exec 9>"$SID.lock"
flock 9
make_base
install_packages
make_guest
versions
