"""Runs programs as people do: on a terminal, into a pipe, into a pipe that nobody reads to its end."""

import errno
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from dataclasses import dataclass
from pathlib import Path

ESCAPE = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]")


@dataclass
class Run:
    code: int
    out: bytes
    err: bytes
    seconds: float

    def lines(self) -> list[str]:
        """What the terminal shows, line by line."""
        return ESCAPE.sub(b"", self.out).decode(errors="replace").replace("\r", "").split("\n")


def environment(**changes: str) -> dict[str, str]:
    """Ours without what says how to print, and with these."""
    left_out = ("COLUMNS", "LINES", "NO_COLOR", "LANG", "LC_ALL", "LC_CTYPE", "TERM", "SHMEMD_ENDPOINT")
    return {name: value for name, value in os.environ.items() if name not in left_out} | changes


def in_pipe(command: list[str], env: dict[str, str], deadline_s: float) -> Run:
    begin = time.monotonic()
    done = subprocess.run(command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=deadline_s)
    return Run(done.returncode, done.stdout, done.stderr, time.monotonic() - begin)


def into(path: str, command: list[str], env: dict[str, str], deadline_s: float) -> Run:
    """Standard output is this file."""
    begin = time.monotonic()
    with open(path, "wb") as file:
        done = subprocess.run(command, env=env, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.PIPE,
                              timeout=deadline_s)
    return Run(done.returncode, b"", done.stderr, time.monotonic() - begin)


def first_line(command: list[str], env: dict[str, str], deadline_s: float) -> Run:
    """As `| head -1`: reads a line and goes away."""
    begin = time.monotonic()
    child = subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, bufsize=0)
    try:
        line = child.stdout.read(1)
        child.stdout.close()
        err = child.stderr.read()
        code = child.wait(deadline_s)
    finally:
        child.kill()
        child.wait()
        child.stderr.close()
    return Run(code, line, err, time.monotonic() - begin)


def unread(command: list[str], env: dict[str, str], deadline_s: float) -> Run:
    """Its reader is gone before it says anything; SIGPIPE is ignored, as under many service managers."""
    begin = time.monotonic()
    to_read, to_write = os.pipe()
    os.close(to_read)
    try:
        done = subprocess.run(command, env=env, stdin=subprocess.DEVNULL, stdout=to_write, stderr=subprocess.PIPE,
                              timeout=deadline_s, restore_signals=False)
    finally:
        os.close(to_write)
    return Run(done.returncode, b"", done.stderr, time.monotonic() - begin)


class Terminal:
    """A program on a terminal of its own. Leaving the block kills it."""

    def __init__(self, command: list[str], env: dict[str, str], columns: int = 80, rows: int = 24,
                 cwd: Path | None = None, err: int | None = subprocess.PIPE):
        self._master, slave = pty.openpty()
        self.resize(columns, rows)
        self._begin = time.monotonic()
        self._child = subprocess.Popen(command, env=env, stdin=slave, stdout=slave,
                                       stderr=slave if err is None else err, cwd=cwd, start_new_session=True,
                                       preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        os.close(slave)
        self.out = b""      # all of it
        self._unread = b""  # since the last read_until

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._child.kill()
        self._child.wait()
        if self._child.stderr:
            self._child.stderr.close()
        os.close(self._master)

    def resize(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def echoes(self) -> bool:
        """Whether what is typed is shown, as it is unless somebody asked the terminal for keys."""
        return bool(termios.tcgetattr(self._master)[3] & termios.ECHO)

    def type(self, text: str) -> None:
        os.write(self._master, text.encode())

    def signal(self, number: int) -> None:
        self._child.send_signal(number)

    def read_until(self, wanted: bytes, deadline_s: float) -> bytes:
        """What came since the last call, up to and with these bytes. Escapes are taken out."""
        end = time.monotonic() + deadline_s
        while True:
            shown = ESCAPE.sub(b"", self._unread)
            if wanted in shown:
                to = shown.index(wanted) + len(wanted)
                self._unread = shown[to:]
                return shown[:to]
            left = max(0.0, end - time.monotonic())
            if not select.select([self._master], [], [], left)[0]:
                raise TimeoutError(f"no {wanted!r} within {deadline_s:g} s, but {shown!r}")
            some = self._read_some()
            if not some:
                raise EOFError(f"it ended without {wanted!r}: {shown!r}")
            self._unread += some
            self.out += some

    def _read_some(self) -> bytes:
        """What is there; nothing once the last who had the terminal has ended."""
        try:
            return os.read(self._master, 65536)
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            return b""

    def _read_to_end(self, deadline_s: float) -> bytes:
        end = time.monotonic() + deadline_s
        parts = []
        while select.select([self._master], [], [], max(0.0, end - time.monotonic()))[0]:
            some = self._read_some()
            if not some:
                return b"".join(parts)
            parts.append(some)
        raise TimeoutError(f"it goes on after {deadline_s:g} s")

    def finish(self, deadline_s: float) -> Run:
        self.out += self._read_to_end(deadline_s)
        err = self._child.stderr.read() if self._child.stderr else b""
        code = self._child.wait(deadline_s)
        return Run(code, self.out, err, time.monotonic() - self._begin)


def on_terminal(command: list[str], env: dict[str, str], deadline_s: float, columns: int = 80) -> Run:
    with Terminal(command, {"TERM": "xterm-256color"} | env, columns) as terminal:
        return terminal.finish(deadline_s)
