"""The programs that the checks need besides our own, built or fetched into build/ on first use."""

import os
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ROOT / "build" / "tools"
BACKEND_SOURCE = Path(__file__).resolve().parent / "rust-backend"

# 1.9.2 and 1.9.3 are reported broken with -unix.
GRPCURL_VERSION = "v1.9.1"
GRPCURL_PACKAGE = "github.com/fullstorydev/grpcurl/cmd/grpcurl"


class ToolMissing(Exception):
    pass


def run(command: list[str], **options) -> subprocess.CompletedProcess:
    result = subprocess.run(command, capture_output=True, text=True, **options)
    if result.returncode:
        raise ToolMissing(
            f"{' '.join(command)} ended with {result.returncode}:\n{result.stdout}{result.stderr}"
        )
    return result


def build_backend() -> Path:
    """The rust-vmm back-end, built from its lock file. Debian 12's own cargo is too old; cargo-web is not."""
    require("cargo", package="cargo-web")
    target = ROOT / "build" / "rust"
    environment = os.environ | {"CARGO_TARGET_DIR": str(target)}
    run(["cargo", "build", "--release", "--locked", "--quiet"], cwd=BACKEND_SOURCE, env=environment)
    return target / "release" / "rust-shmem-backend"


def grpcurl(fetch: bool) -> Path:
    """The pinned grpcurl, from the Go module proxy; with fetch false only if it is here already."""
    program, stamp = TOOLS / "bin" / "grpcurl", TOOLS / "bin" / "grpcurl.version"
    if program.exists() and stamp.exists() and stamp.read_text() == GRPCURL_VERSION:
        return program
    if not fetch:
        raise ToolMissing(f"grpcurl {GRPCURL_VERSION} is not in {TOOLS}/bin, and --quick fetches nothing")
    require("go", package="golang-go")
    program.parent.mkdir(parents=True, exist_ok=True)
    run(
        ["go", "install", f"{GRPCURL_PACKAGE}@{GRPCURL_VERSION}"],
        env=os.environ | {"GOBIN": str(program.parent)},
    )
    stamp.write_text(GRPCURL_VERSION)
    return program


def promtool(fetch: bool) -> Path:
    """promtool from the path, or unpacked from Debian's package: installing that would start a server."""
    installed = shutil.which("promtool")
    unpacked = TOOLS / "prometheus" / "usr" / "bin" / "promtool"
    if installed:
        return Path(installed)
    if unpacked.exists():
        return unpacked
    if not fetch:
        raise ToolMissing(f"promtool is neither in the path nor in {TOOLS}, and --quick fetches nothing")
    require("apt-get", package="apt")
    downloads = TOOLS / "download"
    downloads.mkdir(parents=True, exist_ok=True)
    run(["apt-get", "download", "-qq", "prometheus"], cwd=downloads)
    package = max(downloads.glob("prometheus_*.deb"), key=lambda path: path.stat().st_mtime)
    run(["dpkg-deb", "-x", str(package), str(TOOLS / "prometheus")])
    return unpacked


def require(program: str, package: str) -> None:
    """Installs the Debian package that holds the program, if it is missing and we may."""
    if shutil.which(program):
        return
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise ToolMissing(f"{program} is missing (Debian 12: apt-get install {package})")
    run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", package])
