#!/usr/bin/env bash
# Installs the Debian packages of scripts/packages/GROUP.txt; does nothing, quickly, when all are there.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

. scripts/lib.sh

listed() {
  local group
  for group in "$@"; do
    [[ -f scripts/packages/$group.txt ]] || die "no package group '$group' in scripts/packages"
    grep -v '^#' "scripts/packages/$group.txt"
  done
}

# The packages that are neither installed nor made needless by a command ("package|command").
missing() {
  local installed entry package command
  installed=$'\n'$(dpkg-query --show --showformat='${db:Status-Status} ${Package}\n' | sed -n 's/^installed //p')$'\n'
  while read -r entry; do
    package=${entry%%|*} command=${entry#*|}
    [[ $command != "$entry" ]] && type -P "$command" >/dev/null && continue
    [[ $installed == *$'\n'"$package"$'\n'* ]] || echo "$package"
  done
}

main() {
  local entries packages
  entries=$(listed "$@")
  packages=$(missing <<<"$entries")
  [[ -n $packages ]] || return 0
  type -P apt-get >/dev/null || die "apt-get is missing; on Debian 12 this would install: ${packages//$'\n'/ }"
  echo "setup: installing ${packages//$'\n'/ }"
  apt update
  # shellcheck disable=SC2086 # one word a package
  apt install --yes --no-install-recommends $packages >/dev/null
}

main "$@"
