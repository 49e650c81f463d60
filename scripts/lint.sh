#!/usr/bin/env bash
# Every check that needs no running program. Runs all of them, then fails if one did.
# usage: lint.sh [BASE | --all]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/lib.sh

check_format() {
  git ls-files -z -- '*.cc' '*.h' | xargs -0r clang-format-14 --dry-run -Werror
}

check_shell() {
  git ls-files -z -- dev .ci/run '*.sh' deploy/debian/*.p* | xargs -0r shellcheck
}

check_layering() {
  python3 -B tests/layering/check_tree.py .
}

# What differs from the merge base with BASE, the work tree included; where that is HEAD itself, as in a fresh clone
# of main, what the last commit changed.
changed_since() {
  local base
  base=$(git merge-base "$1" HEAD) || die "cannot find a common commit with $1"
  if [[ $base == "$(git rev-parse HEAD)" ]] && git rev-parse --verify --quiet HEAD~1 >/dev/null; then
    base=HEAD~1
  fi
  {
    git diff --name-only --diff-filter=d "$base" -- '*.cc' '*.h'
    git ls-files --others --exclude-standard -- '*.cc' '*.h'
  } | sort -u
}

default_base() {
  git rev-parse --verify --quiet origin/main >/dev/null && echo origin/main || echo main
}

check_tidy() {
  local files
  if [[ ${1:-} == --all ]]; then
    python3 -B scripts/tidy.py build/release --all
    return
  fi
  mapfile -t files < <(changed_since "${1:-$(default_base)}")
  ((${#files[@]} == 0)) || python3 -B scripts/tidy.py build/release "${files[@]}"
}

# The newest commit before this work that has the contract, on the line of main.
contract_base() {
  local base
  base=$(git merge-base "$(default_base)" HEAD 2>/dev/null) || return 0
  [[ $base != "$(git rev-parse HEAD)" ]] || base=$(git rev-parse --verify --quiet HEAD~1) || return 0
  git cat-file -e "$base:buf.yaml" 2>/dev/null && git cat-file -e "$base:proto/vhost" 2>/dev/null || return 0
  echo "$base"
}

check_proto() {
  local base
  [[ -d proto/vhost ]] || return 0
  buf lint
  base=$(contract_base)
  if [[ -z $base ]]; then
    echo "no earlier contract to compare with"
  else
    buf breaking --against "$(git rev-parse --path-format=absolute --git-common-dir)#format=git,ref=$base"
  fi
}

check_manifests() {
  python3 -B deploy/prometheus/make_prometheusrule.py --check
  build/tools/venv/bin/python3 -B scripts/check_manifests.py deploy --bin-dir build/release/bin
}

failed=()
# step NAME COMMAND...: runs one check, which ends at its first failing command, and remembers that.
step() {
  local name=$1 status
  shift
  echo "== $name"
  set +e
  (set -e && "$@")
  status=$?
  set -e
  ((status == 0)) || failed+=("$name")
}

step format check_format
step shell check_shell
step layering check_layering
step proto check_proto
step manifests check_manifests
step clang-tidy check_tidy "$@"
((${#failed[@]} == 0)) || die "failed: ${failed[*]}"
echo "lint: clean"
