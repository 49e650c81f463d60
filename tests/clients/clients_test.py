#!/usr/bin/env python3
"""clients_test.py TOOLS_BIN BIN_DIR: do all clients get the same answers?

Asks a real shmemd with a live back-end each RPC with grpcurl, `buf curl`, Python's grpcio and our own library, over a
Unix socket, TCP on loopback, and TCP with certificates of both sides, and prints a table. A cell is what was
answered; an answer that differs from that of the first client is an error. Runs with the Python of
TOOLS_BIN/python-grpcio; ends with 77 (skipped) where a tool is missing.
"""

import json
import pathlib
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field

import callers
from callers import Answer, Endpoint, never
from daemon import Stage

from certificates import Authority, tls_flags

INSPECTOR = "vhost.shmem.v1.ShmemInspector"
ADMIN = "vhost.shmem.v1.ShmemAdmin"
HEALTH = "grpc.health.v1.Health"

# A back-end that stays as it is: answers can be compared only while nothing happens.
SCRIPT = """
regions: {0: 1MiB, 2: 16MiB, 5: 1GiB}
steps:
  - map: {shmid: 0, shm_offset: 0, len: 64KiB}
  - map: {shmid: 2, shm_offset: 4MiB, len: 1MiB, access: rw}
"""

# Times and counts that a call itself changes.
CHANGED_BY_ADMIN = {
    "updateTime", "observeTime", "revision", "uid", "createTime", "findings", "openFindingCount", "duration",
    "startTime", "configQueryTime", "lastSeenTime", "occurrenceCount",
}

# Of answers of Watch: our library keeps these to itself.
LEFT_OUT_BY_LIBRARY = frozenset({"snapshotBegin", "resumeToken", "revision"})


@dataclass
class Call:
    method: str
    request: dict = field(default_factory=dict)
    code: str = "OK"
    reason: str = ""
    enough: Callable[[dict], bool] = never
    volatile: frozenset = frozenset()

    @property
    def admin(self) -> bool:
        return self.method.startswith(ADMIN)

    @property
    def title(self) -> str:
        name = self.method.split("/")[1] if not self.method.startswith(HEALTH) else "Health.Check"
        return f"{name} {self.reason}".strip()


def reads() -> list[Call]:
    def inspector(method: str, request: dict | None = None, **expected) -> Call:
        return Call(f"{INSPECTOR}/{method}", request or {}, **expected)

    demo, region = "backends/demo", "backends/demo/regions/2"
    return [
        Call(f"{HEALTH}/Check"),
        inspector("GetServerInfo"),
        inspector("ListBackends"),
        inspector("GetBackend", {"name": demo, "view": "VIEW_FULL"}),
        inspector("GetBackend", {"name": "backends/none"}, code="NOT_FOUND", reason="BACKEND_NOT_FOUND"),
        inspector("ListRegions", {"parent": demo}),
        inspector("GetRegion", {"name": region}),
        inspector("GetRegion", {"name": f"{demo}/regions/1"}, code="NOT_FOUND", reason="REGION_UNUSED"),
        inspector("GetRegionLayout", {"name": region}),
        inspector("ListMappings", {"parent": demo}),
        inspector("ListMappings", {"filter": "nonsense"}, code="INVALID_ARGUMENT", reason="FILTER_INVALID"),
        inspector("LookupMapping", {"name": region, "shmOffsetBytes": str(5 << 20)},
                  code="NOT_FOUND", reason="MAPPING_NOT_FOUND"),
        inspector("LookupMapping", {"name": region, "shmOffsetBytes": str(4 << 20)}),
        inspector("ListFindings", {"parent": "backends/-"}),
        inspector("ListEvents"),
        inspector("Watch", enough=lambda answer: "synced" in answer, volatile=LEFT_OUT_BY_LIBRARY),
        inspector("Watch", {"parent": "nonsense"}, code="INVALID_ARGUMENT", reason="RESOURCE_NAME_INVALID"),
    ]


def changes(directory: pathlib.Path) -> list[Call]:
    def admin(method: str, request: dict, **expected) -> Call:
        return Call(f"{ADMIN}/{method}", request, volatile=frozenset(CHANGED_BY_ADMIN), **expected)

    demo = "backends/demo"
    probed = {"mode": "PROBE", "backendSocket": str(directory / "nobody.sock")}
    return [
        admin("RefreshBackend", {"name": demo}),
        admin("RefreshBackend", {"name": "backends/none"}, code="NOT_FOUND", reason="BACKEND_NOT_FOUND"),
        admin("ProbeBackend", {"socket": str(directory / "demo.sock")},
              code="FAILED_PRECONDITION", reason="BACKEND_BUSY"),
        admin("ResetRegionPeaks", {"name": f"{demo}/regions/2"}),
        admin("AttachBackend", {"backendId": "new", "backend": probed, "validateOnly": True}),
        admin("AttachBackend", {"backendId": "demo", "backend": probed},
              code="ALREADY_EXISTS", reason="ALREADY_ATTACHED"),
        admin("AttachBackend", {"backendId": "Wrong", "backend": probed},
              code="INVALID_ARGUMENT", reason="BACKEND_INVALID"),
        admin("DetachBackend", {"name": "backends/none"}, code="NOT_FOUND", reason="BACKEND_NOT_FOUND"),
    ]


