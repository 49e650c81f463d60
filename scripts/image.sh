#!/usr/bin/env bash
# Builds the image of the Dockerfile without a container engine: a Debian 12 base by debootstrap, buildah with chroot
# isolation. Then checks what it promises and starts its programs. Needs root; everything is kept in build/image.
# usage: image.sh                   build the image and try it
#        image.sh fresh COMMAND...  run a command in a clone of HEAD on the bare base
#        image.sh packages          try the Debian packages of build/release on the bare base, as a host of its own
#   MIRROR=URL    where debootstrap gets Debian from (default: where this machine's apt gets it)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/lib.sh

WORK=$PWD/build/image
BASE=localhost/debian-bookworm
VERSION=$(sed -n 's/^project(shmemd VERSION \([0-9.]*\).*/\1/p' CMakeLists.txt)
IMAGE=localhost/shmemd:$VERSION
container=

buildah() {
  # Compiled objects are cached in its temporary folder.
  mkdir -p "$WORK/tmp"
  TMPDIR=$WORK/tmp command buildah --root "$WORK/storage" --runroot "$WORK/run" "$@"
}

# A minimal Debian 12, made once.
make_base() {
  local root=$WORK/base sources
  ! buildah images --quiet "$BASE" >/dev/null 2>&1 || return 0
  sources=$(debian_sources | grep -E ' bookworm(-updates|-security)? main$') ||
    die "apt knows no source of Debian 12; run apt-get update"
  MIRROR=${MIRROR:-$(awk '$3 == "bookworm" {print $2; exit}' <<<"$sources")}
  rm -rf "$root"
  mkdir -p "$root"
  echo "image: debootstrap of a minimal Debian 12"
  debootstrap --variant=minbase --include=ca-certificates bookworm "$root" "$MIRROR" >"$WORK/debootstrap.log" 2>&1 ||
    die "debootstrap failed, see build/image/debootstrap.log"
  echo "$sources" >"$root/etc/apt/sources.list"
  rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/*
  container=$(buildah from scratch)
  buildah add --quiet "$container" "$root" / >/dev/null
  buildah config --cmd /bin/bash "$container"
  buildah commit --quiet --rm "$container" "$BASE" >/dev/null
  container=
  rm -rf "$root"
}

# What the sources are: the last commit, and whether they are still as it has them.
revision() {
  git rev-parse HEAD 2>/dev/null || { echo unknown && return; }
  git diff --quiet HEAD || echo -modified
}

# The time of the last commit is the time of everything in the image, so that who builds it again gets the same.
build_image() {
  local epoch revision
  epoch=$(git log -1 --format=%ct 2>/dev/null || echo 0)
  revision=$(revision | tr -d '\n')
  buildah build --isolation chroot --layers --timestamp "$epoch" --tag "$IMAGE" --build-arg "BASE_IMAGE=$BASE" \
    --build-arg "VERSION=$VERSION" --build-arg "REVISION=$revision" --build-arg "SOURCE_DATE_EPOCH=$epoch" .
}

# What the image promises: its files, a user that is not root, labels.
check_image() {
  local root=$1 user label
  python3 -B scripts/check_image.py "$root"
  user=$(inspect '{{.OCIv1.Config.User}}')
  [[ $user == 65532:65532 ]] || die "the image runs as $user"
  for label in title description licenses version revision; do
    [[ -n $(label "$label") ]] || die "the image has no label $label"
  done
  echo "image: $IMAGE, revision $(label revision)"
}

label() {
  inspect "{{index .OCIv1.Config.Labels \"org.opencontainers.image.$1\"}}"
}

inspect() {
  buildah inspect --type image --format "$1" "$IMAGE"
}

# Starts the pods of overlays from the image's own files, as their users, with a root that they cannot write to.
try_image() {
  local root program overlay command
  container=$(buildah from "$IMAGE")
  root=$(buildah mount "$container")
  check_image "$root"
  for program in shmemd shmemctl shmem-demo-backend shmem-demo-vmm; do
    buildah run --isolation chroot "$container" -- "/usr/bin/$program" --version
  done
  read -ra command <<<"$(inspect '{{range .OCIv1.Config.Entrypoint}}{{.}} {{end}}{{range .OCIv1.Config.Cmd}}{{.}} {{end}}')"
  python3 -B scripts/start_default.py "$root" "${command[@]}"
  scripts/tools.sh kubectl kubernetes-validate
  for overlay in demo tls; do
    build/tools/venv/bin/python3 -B scripts/start_pod.py "deploy/k8s/overlays/$overlay" --image-root "$root"
  done
}

# As a file that container engines load, as it is transferred: compressed.
save_image() {
  local file=$WORK/shmemd-$VERSION.tar
  rm -f "$file"
  buildah push --quiet "$IMAGE" "oci-archive:$file:shmemd:$VERSION" >/dev/null
  echo "image: ${file#"$PWD/"}, $(($(stat -c %s "$file") / 1024 / 1024)) MiB compressed"
}

# A command in a fresh clone of the last commit, on a machine where nothing is installed. It trusts the certificate
# authorities that this machine trusts, a company's proxy among them.
run_fresh() {
  local trusted=/etc/ssl/host.crt variable options=(--isolation chroot --workingdir /src --env CI=true)
  for variable in SSL_CERT_FILE NODE_EXTRA_CA_CERTS PIP_CERT CARGO_HTTP_CAINFO; do
    options+=(--env "$variable=$trusted")
  done
  rm -rf "$WORK/clone"
  git clone --quiet . "$WORK/clone"
  container=$(buildah from "$BASE")
  buildah run "${options[@]}" --volume "$WORK/clone:/src" --volume /etc/ssl/certs/ca-certificates.crt:$trusted:ro \
    "$container" -- "$@" </dev/null
}

try_packages() {
  container=$(buildah from "$BASE")
  python3 -B scripts/try_packages.py "$(buildah mount "$container")" build/release/packages/*.deb
}

finish() {
  [[ -z $container ]] || buildah rm "$container" >/dev/null
}

((EUID == 0)) || die "root is needed"
mkdir -p "$WORK"
trap finish EXIT
make_base
if [[ ${1:-} == fresh ]]; then
  shift
  run_fresh "$@"
elif [[ ${1:-} == packages ]]; then
  try_packages
else
  build_image
  try_image
  save_image
fi
