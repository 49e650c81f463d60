#!/usr/bin/env bash
# Puts pinned checkers into build/tools/bin; does nothing, quickly, for those that are there.
# usage: tools.sh [buf] [promtool] [grpcurl] [kubectl] [kubernetes-validate] [python-grpcio]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
ROOT=$PWD TOOLS=$PWD/build/tools

GRPCURL_VERSION=1.9.1 # 1.9.2 and 1.9.3 cannot talk to a Unix socket

. scripts/lib.sh

# buf from npm, its version and content pinned by the lock file.
install_buf() {
  need npm "apt-get install npm"
  mkdir -p "$TOOLS/npm"
  cp scripts/tools/package.json scripts/tools/package-lock.json "$TOOLS/npm/"
  npm ci --prefix "$TOOLS/npm" --ignore-scripts --no-audit --no-fund --loglevel=error </dev/null >/dev/null
  ln -sf ../npm/node_modules/.bin/buf "$TOOLS/bin/buf"
}

# promtool and prometheus out of Debian's package without installing it: that would start a server.
install_promtool() {
  local work=$TOOLS/promtool
  mkdir -p "$work"
  download "$work" || { apt update && download "$work"; } || die "cannot download Debian's package prometheus"
  dpkg-deb --fsys-tarfile "$work"/prometheus_*.deb |
    tar -x -C "$TOOLS/bin" --strip-components=3 ./usr/bin/promtool ./usr/bin/prometheus
  rm -r "$work"
}

download() {
  (cd "$1" && apt-get -qq -o APT::Sandbox::User=root download prometheus)
}

# kubectl, with kustomize inside, out of Debian 13's package: Debian 12 has one that knows no components. An apt of its
# own, since this machine's knows only its own release, checks the signatures as usual.
install_kubectl() {
  local work=$TOOLS/kubectl mirror options
  mirror=$(debian_sources | awk '$3 == "bookworm" {print $2; exit}')
  [[ -n $mirror ]] || { apt update && mirror=$(debian_sources | awk '$3 == "bookworm" {print $2; exit}'); }
  mkdir -p "$work"/{lists,cache}
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror trixie main" >"$work/sources.list"
  options=(-qq -o "Dir::Etc::sourcelist=$work/sources.list" -o Dir::Etc::sourceparts=- -o "Dir::State::lists=$work/lists"
    -o Dir::State::status=/dev/null -o "Dir::Cache=$work/cache" -o APT::Sandbox::User=root -o Acquire::Languages=none)
  apt-get "${options[@]}" update
  (cd "$work" && apt-get "${options[@]}" download kubectl)
  dpkg-deb --fsys-tarfile "$work"/kubectl_*.deb | tar -x -C "$TOOLS/bin" --strip-components=3 ./usr/bin/kubectl
  rm -r "$work"
}

install_grpcurl() {
  need go "apt-get install golang-go, or Go 1.18 or newer from elsewhere"
  GOBIN=$TOOLS/bin GOFLAGS=-trimpath go install "github.com/fullstorydev/grpcurl/cmd/grpcurl@v$GRPCURL_VERSION"
}

# make_venv NAME REQUIREMENTS: a venv of its own, with just what the file pins.
make_venv() {
  python3 -m venv --clear "$TOOLS/$1" || die "python3 -m venv does not work: apt-get install python3-venv"
  "$TOOLS/$1/bin/pip" install --quiet --disable-pip-version-check --no-deps -r "$2"
}

# kubernetes-validate from PyPI; it carries the schemas.
install_kubernetes-validate() {
  make_venv venv scripts/tools/requirements.txt
  ln -sf ../venv/bin/kubernetes-validate "$TOOLS/bin/"
}

# A Python that has grpcio from PyPI, as orchestrators written in Python use it.
install_python-grpcio() {
  make_venv venv-grpcio scripts/tools/grpcio.txt
  # shellcheck disable=SC2016 # for the script that is written
  printf '#!/bin/sh\nexec "$(dirname "$0")/../venv-grpcio/bin/python" "$@"\n' >"$TOOLS/bin/python-grpcio"
  chmod +x "$TOOLS/bin/python-grpcio"
}

# What says which version of a tool is wanted.
pin_of() {
  case $1 in
    buf) cat scripts/tools/package-lock.json ;;
    grpcurl) echo "$GRPCURL_VERSION" ;;
    kubectl) echo trixie ;;
    kubernetes-validate) cat scripts/tools/requirements.txt ;;
    promtool) echo bookworm, both programs ;;
    python-grpcio) cat scripts/tools/grpcio.txt ;;
    *) die "no tool '$1'" ;;
  esac
}

ensure() {
  local pin
  pin=$(pin_of "$1" | sha256sum)
  [[ -x $TOOLS/bin/$1 && -f $TOOLS/$1.pin && $(<"$TOOLS/$1.pin") == "$pin" ]] && return
  echo "tools: installing $1"
  mkdir -p "$TOOLS/bin"
  "install_$1"
  [[ -x $TOOLS/bin/$1 ]] || die "$1 did not arrive in ${TOOLS#"$ROOT/"}/bin"
  echo "$pin" >"$TOOLS/$1.pin"
}

for tool in "$@"; do
  ensure "$tool"
done