def without(value, keys: frozenset):
    """Messages without these fields, and without those that had nothing else."""
    if isinstance(value, dict):
        return {key: without(item, keys) for key, item in value.items() if key not in keys}
    if isinstance(value, list):
        left = [without(item, keys) for item in value]
        return [item for item, before in zip(left, value) if item != {} or before == {}]
    return value


class Table:
    """Calls every method at every endpoint with every client; remembers what differs."""

    def __init__(self, clients: list, endpoints: list[Endpoint]):
        self._clients, self._endpoints = clients, endpoints
        self.differences: list[str] = []
        self.answers = 0

    def header(self) -> None:
        cells = [f"{endpoint.name}/{client.name}" for endpoint in self._endpoints for client in self._clients]
        print(f"{'RPC':44}" + " ".join(f"{cell:14}" for cell in cells))

    def row(self, call: Call, admin_socket: pathlib.Path) -> None:
        first: Answer | None = None
        cells = []
        for endpoint in self._endpoints:
            for client in self._clients:
                where = endpoint
                if call.admin and endpoint.name == "unix":
                    where = Endpoint("admin", socket=admin_socket)
                answer = client.call(where, call.method, call.request, call.enough)
                refused = call.admin and endpoint.name == "tcp"
                expected = ("PERMISSION_DENIED", "ADMIN_ROLE_REQUIRED") if refused else (call.code, call.reason)
                problems = self._problems(call, answer, expected, None if refused else first)
                if not refused and first is None:
                    first = answer
                self.answers += 1
                cells.append(("DIFFERS" if problems else self._digest(answer)))
                self.differences += [f"{call.title} at {endpoint.name} by {client.name}: {p}" for p in problems]
        print(f"{call.title:44}" + " ".join(f"{cell:14}" for cell in cells), flush=True)

    @staticmethod
    def _digest(answer: Answer) -> str:
        if answer.code != "OK":
            return "refused" if answer.reason == "ADMIN_ROLE_REQUIRED" else "error"
        size = len(json.dumps(answer.messages, sort_keys=True))
        return f"ok {size} B"

    @staticmethod
    def _problems(call: Call, answer: Answer, expected: tuple, first: Answer | None) -> list[str]:
        problems = []
        if (answer.code, answer.reason) != expected:
            problems.append(f"got {answer.code} {answer.reason} ({answer.message}), expected {expected}")
        if first is None or problems:
            return problems
        if answer.message != first.message:
            problems.append(f"message {answer.message!r}, the first client got {first.message!r}")
        got, wanted = without(answer.messages, call.volatile), without(first.messages, call.volatile)
        if got != wanted:
            problems.append(f"got {json.dumps(got)}, the first client got {json.dumps(wanted)}")
        return problems


def fill_table(clients: list, stage: Stage) -> Table:
    authority = Authority(stage.directory / "ca")
    client = authority.issue("admin", ["URI:spiffe://example.org/admin"])
    demo = stage.backend("demo", script=SCRIPT)
    daemon = stage.shmemd(
        "--frontend", f"demo={demo}", "--api-listen", "127.0.0.1:0", "--api-admin-listen", "127.0.0.1:0",
        "--api-admin-listen-identities", "spiffe://example.org/admin", *tls_flags(authority, authority.server()))
    tcp, tls = daemon.address("inspector on 127.0.0.1"), daemon.address("admin on 127.0.0.1", -2)
    daemon.process.next_line("ACTIVE")
    paths = [pathlib.Path(path) for path in (authority.certificate, client.certificate, client.key)]
    endpoints = [
        Endpoint("unix", socket=daemon.api_socket),
        Endpoint("tcp", address=tcp),
        Endpoint("mtls", address=tls, ca=paths[0], certificate=paths[1], key=paths[2]),
    ]
    table = Table(clients, endpoints)
    table.header()
    for call in [*reads(), *changes(stage.directory)]:
        table.row(call, daemon.admin_socket)
    return table


def main(tools: pathlib.Path, programs: pathlib.Path) -> int:
    clients = [
        callers.Grpcurl(tools / "grpcurl"), callers.BufCurl(tools / "buf"), callers.Grpcio(),
        callers.OwnLibrary(programs / "own-client"),
    ]
    with tempfile.TemporaryDirectory(prefix="shmemd-clients-") as name:
        with Stage(programs, pathlib.Path(name)) as stage:
            table = fill_table(clients, stage)
    for difference in table.differences:
        print(difference)
    print(f"{table.answers} answers, {len(table.differences)} differ")
    return 1 if table.differences else 0


if __name__ == "__main__":
    sys.exit(callers.run_with_grpcio(main, "grpcurl", "buf"))
