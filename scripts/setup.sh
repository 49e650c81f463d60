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

# Whether a command is there, in the version wanted or a newer one.
has_command() {
  local command=$1 wanted=${2:-} found
  type -P "$command" >/dev/null || return
  [[ -n $wanted ]] || return 0
  found=$({ "$command" --version || "$command" version; } 2>/dev/null | grep -Eom1 '[0-9]+(\.[0-9]+)+') || return
  [[ $(printf '%s\n' "$wanted" "${found%%$'\n'*}" | sort -V | head -n 1) == "$wanted" ]]
}

# The packages that are neither installed nor made needless by a command ("package|command version").
missing() {
  local installed entry package command
  installed=$'\n'$(dpkg-query --show --showformat='${db:Status-Status} ${Package}\n' | sed -n 's/^installed //p')$'\n'
  while read -r entry; do
    package=${entry%%|*} command=${entry#*|}
    # shellcheck disable=SC2086 # a command, and perhaps a version
    [[ $command != "$entry" ]] && has_command $command && continue
    [[ $installed == *$'\n'"$package"$'\n'* ]] || echo "$package"
  done
}

main() {
  local entries packages
  entries=$(listed "$@")
  packages=$(missing <<<"$entries")
  [[ -n $packages ]] || return 0
  grep -qs '^VERSION_CODENAME=bookworm' /etc/os-release ||
    die "this is not Debian 12; there it would install: ${packages//$'\n'/ }"
  echo "setup: installing ${packages//$'\n'/ }"
  apt update
  # shellcheck disable=SC2086 # one word a package
  apt install --yes --no-install-recommends $packages >/dev/null
}

main "$@"
