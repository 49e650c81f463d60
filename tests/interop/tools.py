"""The programs that the checks need besides our own, built or fetched into build/ on first use."""

import functools
import os
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ROOT / "build" / "tools"
BACKEND_SOURCE = Path(__file__).resolve().parent / "rust-backend"


# What scripts/sid.sh ends with where such a root cannot be made.
SID_UNAVAILABLE = 3


class ToolMissing(Exception):
    pass


class NotHere(Exception):
    """Something that a check needs and that cannot be had on this machine: the check is skipped, by name."""


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


def pinned(tool: str, fetch: bool) -> Path:
    """A tool of scripts/tools.sh, fetched on first use; with fetch false only if it is here already."""
    program = TOOLS / "bin" / tool
    if not fetch and not program.exists():
        raise ToolMissing(
            f"{tool} is not in {TOOLS}/bin, and --quick fetches nothing: scripts/tools.sh {tool}"
        )
    run([str(ROOT / "scripts" / "tools.sh"), tool])
    return program


@functools.cache
def sid_root() -> str:
    """Makes the Debian sid root if it is not there; returns "WHAT IS IN IT, in PATH", or nothing."""
    script = ROOT / "scripts" / "sid.sh"
    with subprocess.Popen(
        [str(script)], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True
    ) as child:
        versions = ""
        for line in child.stdout:
            versions = line.rstrip("\n")
            print(f"  {versions}", flush=True)
    if child.returncode not in (0, SID_UNAVAILABLE):
        raise ToolMissing(f"scripts/sid.sh ended with {child.returncode}")
    return "" if child.returncode else versions


@functools.cache
def has_mount_namespaces() -> bool:
    """Whether a process may have mounts of its own here, as virtiofsd needs."""
    return subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode == 0


def grpcurl(fetch: bool) -> Path:
    return pinned("grpcurl", fetch)


def promtool(fetch: bool) -> Path:
    return pinned("promtool", fetch)


def require(program: str, package: str) -> None:
    """Installs the Debian package that holds the program, if it is missing and we may."""
    if shutil.which(program):
        return
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise ToolMissing(f"{program} is missing (Debian 12: apt-get install {package})")
    run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", package])
