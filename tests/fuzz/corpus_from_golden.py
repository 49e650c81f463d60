#!/usr/bin/env python3
"""Writes the seeds of corpus/fuzz_{framer,config_reply,mmap} from tests/golden. What fuzzers found is left alone."""
import pathlib

FUZZ = pathlib.Path(__file__).resolve().parent
HEADER_BYTES = 12


def load(path):
    message = b""
    for line in path.read_text().splitlines():
        for group in line.split("#")[0].split():
            byte, _, count = group.partition("*")
            message += bytes.fromhex(byte) * int(count or 1)
    return message


def seed(target, name, content):
    folder = FUZZ / "corpus" / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)


golden = {path.stem: load(path) for path in sorted((FUZZ.parent / "golden").glob("*.hex"))}
for name, message in golden.items():
    if "config_" in name:
        seed("fuzz_config_reply", name, message[HEADER_BYTES:])
    elif "map" in name and "ack" not in name:
        seed("fuzz_mmap", name, message[HEADER_BYTES:])

# The framer looks at sizes alone: one of each shape, and a whole session. The first byte chooses the pieces.
for name in ("get_shmem_config_request", "map_read_write", "config_truncated_gap_count", "bad_header_size_max"):
    seed("fuzz_framer", name, b"\x01" + golden[name])
session = ("set_protocol_features", "set_backend_req_fd", "set_backend_req_fd_ack", "get_shmem_config_request",
           "config_truncated_gap_span", "map_read_write", "map_ack_ok", "unmap", "unmap_ack_ok")
seed("fuzz_framer", "session", b"\x07" + b"".join(golden[name] for name in session))
seed("fuzz_framer", "session_then_garbage", b"\x07" + b"".join(golden[name] for name in session) + b"\xff" * 16)
