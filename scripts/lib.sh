# What the scripts share; they source it from the project's root.
# shellcheck shell=bash

die() {
  echo "${0##*/}: $*" >&2
  exit 1
}

# need COMMAND HOW_TO_GET_IT
need() {
  type -P "$1" >/dev/null || die "$1 is missing: $2"
}

as_root() {
  if ((EUID == 0)); then
    "$@"
  elif type -P sudo >/dev/null; then
    sudo "$@"
  else
    die "root is needed to run: $*"
  fi
}

apt() {
  as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=300 "$@" </dev/null
}

# This machine's sources of Debian, security updates among them, as lines of a sources.list.
debian_sources() {
  apt-get indextargets --format "deb \$(REPO_URI) \$(CODENAME) \$(COMPONENT)" 'Created-By: Packages' 'Origin: Debian' |
    sort -u
}
