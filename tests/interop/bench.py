"""What a check works with: the cases, and a directory in which it starts its own processes."""

import contextlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import tools
from peers import RustBackend, Shmemd

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30

SPARSE = {0: 1 * MIB, 2: 64 * KIB, 5: 1 * GIB}
REGION_CASES = {
    "one region": {0: 1 * MIB},
    "regions 0, 2 and 5": SPARSE,
    "region 255 alone": {255: 64 * KIB},
    "no region": {},
    "256 regions": {shmid: (shmid + 1) * 4 * KIB for shmid in range(256)},
}
# With SPARSE and a mapping of 64 KiB at 0x10000 of region 0.
GOOD_STEP = "map 0 0x10000 0x10000 rw"
REFUSED = {
    "the same range": "map 0 0x10000 0x10000 rw",
    "overlap at the front": "map 0 0xf000 0x2000 rw",
    "overlap at the back": "map 0 0x1f000 0x2000 ro",
    "overlap around it": "map 0 0x0 0x100000 rw",
    "beyond the end": "map 0 0xff000 0x2000 rw",
    "starting at the end": "map 0 0x100000 0x1000 rw",
    "an offset that wraps": "map 0 0xfffffffffffff000 0x2000 rw",
    "no length": "map 0 0x40000 0 rw",
    "an unaligned shm_offset": "map 0 0x40800 0x1000 rw",
    "an unaligned fd_offset": "map 0 0x40000 0x1000 rw 0x800",
    "unmap of the first half": "unmap 0 0x10000 0x8000",
    "unmap of the second half": "unmap 0 0x18000 0x8000",
    "unmap of more than it": "unmap 0 0x10000 0x11000",
    "unmap where nothing is": "unmap 0 0x40000 0x1000",
}
UNKNOWN_SHMID = {"a shmid in a hole": "map 1 0x0 0x1000 rw", "a shmid above all": "map 9 0x0 0x1000 rw"}


@dataclass
class Bench:
    """What a check may use. Each check gets an empty directory and starts its own processes."""

    programs: Path
    backend_program: Path
    quick: bool
    directory: Path
    suffix = ""
    parent = None

    def demand(self, check: Callable) -> None:
        """Every check with this bench can run."""

    @property
    def socket(self) -> Path:
        return self.directory / "b.sock"

    def backend(self, sizes: dict[int, int], *options: str) -> RustBackend:
        return RustBackend(self.backend_program, self.socket, sizes, *options)

    def shmemd(self) -> Shmemd:
        return Shmemd(self.programs, self.directory / "run", ["--frontend", f"rust0={self.socket}"])

    @contextlib.contextmanager
    def pair(self, sizes: dict[int, int]) -> Iterator[tuple[RustBackend, Shmemd]]:
        with self.backend(sizes) as backend, self.shmemd() as shmemd:
            try:
                shmemd.await_active()
                yield backend, shmemd
            except Exception:
                print(
                    f"  shmemd's last lines:\n{shmemd.tail()}\n  the back-end's:\n{backend.tail()}",
                    file=sys.stderr,
                )
                raise

    @contextlib.contextmanager
    def grpcurl(self, sizes: dict[int, int]) -> Iterator[Callable]:
        program = tools.grpcurl(fetch=not self.quick)
        with self.pair(sizes) as (_, shmemd):

            def call(
                *arguments: str, data: str | None = None, admin: bool = False
            ) -> subprocess.CompletedProcess:
                command = [str(program), "-plaintext", "-unix", *(("-d", data) if data is not None else ())]
                path = shmemd.admin_socket if admin else shmemd.api_socket
                return subprocess.run(
                    [*command, str(path), *arguments], capture_output=True, text=True, timeout=20
                )

            yield call
