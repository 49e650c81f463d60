"""QEMU's qtest socket: the guest's buses without a guest."""

import socket
import time

from peers import DEADLINE_S, POLL_S, CheckFailed


def connect(path: str, deadline_s: float = DEADLINE_S) -> socket.socket:
    """A stream to a socket that somebody is about to open."""
    end = time.monotonic() + deadline_s
    while True:
        stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        stream.settimeout(deadline_s)
        try:
            stream.connect(path)
            return stream
        except OSError as error:
            stream.close()
            if time.monotonic() > end:
                raise CheckFailed(f"nobody listens on {path} after {deadline_s:g} s: {error}") from None
            time.sleep(POLL_S)


class QTest:
    """One command, one answer. Numbers travel in hex, bytes as one long hex string."""

    CONFIG_ADDRESS, CONFIG_DATA = 0xCF8, 0xCFC
    SUFFIX = {1: "b", 2: "w", 4: "l", 8: "q"}

    def __init__(self, path: str):
        self._stream = connect(path)
        self._answers = self._stream.makefile("r")

    def close(self) -> None:
        self._answers.close()
        self._stream.close()

    def command(self, *words: str | int) -> str:
        line = " ".join(word if isinstance(word, str) else f"{word:#x}" for word in words)
        self._stream.sendall(line.encode() + b"\n")
        while answer := self._answers.readline().split():
            if answer[0] == "OK":
                return " ".join(answer[1:])
            if answer[0] != "IRQ":
                raise CheckFailed(f"qtest answered {' '.join(answer)!r} to {line!r}")
        raise CheckFailed(f"QEMU closed the qtest socket instead of answering {line!r}")

    def load(self, address: int, width: int) -> int:
        return int(self.command("read" + self.SUFFIX[width], address), 0)

    def store(self, address: int, width: int, value: int) -> None:
        self.command("write" + self.SUFFIX[width], address, value)

    def read(self, address: int, size: int) -> bytes:
        return bytes.fromhex(self.command("read", address, size).removeprefix("0x"))

    def write(self, address: int, data: bytes) -> None:
        self.command("write", address, len(data), "0x" + data.hex())

    def pci_load(self, slot: int, register: int) -> int:
        """The aligned 32 bits of the configuration space of function 0 on bus 0."""
        self.command("outl", self.CONFIG_ADDRESS, 1 << 31 | slot << 11 | register)
        return int(self.command("inl", self.CONFIG_DATA), 0)

    def pci_store(self, slot: int, register: int, value: int) -> None:
        self.command("outl", self.CONFIG_ADDRESS, 1 << 31 | slot << 11 | register)
        self.command("outl", self.CONFIG_DATA, value)
