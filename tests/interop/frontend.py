"""A vhost-user front-end in the shortest form: handshake, GET_SHMEM_CONFIG, answers to maps and unmaps.

Written from the protocol alone and independent of server/: it tells a fault of the rust-vmm back-end from one
of shmemd.
"""

import os
import socket
import struct
import threading

from shmem_table import Mapping, ShmemTable

GET_FEATURES, SET_OWNER = 1, 3
GET_PROTOCOL_FEATURES, SET_PROTOCOL_FEATURES = 15, 16
SET_BACKEND_REQ_FD, GET_SHMEM_CONFIG = 21, 44
SHMEM_MAP, SHMEM_UNMAP = 9, 10

VERSION, REPLY, NEED_REPLY = 0x1, 0x4, 0x8
PROTOCOL_FEATURES_BIT = 30
MQ, REPLY_ACK, BACKEND_REQ, BACKEND_SEND_FD, SHMEM = 0, 3, 5, 10, 22
WANTED = sum(1 << bit for bit in (MQ, REPLY_ACK, BACKEND_REQ, BACKEND_SEND_FD, SHMEM))

HEADER = struct.Struct("=III")
U64 = struct.Struct("=Q")
SHMEM_CONFIG = struct.Struct("=II256Q")
MMAP = struct.Struct("=B7xQQQQ")


class ProtocolError(Exception):
    pass


def receive(channel: socket.socket) -> tuple[int, int, bytes, list[int]] | None:
    """One message as (id, flags, payload, fds), or None at the end of the stream."""
    header, fds, _, _ = socket.recv_fds(channel, HEADER.size, 8)
    if not header:
        return None
    if len(header) < HEADER.size:
        header += read_exactly(channel, HEADER.size - len(header))
    request, flags, size = HEADER.unpack(header)
    if size > 4096:
        raise ProtocolError(f"message {request} announced {size} bytes, expected at most 4096")
    return request, flags, read_exactly(channel, size), fds


def read_exactly(channel: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        part = channel.recv(size - len(data))
        if not part:
            raise ProtocolError(f"end of stream after {len(data)} of {size} bytes")
        data += part
    return data


class FrontEnd:
    """One connection. Nothing is retried: an unexpected answer is a ProtocolError."""

    def __init__(self, path: str, timeout_s: float = 5.0):
        self.table = ShmemTable({})
        self.num_regions = 0
        self._main = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._main.settimeout(timeout_s)
        self._main.connect(path)
        self._backend_channel: socket.socket | None = None
        self._server: threading.Thread | None = None

    def __enter__(self) -> "FrontEnd":
        return self

    def __exit__(self, *_):
        self.close()

    def handshake(self) -> None:
        """Everything up to SET_OWNER, in the order in which QEMU sends it."""
        if not self._ask_u64(GET_FEATURES) >> PROTOCOL_FEATURES_BIT & 1:
            raise ProtocolError("back-end offers no protocol features (bit 30)")
        offered = self._ask_u64(GET_PROTOCOL_FEATURES)
        if offered & WANTED != WANTED:
            raise ProtocolError(
                f"back-end offers protocol features {offered:#x}, expected {WANTED:#x} among them"
            )
        self._send(SET_PROTOCOL_FEATURES, U64.pack(WANTED))
        self._hand_over_backend_channel()
        self._send(SET_OWNER)

    def ask_regions(self) -> dict[int, int]:
        """GET_SHMEM_CONFIG; returns {shmid: size} and makes the table answer for these regions."""
        payload = self._ask(GET_SHMEM_CONFIG)
        if len(payload) != SHMEM_CONFIG.size:
            raise ProtocolError(
                f"GET_SHMEM_CONFIG reply has {len(payload)} bytes, expected {SHMEM_CONFIG.size}"
            )
        self.num_regions, _, *sizes = SHMEM_CONFIG.unpack(payload)
        self.table = ShmemTable({shmid: size for shmid, size in enumerate(sizes) if size})
        return self.table.sizes

    def serve_after_handshake(self) -> None:
        self.handshake()
        self.ask_regions()
        self.serve()

    def serve(self) -> None:
        """Answers the back-end channel on a thread of its own until the channel ends."""
        self._server = threading.Thread(target=self._serve_backend_channel, daemon=True)
        self._server.start()

    def close(self) -> None:
        self._main.close()
        if self._backend_channel:
            self._backend_channel.shutdown(socket.SHUT_RDWR)
            if self._server:
                self._server.join()
            self._backend_channel.close()

    def _send(
        self, request: int, payload: bytes = b"", fds: tuple[int, ...] = (), flags: int = VERSION
    ) -> None:
        message = HEADER.pack(request, flags, len(payload)) + payload
        socket.send_fds(self._main, [message], fds)

    def _ask(self, request: int, fds: tuple[int, ...] = (), flags: int = VERSION) -> bytes:
        self._send(request, fds=fds, flags=flags)
        message = receive(self._main)
        if message is None:
            raise ProtocolError(f"back-end closed the connection instead of answering message {request}")
        reply, reply_flags, payload, reply_fds = message
        if (reply, reply_flags, reply_fds) != (request, VERSION | REPLY, []):
            raise ProtocolError(
                f"reply to {request} has id {reply}, flags {reply_flags:#x}, {len(reply_fds)} fds; "
                f"expected {request}, 0x5, 0"
            )
        return payload

    def _ask_u64(self, request: int) -> int:
        return U64.unpack(self._ask(request))[0]

    def _hand_over_backend_channel(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            ack = U64.unpack(self._ask(SET_BACKEND_REQ_FD, (theirs.fileno(),), VERSION | NEED_REPLY))[0]
        self._backend_channel = ours
        if ack:
            raise ProtocolError(f"SET_BACKEND_REQ_FD was answered {ack}, expected 0")

    def _serve_backend_channel(self) -> None:
        while message := receive(self._backend_channel):
            request, flags, payload, fds = message
            error = self._apply(request, payload, len(fds))
            for fd in fds:
                os.close(fd)
            if flags & NEED_REPLY:
                answer = U64.pack(-error & 0xFFFF_FFFF_FFFF_FFFF)
                self._backend_channel.sendall(HEADER.pack(request, VERSION | REPLY, len(answer)) + answer)

    def _apply(self, request: int, payload: bytes, fd_count: int) -> int:
        expected_fds = {SHMEM_MAP: 1, SHMEM_UNMAP: 0}.get(request)
        if expected_fds is None or len(payload) != MMAP.size:
            raise ProtocolError(f"back-end sent message {request} with {len(payload)} bytes")
        if fd_count != expected_fds:
            raise ProtocolError(f"back-end message {request} carried {fd_count} fds, expected {expected_fds}")
        shmid, fd_offset, shm_offset, length, flags = MMAP.unpack(payload)
        mapping = Mapping(shmid, shm_offset, length, fd_offset, bool(flags & 1))
        return self.table.map(mapping) if request == SHMEM_MAP else self.table.unmap(mapping)
