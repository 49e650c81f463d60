"""Back-ends as an operator meets them: healthy, full, leaking, dangerous, gone; and a shmemd that looks at them."""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "clients"))

from daemon import Shmemd, Stage  # noqa: E402
from peers import eventually  # noqa: E402

MIB = 1 << 20


def a_map(shmid: int, offset: int, length: int, access: str = "rw", **more) -> str:
    words = "".join(f", {name}: {value}" for name, value in more.items())
    return f"  - map: {{shmid: {shmid}, shm_offset: {offset:#x}, len: {length:#x}, access: {access}{words}}}\n"


def dangerous() -> str:
    """A full region, one with a mapping beyond the end of its file, and an empty one."""
    return ("regions: {0: 16MiB, 2: 64MiB, 7: 1GiB}\nsteps:\n"
            + a_map(0, 0, 10 * MIB) + a_map(0, 10 * MIB, 6 * MIB, "ro")
            + a_map(2, 0, 8 * MIB) + a_map(2, 12 * MIB, 4 * MIB, "ro")
            + a_map(2, 24 * MIB, 16 * MIB, backing="file", file_size="6MiB"))


def leaking() -> str:
    return "regions: {0: 8GiB}\nsteps:\n" + "".join(a_map(0, i * 80 * MIB, 64 * MIB) for i in range(40))


def assumed() -> str:
    return ("regions: {1: 256MiB}\nfeatures: {reply_ack: false}\nsteps:\n"
            + a_map(1, 0, 32 * MIB) + a_map(1, 96 * MIB, 48 * MIB, "ro"))


def leaving(regions: str) -> str:
    """Maps, and goes when the front-end has seen it."""
    return (f"regions: {regions}\nsteps:\n" + a_map(0, 0, 12 * MIB) + a_map(0, 16 * MIB, 4 * MIB, "ro")
            + "  - wait: 300ms\n  - close: main\n")


class Scene(Stage):
    """The peers, and where the page is."""

    def show(self, *flags: str, metrics: str = "127.0.0.1:0") -> str:
        """Starts everything; the page's address."""
        relayed = self.backend("media0")
        quitting = self.backend("cam0", "--once", script=leaving("{0: 32MiB}"))
        lost = self.backend("net0", "--once", script=leaving("{0: 64MiB, 1: 16MiB}"))
        vmm_socket = self.directory / "vm.sock"
        daemon = self.shmemd(
            "--relay", f"media0={vmm_socket},{relayed}",
            "--frontend", f"gpu0={self.backend('gpu0', script=dangerous())}",
            "--frontend", f"leak0={self.backend('leak0', script=leaking())}",
            "--frontend", f"snd0={self.backend('snd0', script=assumed())}",
            "--frontend", f"cam0={quitting}",
            "--probe", f"disk0={self.backend('disk0')}",
            "--relay", f"net0={self.directory / 'net.sock'},{lost}",
            *flags, metrics=metrics)
        self.daemon: Shmemd = daemon
        address = daemon.address("metrics on http://").rpartition("/")[0]
        self.vmm(vmm_socket)
        self.vmm(self.directory / "net.sock")
        eventually("states", self.states, {
            "media0": "ACTIVE", "gpu0": "ACTIVE", "leak0": "ACTIVE", "snd0": "ACTIVE", "cam0": "DISCONNECTED",
            "disk0": "PROBED", "net0": "DISCONNECTED"})
        return address

    def states(self) -> dict[str, str]:
        backends = json.loads(self.daemon.ctl("backends", "-o", "json"))["backends"]
        return {one["name"].removeprefix("backends/"): one["state"] for one in backends}
