"""A real shmemd and its peers, for checks that ask it as a client does."""

import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "interop"))

from peers import Process, eventually  # noqa: E402


class Stage(ExitStack):
    """Programs that run in a directory of their own, and end when the block is left."""

    def __init__(self, programs: Path, directory: Path):
        super().__init__()
        self._programs, self.directory = programs, directory
        directory.mkdir(exist_ok=True)

    def _start(self, program: str, *arguments) -> Process:
        return self.enter_context(Process([str(self._programs / program), *map(str, arguments)]))

    def backend(self, name: str, *arguments, script: str = "") -> Path:
        """A demo back-end; the path of its socket, which is there."""
        socket = self.directory / f"{name}.sock"
        if script:
            file = self.directory / f"{name}.yaml"
            file.write_text(script)
            arguments = ("--script", file, *arguments)
        process = self._start("shmem-demo-backend", "--socket", socket, *arguments)
        if "-q" in arguments:
            eventually(f"{socket} is there", socket.exists, True, deadline_s=60)
        else:
            process.next_line("listening")
        return socket

    def vmm(self, socket: Path, *arguments) -> None:
        """A demo VMM at the socket, which shmemd or a back-end listens at."""
        self._start("shmem-demo-vmm", "--connect", socket, *arguments)

    def shmemd(self, *arguments, name: str = "run", metrics: str = "off") -> "Shmemd":
        run_dir = self.directory / name
        process = self._start("shmemd", "--run-dir", run_dir, "--metrics-listen", metrics, *arguments)
        return Shmemd(run_dir, process, self._programs / "shmemctl")


class Shmemd:
    """Where a shmemd serves, once it says so."""

    def __init__(self, run_dir: Path, process: Process, shmemctl: Path):
        self.api_socket, self.admin_socket = run_dir / "api.sock", run_dir / "admin.sock"
        self.process, self.shmemctl = process, shmemctl
        process.next_line("admin on unix:")

    def address(self, words: str, place: int = -1) -> str:
        """What stands at the end of the line of the log that has these words, or at another place of it."""
        return self.process.next_line(words).split()[place]

    def ctl(self, *arguments: str) -> str:
        """What shmemctl prints, asked at the admin socket."""
        command = [str(self.shmemctl), "--endpoint", f"unix:{self.admin_socket}", *arguments]
        return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
