"""QEMU and virtiofsd out of the sid root: a vhost-user device without a guest, or Linux on virtiofs."""

import re
import subprocess
from pathlib import Path

from peers import DEADLINE_S, CheckFailed, Process, eventually
from qmp import Qmp
from qtest import QTest
from virtio_pci import VirtioPci

MACHINE = [
    *("-nodefaults", "-no-user-config", "-display", "none", "-m", "128M"),
    *("-object", "memory-backend-memfd,id=ram,size=128M,share=on"),
]


class SidRoot:
    """The root that scripts/sid.sh made. Sockets shared with its programs live in its /tmp."""

    def __init__(self, description: str):
        versions, _, path = description.rpartition(", in ")
        self.path = Path(path)
        self.qemu_version = re.search(r"QEMU (?:\d+:)?([\d.]+)", versions)[1]

    @property
    def directory(self) -> Path:
        return self.path / "tmp"

    def inside(self, path: Path) -> str:
        return f"/{path.relative_to(self.path)}"

    def command(self, program: str, *arguments: str) -> list[str]:
        """Runs it as the process that is started, so a signal that ends it is seen."""
        return ["chroot", str(self.path), program, *arguments]

    def command_with_proc(self, program: str, *arguments: str) -> list[str]:
        """The same with a root that is a mount and has a /proc, in a namespace that ends with the program."""
        mount = 'mount --rbind "$0" "$0" && mount --bind /proc "$0/proc" && exec chroot "$0" "$@"'
        return ["unshare", "--mount", "sh", "-c", mount, str(self.path), program, *arguments]


class Qemu(Process):
    """Never asks for more than its own sockets; dies with the block that started it."""

    def __init__(self, root: SidRoot, directory: Path, *arguments: str):
        self._qmp_socket = directory / "qmp.sock"
        self._qmp: Qmp | None = None
        qmp = f"unix:{root.inside(self._qmp_socket)},server=on,wait=off"
        super().__init__(root.command("qemu-system-x86_64", *MACHINE, "-qmp", qmp, *arguments))
        self.name = "QEMU"

    @property
    def qmp(self) -> Qmp:
        if self._qmp is None:
            self._qmp = Qmp(str(self._qmp_socket))
        return self._qmp

    def exit_code(self, deadline_s: float = DEADLINE_S) -> int:
        """Waits for its end; the number of a signal that ended it is negative."""
        try:
            return self._child.wait(deadline_s)
        except subprocess.TimeoutExpired:
            raise CheckFailed(f"QEMU still runs after {deadline_s:g} s") from None

    def kill(self) -> None:
        if self._qmp:
            self._qmp.close()
            self._qmp = None
        super().kill()
        self._qmp_socket.unlink(missing_ok=True)


class DeviceVm(Qemu):
    """A q35 with vhost-user-test-device-pci whose processor never runs: the check is firmware and driver."""

    def __init__(self, root: SidRoot, directory: Path, backend: Path):
        self._qtest_socket = directory / "qtest.sock"
        self._qtest: QTest | None = None
        super().__init__(
            root,
            directory,
            *("-machine", "q35,memory-backend=ram", "-accel", "qtest"),
            *("-qtest", f"unix:{root.inside(self._qtest_socket)},server=on,wait=off", "-qtest-log", "none"),
            *("-chardev", f"socket,id=device,path={root.inside(backend)}"),
            *("-device", "vhost-user-test-device-pci,chardev=device,virtio-id=26,num_vqs=1"),
        )

    def driver(self) -> VirtioPci:
        if self._qtest is None:
            self._qtest = QTest(str(self._qtest_socket))
        return VirtioPci(self._qtest)

    def kill(self) -> None:
        if self._qtest:
            self._qtest.close()
            self._qtest = None
        super().kill()
        self._qtest_socket.unlink(missing_ok=True)


class GuestVm(Qemu):
    """A small Linux with a virtiofs of that tag, without KVM; its console takes one command a line."""

    BOOT_DEADLINE_S = 90.0

    def __init__(self, root: SidRoot, directory: Path, backend: Path, tag: str):
        super().__init__(
            root,
            directory,
            *("-machine", "q35,memory-backend=ram", "-accel", "tcg", "-serial", "stdio"),
            *("-kernel", "/guest/vmlinuz", "-initrd", "/guest/initrd.gz"),
            *("-append", "console=ttyS0 quiet panic=-1"),
            *("-chardev", f"socket,id=device,path={root.inside(backend)}"),
            *("-device", f"vhost-user-fs-pci,chardev=device,tag={tag}"),
        )

    def await_boot(self) -> None:
        self.next_line("guest: ready", self.BOOT_DEADLINE_S)

    def tell(self, line: str, deadline_s: float = 30.0) -> str:
        """Has the guest do one thing; returns what it answered."""
        self.write_line(line)
        return self.next_line("guest: ", deadline_s).partition("guest: ")[2]


class Virtiofsd(Process):
    """Ends by itself when its front-end leaves."""

    def __init__(self, root: SidRoot, socket: Path, shared: Path):
        options = [f"--socket-path={root.inside(socket)}", f"--shared-dir={root.inside(shared)}"]
        options += ["--sandbox=chroot", "--rlimit-nofile=0"]
        super().__init__(root.command_with_proc("/usr/libexec/virtiofsd", *options))
        self.name = "virtiofsd"
        eventually("socket of virtiofsd", socket.is_socket, True)
