"""A vhost-user proxy that writes down what passes, to put at either side of shmemd's relay.

It reads exactly one header and then exactly one payload, so a descriptor is always seen with its own message.
It stands in the back-end channel, too, and shares nothing with server/.
"""

import contextlib
import os
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from qtest import connect

HEADER = struct.Struct("=III")
SET_BACKEND_REQ_FD = 21
MAX_FDS = 253
FD_BYTES = struct.calcsize("i")

# (device, inode, eventfd-id): all eventfds share one inode, their ids tell them apart.
FdIdentity = tuple[int, int, int]


@dataclass(frozen=True)
class Message:
    """One message as it came in (received) and as it was sent on (passed)."""

    channel: str
    sender: str
    id: int
    flags: int
    payload: bytes
    received: tuple[FdIdentity, ...]
    passed: tuple[FdIdentity, ...]

    @property
    def shape(self) -> tuple:
        return self.sender, self.id, self.flags, len(self.payload), len(self.received)

    def __str__(self) -> str:
        fds = f" with {len(self.received)} fds" if self.received else ""
        return f"{self.sender} sent {self.id} flags {self.flags:#x} size {len(self.payload)}{fds}"


@dataclass
class Recording:
    """What passed, in order. A channel is main-N or backend-N, N counting the connections from 1."""

    messages: list[Message] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, message: Message) -> None:
        with self.lock:
            self.messages.append(message)

    def channels(self) -> dict[str, list[Message]]:
        with self.lock:
            channels: dict[str, list[Message]] = {}
            for message in self.messages:
                channels.setdefault(message.channel, []).append(message)
            return channels


def identity(fd: int) -> FdIdentity:
    facts = os.fstat(fd)
    event = 0
    for line in Path(f"/proc/self/fdinfo/{fd}").read_text().splitlines():
        if line.startswith("eventfd-id:"):
            event = int(line.split()[1])
    return facts.st_dev, facts.st_ino, event


def receive_exactly(stream: socket.socket, size: int) -> tuple[bytes, list[int]] | None:
    """`size` bytes and every descriptor that came with them; None where the stream ends."""
    data, fds = b"", []
    while len(data) < size:
        part, ancillary, flags, _ = stream.recvmsg(
            size - len(data), socket.CMSG_SPACE(MAX_FDS * FD_BYTES), socket.MSG_CMSG_CLOEXEC
        )
        for _, _, raw in ancillary:
            fds += struct.unpack(f"{len(raw) // FD_BYTES}i", raw)
        if flags & socket.MSG_CTRUNC:
            raise RuntimeError("descriptors were cut off")
        if not part:
            close_all(fds)
            return None
        data += part
    return data, fds


def close_all(fds: list[int]) -> None:
    for fd in fds:
        os.close(fd)


class Recorder:
    """Listens on one path, connects each front-end that comes to another, and passes on what they say."""

    def __init__(self, listen: Path, backend: Path):
        self.path = listen
        self.recording = Recording()
        self._backend = backend
        self._threads: list[threading.Thread] = []
        self._streams: list[socket.socket] = []
        self._connections = 0
        self._failure: Exception | None = None
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(listen))
        self._listener.listen()
        self._start(self._accept)

    def __enter__(self) -> "Recorder":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def close(self) -> None:
        """Ends every connection; says so if one of them could not be followed."""
        self._listener.shutdown(socket.SHUT_RDWR)
        for stream in self._streams:
            with contextlib.suppress(OSError):
                stream.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for stream in [self._listener, *self._streams]:
            stream.close()
        self._streams.clear()
        self.path.unlink()
        if self._failure:
            raise self._failure

    def _start(self, work: Callable, *arguments) -> None:
        thread = threading.Thread(target=self._guarded, args=(work, *arguments), daemon=True)
        self._threads.append(thread)
        thread.start()

    def _guarded(self, work: Callable, *arguments) -> None:
        try:
            work(*arguments)
        except OSError:
            pass  # A peer that goes away ends its connection, nothing else.
        except Exception as failure:
            self._failure = failure

    def _accept(self) -> None:
        while True:
            frontend, _ = self._listener.accept()
            self._connections += 1
            self._join(f"main-{self._connections}", frontend, connect(str(self._backend)))

    def _join(self, channel: str, frontend: socket.socket, backend: socket.socket) -> None:
        backend.settimeout(None)
        self._streams += [frontend, backend]
        self._start(self._pass_on, channel, "frontend", frontend, backend)
        self._start(self._pass_on, channel, "backend", backend, frontend)

    def _pass_on(self, channel: str, sender: str, source: socket.socket, sink: socket.socket) -> None:
        try:
            while message := self._receive(source):
                self._forward(channel, sender, *message, sink)
        finally:
            with contextlib.suppress(OSError):
                sink.shutdown(socket.SHUT_WR)

    def _receive(self, source: socket.socket) -> tuple[bytes, bytes, list[int]] | None:
        head = receive_exactly(source, HEADER.size)
        if head is None:
            return None
        body = receive_exactly(source, HEADER.unpack(head[0])[2])
        if body is None:
            close_all(head[1])
            return None
        return head[0], body[0], head[1] + body[1]

    def _forward(
        self, channel: str, sender: str, head: bytes, payload: bytes, fds: list[int], sink: socket.socket
    ) -> None:
        request, flags, _ = HEADER.unpack(head)
        received = tuple(identity(fd) for fd in fds)
        if (channel.split("-")[0], sender, request) == ("main", "frontend", SET_BACKEND_REQ_FD):
            fds = [self._interpose(channel, fd) for fd in fds]
        passed = tuple(identity(fd) for fd in fds)
        # Written down before it is sent: the answer to it always comes later in the recording.
        self.recording.add(Message(channel, sender, request, flags, payload, received, passed))
        try:
            socket.send_fds(sink, [head + payload], fds)
        finally:
            close_all(fds)

    def _interpose(self, channel: str, theirs: int) -> int:
        """Keeps the front-end's socket and returns one for the back-end."""
        ours, handed_over = socket.socketpair()
        backend_channel = channel.replace("main", "backend")
        self._join(backend_channel, socket.socket(fileno=theirs), ours)
        return handed_over.detach()
