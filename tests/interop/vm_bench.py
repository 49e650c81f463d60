"""What a check with a real VMM works with: QEMU, the back-end, and in a relayed run shmemd between them."""

import contextlib
import json
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import tools
from bench import KIB, MIB
from peers import Process, RustBackend, Shmemd, eventually
from recorder import Recorder, Recording
from vmm import DeviceVm, SidRoot

# Their sum has to be a power of two, and on a q35 there is room for three capabilities: with either wrong
# QEMU 11.1 aborts on an assertion.
REGIONS = {0: 1 * MIB, 2: 512 * KIB, 5: 512 * KIB}

# The release whose behaviour the checks speak of.
QEMU_RELEASE = "11.1."

Range = tuple[int, int, int]


@dataclass
class Stand:
    """The programs of one run, and the path where a VM finds the back-end. shmemd is None in a direct run."""

    backend: RustBackend
    log: Path
    path: Path
    vm: DeviceVm
    shmemd: Shmemd | None
    frontend_side: Recording | None = None
    backend_side: Recording | None = None

    def logged(self) -> list[dict]:
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def live(self) -> dict[Range, dict]:
        """What the back-end's own log says is mapped, by range."""
        live: dict[Range, dict] = {}
        for entry in self.logged():
            at = entry["shmid"], entry["shm_offset"], entry["len"]
            if entry["ok"] and entry["request"] == "map":
                live[at] = entry
            elif entry["ok"]:
                del live[at]
        return live

    def in_vm(self) -> set[Range]:
        return mapped_ranges(self.vm.qmp.monitor("info mtree"))

    def says(self, what: str, ask, expected, deadline_s: float = 5.0) -> None:
        """An expectation of shmemd; nothing to ask in a direct run. `ask` takes shmemd."""
        if self.shmemd:
            eventually(f"shmemd: {what}", lambda: ask(self.shmemd), expected, deadline_s)


# A region is virtio-shmem-ID, a mapping in it virtio-shmem-ID-OFFSET.
MTREE_RANGE = re.compile(
    r"^ *([0-9a-f]+)-([0-9a-f]+) \(prio \d+, [a-z/]+\): virtio-shmem-(\d+)(-[0-9a-f]+)?$"
)


def mapped_ranges(mtree: str) -> set[Range]:
    """{(shmid, shm_offset, len)} of the mappings that `info mtree` shows in the guest's memory."""
    memory = mtree.partition("address-space: memory\n")[2].partition("\n\n")[0]
    windows, mapped = {}, set()
    for line in memory.splitlines():
        if match := MTREE_RANGE.match(line):
            first, last, shmid = int(match[1], 16), int(match[2], 16), int(match[3])
            if match[4]:
                mapped.add((shmid, first - windows[shmid], last - first + 1))
            else:
                windows[shmid] = first
    return mapped


@dataclass
class VmBench:
    """Each check gets an empty directory inside of the sid root and starts its own processes."""

    programs: Path
    backend_program: Path
    quick: bool
    relayed: bool
    directory: Path = Path()

    @property
    def suffix(self) -> str:
        return ", relayed" if self.relayed else ", direct"

    @property
    def parent(self) -> Path | None:
        return self.root.directory if tools.sid_root() else None

    @property
    def root(self) -> SidRoot:
        return SidRoot(tools.sid_root())

    def demand(self, check: Callable) -> None:
        """Says by what a check is kept from running here."""
        if not tools.sid_root():
            raise tools.NotHere("no Debian sid root with QEMU, see above")
        if not self.root.qemu_version.startswith(QEMU_RELEASE) and not getattr(check, "any_qemu", False):
            raise tools.NotHere(f"it speaks of QEMU {QEMU_RELEASE}x, here is {self.root.qemu_version}")
        if getattr(check, "needs_mounts", False) and not tools.has_mount_namespaces():
            raise tools.NotHere("unshare --mount is not allowed here")

    @contextlib.contextmanager
    def relay(self, backend: Path, *options: str) -> Iterator[tuple[Path, Shmemd | None]]:
        """Where a VMM finds the back-end, and shmemd if it is in between."""
        if not self.relayed:
            yield backend, None
            return
        listen = self.directory / "relay.sock"
        attach = ["--relay", f"rust0={listen},{backend}", *options]
        with Shmemd(self.programs, self.directory / "run", attach) as shmemd:
            yield listen, shmemd

    @contextlib.contextmanager
    def stand(
        self,
        *options: str,
        relay: tuple[str, ...] = (),
        record: bool = False,
        sizes: dict[int, int] = REGIONS,
    ) -> Iterator[Stand]:
        """A machine with its device realized, not started. The options are the back-end's, `relay` ours."""
        log, socket = self.directory / "backend.jsonl", self.directory / "b.sock"
        log.write_text("")
        with contextlib.ExitStack() as stack:
            started = RustBackend(self.backend_program, socket, sizes, "--log", str(log), *options)
            backend = stack.enter_context(started)
            path, recordings = socket, []
            if record:
                behind = stack.enter_context(Recorder(self.directory / "behind.sock", path))
                path, recordings = behind.path, [behind.recording]
            path, shmemd = stack.enter_context(self.relay(path, *relay))
            if record:
                before = stack.enter_context(Recorder(self.directory / "before.sock", path))
                path, recordings = before.path, [before.recording, *recordings]
            vm = stack.enter_context(DeviceVm(self.root, self.directory, path))
            stand = Stand(backend, log, path, vm, shmemd, *recordings)
            with told_on_failure(backend, vm, *([shmemd] if shmemd else [])):
                yield stand

    @contextlib.contextmanager
    def another_vm(self, stand: Stand) -> Iterator[None]:
        """In the place of one that has ended."""
        with DeviceVm(self.root, self.directory, stand.path) as stand.vm:
            yield


@contextlib.contextmanager
def told_on_failure(*processes: Process) -> Iterator[None]:
    try:
        yield
    except Exception:
        for process in processes:
            print(f"  {process.name}'s last lines:\n{process.tail()}", file=sys.stderr)
        raise
