#!/usr/bin/env bash
# A VMM, shmemd and a back-end in a temporary folder: VMM <-> shmemd <-> back-end, as a relay; and a second
# back-end that has no VMM, which shmemd asks itself. Shows the regions, the live mappings and the metrics.
# With a terminal it then stays until Ctrl-C, else it ends.
# usage: demo.sh BIN_DIR
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/lib.sh

[[ $# == 1 ]] || die "usage: demo.sh BIN_DIR"
BIN=$1
DIR=$(mktemp -d "${TMPDIR:-/tmp}/shmemd-demo.XXXXXX")
DEADLINE_SECONDS=20
pids=()

# Asks the programs to end, and kills what has not ended after 5 s.
end_programs() {
  local killer
  kill "${pids[@]}" 2>/dev/null || true
  (sleep 5 && kill -KILL "${pids[@]}") >/dev/null 2>&1 &
  killer=$!
  wait "${pids[@]}" || true
  kill "$killer" 2>/dev/null || true
}

finish() {
  local status=$?
  trap - EXIT INT TERM
  ((${#pids[@]} == 0)) || end_programs
  rm -rf "$DIR"
  exit "$status"
}
trap finish EXIT
trap 'exit 0' INT
trap 'exit 143' TERM

# start NAME COMMAND...: runs a program in the background, its output in DIR/NAME.log.
start() {
  local name=$1
  shift
  "$@" >"$DIR/$name.log" 2>&1 </dev/null &
  pids+=($!)
}

fail() {
  local log
  echo "demo: $*" >&2
  for log in "$DIR"/*.log; do
    echo "-- ${log##*/}" >&2
    tail -n 20 "$log" >&2
  done
  exit 1
}

# wait_until WHAT COMMAND...: tries the command until it succeeds, a program ends or the deadline passes.
wait_until() {
  local what=$1 end=$((SECONDS + DEADLINE_SECONDS)) pid
  shift
  until "$@" >/dev/null 2>&1; do
    for pid in "${pids[@]}"; do
      kill -0 "$pid" 2>/dev/null || fail "a program ended before $what"
    done
    ((SECONDS < end)) || fail "no $what within $DEADLINE_SECONDS s"
    sleep 0.05
  done
}

# The first port of PORT, PORT+1, ... that nobody on loopback serves.
free_port() {
  local port=$1
  while (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do
    port=$((port + 1))
  done
  echo "$port"
}

ctl() {
  SHMEMD_ENDPOINT=unix:$DIR/run/api.sock "$BIN/shmemctl" "$@"
}

# fetch PORT PATH: an HTTP GET without curl.
fetch() {
  exec 3<>"/dev/tcp/127.0.0.1/$1"
  printf 'GET %s HTTP/1.0\r\nHost: localhost\r\n\r\n' "$2" >&3
  cat <&3
  exec 3>&-
}

mapped_bytes() {
  fetch "$METRICS_PORT" /metrics | grep '^vhost_shmem_mapped_bytes'
}

# Regions 0, 2 and 5 of both back-ends, each with something mapped.
is_live() {
  (($(mapped_bytes | grep -Ec '} [1-9]') == 6))
}

show() {
  local title=$1
  shift
  printf '\n== %s\n' "$title"
  "$@" || fail "this command failed: $*"
}

start_programs() {
  METRICS_PORT=$(free_port 18044)
  API_PORT=$(free_port "$((METRICS_PORT < 18045 ? 18045 : METRICS_PORT + 1))")
  mkdir -p "$DIR/run"
  start backend "$BIN/shmem-demo-backend" --socket "$DIR/demo.sock"
  start alone "$BIN/shmem-demo-backend" --socket "$DIR/alone.sock"
  start shmemd "$BIN/shmemd" --relay "demo=$DIR/vm.sock,$DIR/demo.sock" --frontend "alone=$DIR/alone.sock" \
    --run-dir "$DIR/run" --metrics-listen "127.0.0.1:$METRICS_PORT" --api-listen "127.0.0.1:$API_PORT"
  start vmm "$BIN/shmem-demo-vmm" --connect "$DIR/vm.sock"
  wait_until "mapping of every region" is_live
}

stay() {
  cat <<END

It stays up; Ctrl-C ends it. In another terminal, from here, try:

  export SHMEMD_ENDPOINT=unix:$DIR/run/api.sock PATH=$BIN:\$PATH
  shmemctl map demo/0
  shmemctl mappings demo -o json
  shmemctl findings demo
  shmemctl features demo
  curl -s http://127.0.0.1:$METRICS_PORT/metrics | grep ^vhost_shmem
  grpcurl -plaintext -unix $DIR/run/api.sock list
  grpcurl -plaintext 127.0.0.1:$API_PORT vhost.shmem.v1.ShmemInspector/ListRegions

(grpcurl 1.9.1: go install github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.1)
END
  wait -n "${pids[@]}" || true
  fail "a program ended"
}

start_programs
show "A VMM's back-end, relayed, and one that shmemd asks itself" ctl backends
show "Regions of the back-end, and what it really sent" ctl regions demo
show "Live mappings" ctl mappings demo
for shmid in 0 2 5; do
  show "Address space of region $shmid" ctl map "demo/$shmid"
done
show "Metrics on http://127.0.0.1:$METRICS_PORT/metrics" mapped_bytes
[[ ! -t 1 ]] || stay
