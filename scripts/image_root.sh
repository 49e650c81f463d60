#!/usr/bin/env bash
# Makes the root of the image: the programs, stripped; the shared libraries that they load, and nothing else that runs:
# no shell, no package manager. What scanners and lawyers look for comes along: the dpkg entry, the checksums and the
# copyright of each Debian package that a file is from.
# usage: image_root.sh DIR PROGRAM...    on Debian, where the programs were built
#   SOURCE_DATE_EPOCH=SECONDS   the time that all files get (default: 0)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/lib.sh

NONROOT=65532
ROOT=
packages=(base-files ca-certificates)

# As the loader asks for them, those of its own path included.
libraries_of() {
  ldd "$@" | awk '$2 == "=>" && $3 ~ /^\// {print $3} $1 ~ /^\// && $2 ~ /^\(/ {print $1}' | sort -u
}

# Which package a file is from. The package may know it by the path without /usr, or behind a link.
owner_of() {
  local path
  for path in "$1" "${1#/usr}"; do
    dpkg-query --search "$path" 2>/dev/null | sed 's/:.*//' | head -n 1 | grep . && return
  done
  die "no package owns $1"
}

# The file itself, and the name that the loader asks for, a link in Debian.
copy_library() {
  local name file
  file=$(readlink --canonicalize "$1")
  name=$(readlink --canonicalize "${1%/*}")/${1##*/}
  install -D -m 0755 "$file" "$ROOT$file"
  [[ $name == "$file" ]] || ln -s "$file" "$ROOT$name"
  packages+=("$(owner_of "$file")")
}

# One file a package below status.d, which is where scanners look in an image without dpkg.
describe_package() {
  local package=$1 status=$ROOT/var/lib/dpkg/status.d sums
  install -d "$status"
  dpkg-query --status "$package" >"$status/$package"
  sums=$(dpkg-query --control-path "$package" md5sums)
  # Only of files that came along.
  while read -r sum file; do
    [[ ! -f $ROOT/$file && ! -f $ROOT/usr/$file ]] || echo "$sum  $file"
  done <"$sums" >"$status/$package.md5sums"
  [[ -s $status/$package.md5sums ]] || rm "$status/$package.md5sums"
  install -D -m 0644 -t "$ROOT/usr/share/doc/$package" "/usr/share/doc/$package/copyright"
}

make_directories() {
  local name
  install -d "$ROOT"/{etc,proc,sys,dev,usr/bin,usr/lib,usr/lib64,usr/share}
  for name in bin lib lib64; do
    ln -s "usr/$name" "$ROOT/$name"
  done
  install -d -m 0750 -o $NONROOT -g $NONROOT "$ROOT/run/shmemd"
}

make_configuration() {
  printf '%s\n' "root:x:0:0:root:/:/sbin/nologin" "nonroot:x:$NONROOT:$NONROOT:shmemd:/:/sbin/nologin" \
    "nobody:x:65534:65534:nobody:/:/sbin/nologin" >"$ROOT/etc/passwd"
  printf '%s\n' "root:x:0:" "nonroot:x:$NONROOT:" "nogroup:x:65534:" >"$ROOT/etc/group"
  printf '%s\n' "passwd: files" "group: files" "hosts: files dns" >"$ROOT/etc/nsswitch.conf"
  # By which scanners know the release.
  install -D -m 0644 -t "$ROOT/usr/lib" /usr/lib/os-release
  ln -s ../usr/lib/os-release "$ROOT/etc/os-release"
  install -m 0644 -t "$ROOT/etc" /etc/debian_version
  install -D -m 0644 -t "$ROOT/etc/ssl/certs" /etc/ssl/certs/ca-certificates.crt
  # The copyright files refer to these.
  cp --recursive --dereference /usr/share/common-licenses "$ROOT/usr/share/common-licenses"
  install -D -m 0644 LICENSE "$ROOT/usr/share/doc/shmemd/copyright"
}

main() {
  (($# > 1)) || die "usage: image_root.sh DIR PROGRAM..."
  local library package
  ROOT=$1
  shift
  rm -rf "$ROOT"
  umask 022
  make_directories
  install --strip -t "$ROOT/usr/bin" "$@"
  while read -r library; do
    copy_library "$library"
  done < <(libraries_of "$@")
  make_configuration
  while read -r package; do
    describe_package "$package"
  done < <(printf '%s\n' "${packages[@]}" | sort -u)
  find "$ROOT" -exec touch --no-dereference --date="@${SOURCE_DATE_EPOCH:-0}" {} +
}

main "$@"
