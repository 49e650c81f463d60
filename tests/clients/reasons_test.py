#!/usr/bin/env python3
"""reasons_test.py TOOLS_BIN BIN_DIR: does a client get each error reason of docs/errors.md, with the code that is
written there?

Provokes each of them in a real shmemd through Python's grpcio and reads the ErrorInfo of the answer. Runs with the
Python of TOOLS_BIN/python-grpcio; ends with 77 (skipped) where it is missing.
"""

import pathlib
import re
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

from callers import Answer, Endpoint, Grpcio, never, run_with_grpcio
from daemon import Shmemd, Stage

from certificates import Authority, tls_flags

ERRORS = pathlib.Path(__file__).resolve().parents[2] / "docs" / "errors.md"
INSPECTOR = "vhost.shmem.v1.ShmemInspector"
ADMIN = "vhost.shmem.v1.ShmemAdmin"
MORE_THAN_64 = 70
SMALL = "regions: {0: 1MiB, 2: 16MiB}\nsteps: []\n"


class Asker:
    """Calls one shmemd: methods of the admin service at its admin socket, others where it is read."""

    def __init__(self, client: Grpcio, daemon: Shmemd):
        self._client = client
        self._api = Endpoint(str(daemon.api_socket), socket=daemon.api_socket)
        self._admin = Endpoint(str(daemon.admin_socket), socket=daemon.admin_socket)

    def read(self, method: str, enough: Callable = never, **request) -> Answer:
        return self._client.call(self._api, f"{INSPECTOR}/{method}", request, enough)

    def change(self, method: str, at_api_socket: bool = False, **request) -> Answer:
        where = self._api if at_api_socket else self._admin
        return self._client.call(where, f"{ADMIN}/{method}", request, never)

    def health(self, **request) -> Answer:
        return self._client.call(self._api, "grpc.health.v1.Health/Check", request, never)

    def raw(self, method: str, request: bytes) -> Answer:
        return self._client.call_bytes(self._api, f"{INSPECTOR}/{method}", request)

    def stream(self, method: str, **request):
        return self._client.open(self._api, f"{INSPECTOR}/{method}", request)


def is_synced(answer: dict) -> bool:
    return "synced" in answer


def bad_requests(ask: Asker) -> dict[str, Answer]:
    region = "backends/demo/regions/2"
    return {
        "RESOURCE_NAME_INVALID": ask.read("GetBackend", name="demo"),
        "PAGE_TOKEN_INVALID": ask.read("ListMappings", pageToken="x"),
        "PAGE_SIZE_INVALID": ask.read("ListMappings", pageSize=-1),
        "FILTER_INVALID": ask.read("ListMappings", filter="nonsense = 1"),
        "ORDER_BY_INVALID": ask.read("ListMappings", orderBy="nonsense"),
        "OFFSET_INVALID": ask.read("LookupMapping", name=region, shmOffsetBytes="-1"),
        "MAX_EXTENTS_INVALID": ask.read("GetRegionLayout", name=region, maxExtents=-1),
        "EVENT_TYPE_INVALID": ask.read("ListEvents", types=[0]),
        "RESUME_TOKEN_INVALID": ask.read("Watch", resumeToken="x"),
        "REQUEST_MALFORMED": ask.raw("Watch", b"\xff\xff\xff"),
        "SOCKET_PATH_INVALID": ask.change("ProbeBackend", socket="relative.sock"),
        "BACKEND_INVALID": ask.change("AttachBackend", backendId="x", backend={"mode": "PROBE"}),
        "SERVICE_UNKNOWN": ask.health(service="nobody"),
        "ADMIN_ROLE_REQUIRED": ask.change("RefreshBackend", at_api_socket=True, name="backends/demo"),
    }


def not_there(ask: Asker) -> dict[str, Answer]:
    return {
        "BACKEND_NOT_FOUND": ask.read("GetBackend", name="backends/nobody"),
        "REGION_NOT_FOUND": ask.read("GetRegion", name="backends/gone/regions/0"),
        "REGION_UNUSED": ask.read("GetRegion", name="backends/demo/regions/1"),
        "MAPPING_NOT_FOUND": ask.read("LookupMapping", name="backends/demo/regions/2"),
    }


def refused_commands(ask: Asker, stage: Stage) -> dict[str, Answer]:
    """Of back-ends as `attachments` has them."""
    listening_nowhere = {"mode": "RELAY", "frontendSocket": "/nowhere/f.sock", "backendSocket": "/nowhere/b.sock"}
    elsewhere = {"mode": "FRONTEND", "backendSocket": str(stage.directory / "elsewhere.sock")}
    return {
        "SHMEM_NOT_NEGOTIATED": ask.change("RefreshBackend", name="backends/older"),
        "SHMEM_CONFIG_INVALID": ask.change("RefreshBackend", name="backends/odd"),
        "BACKEND_UNREACHABLE": ask.change("RefreshBackend", name="backends/gone"),
        "QUERY_NOT_ALLOWED": ask.change("RefreshBackend", name="backends/relayed"),
        "BACKEND_BUSY": ask.change("ProbeBackend", socket=str(stage.directory / "demo.sock")),
        "ALREADY_ATTACHED": ask.change("AttachBackend", backendId="demo", backend=elsewhere),
        "LISTEN_FAILED": ask.change("AttachBackend", backendId="nowhere", backend=listening_nowhere),
    }


def attachments(stage: Stage) -> list[str]:
    demo = stage.backend("demo", script=SMALL)
    older = stage.backend("older", "--misbehave", "older-bit-20")
    odd = stage.backend("odd", "--misbehave", "payload-2057")
    relay = f"relayed={stage.directory}/relayed-f.sock,{stage.directory}/relayed-b.sock"
    return ["--frontend", f"demo={demo}", "--probe", f"older={older}", "--probe", f"odd={odd}",
            "--probe", f"gone={stage.directory}/gone.sock", "--relay", relay]


def too_many(ask: Asker, stage: Stage) -> dict[str, Answer]:
    """With limits.max_watchers 1; more commands at once than are carried out."""
    held = ask.stream("Watch")
    next(held)
    answers = {"TOO_MANY_WATCHERS": ask.read("Watch")}
    with ExitStack() as listeners, ThreadPoolExecutor(MORE_THAN_64) as pool:
        silent = [listeners.enter_context(listener(stage.directory / f"silent{i}")) for i in range(MORE_THAN_64)]
        probes = pool.map(lambda each: ask.change("ProbeBackend", socket=each.getsockname()), silent)
        refused = [answer for answer in probes if answer.reason == "TOO_MANY_COMMANDS"]
    held.cancel()
    return answers | ({"TOO_MANY_COMMANDS": refused[0]} if refused else {})


def listener(path: pathlib.Path) -> socket.socket:
    """Somebody who lets others connect and never says a word."""
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(path))
    listening.listen()
    return listening


def across_the_end(client: Grpcio, stage: Stage) -> dict[str, Answer]:
    """A token of one shmemd, shown to the next; a stream that is open when one ends."""
    first = stage.shmemd(name="first")
    ask = Asker(client, first)
    stream = ask.stream("Watch")
    token = next(answer["resumeToken"] for answer in stream if is_synced(answer))
    first.process.signal(signal.SIGTERM)
    ended = stream.rest()
    second = Asker(client, stage.shmemd(name="second"))
    return {"SHUTTING_DOWN": ended, "RESUME_TOKEN_EXPIRED": second.read("Watch", resumeToken=token)}


def what_cannot_be_kept(client: Grpcio, stage: Stage) -> dict[str, Answer]:
    """A place for one back-end, and a state_dir that goes away."""
    state = stage.directory / "state"
    ask = Asker(client, stage.shmemd("--state-dir", state, "--limits-max-backends", "1", name="kept"))
    gone = {"mode": "PROBE", "backendSocket": str(stage.directory / "gone.sock")}
    shutil.rmtree(state)
    not_saved = ask.change("AttachBackend", backendId="x", backend=gone)
    full = Asker(client, stage.shmemd("--probe", "a=/gone.sock", "--limits-max-backends", "1", name="full"))
    return {
        "STATE_NOT_SAVED": not_saved,
        "TOO_MANY_BACKENDS": full.change("AttachBackend", backendId="x", backend=gone),
    }


def who_may_not(client: Grpcio, stage: Stage) -> dict[str, Answer]:
    """A client whose user is not listed, and one whose certificate has another name."""
    authority = Authority(stage.directory / "ca")
    other = authority.issue("other", ["URI:spiffe://example.org/other"])
    daemon = stage.shmemd(
        "--api-socket-allow-uids", "4242", "--api-admin-listen", "127.0.0.1:0", "--api-admin-listen-identities",
        "spiffe://example.org/admin", *tls_flags(authority, authority.server()), name="guarded")
    address = daemon.address("admin on 127.0.0.1", -2)
    stranger = Endpoint("stranger", None, address, *map(pathlib.Path, (authority.certificate, *other)))
    info = f"{INSPECTOR}/GetServerInfo"
    return {
        "PEER_NOT_ALLOWED": client.call_known(Endpoint("uid", socket=daemon.api_socket), info),
        "IDENTITY_NOT_ALLOWED": client.call_known(stranger, info),
    }


def how_much(client: Grpcio, stage: Stage) -> dict[str, Answer]:
    """More calls in a second, more open streams and more connections than there may be."""
    info = f"{INSPECTOR}/GetServerInfo"
    busy = stage.shmemd("--limits-max-calls-per-second", "5", name="busy")
    many = [client.call_known(Endpoint("busy", socket=busy.api_socket), info) for _ in range(30)]
    open_calls = stage.shmemd("--limits-max-open-calls", "1", name="open")
    asker = Asker(client, open_calls)
    streams = [asker.stream("Watch") for _ in range(20)]
    opened = [stream.first() for stream in streams]
    crowded = stage.shmemd("--limits-max-connections", "2", name="crowded")
    crowd = [client.call_known(Endpoint(f"crowd{i}", socket=crowded.api_socket), info) for i in range(4)]
    for stream in streams:
        stream.cancel()
    return {
        "RATE_LIMITED": first_refused(many),
        "TOO_MANY_CALLS": first_refused(opened),
        "TOO_MANY_CONNECTIONS": first_refused(crowd),
    }


def first_refused(answers: list[Answer]) -> Answer:
    return next((answer for answer in answers if answer.code != "OK"), answers[0])


def provoke(client: Grpcio, stage: Stage) -> dict[str, Answer]:
    ask = Asker(client, stage.shmemd(*attachments(stage)))
    small = Asker(client, stage.shmemd("--limits-max-watchers", "1", "--timeouts-query", "2s", name="small"))
    return (
        bad_requests(ask) | not_there(ask) | refused_commands(ask, stage) | too_many(small, stage)
        | across_the_end(client, stage) | what_cannot_be_kept(client, stage) | who_may_not(client, stage)
        | how_much(client, stage)
    )


def documented() -> dict[str, set[str]]:
    """Each reason with its codes, from the table."""
    rows = re.findall(r"^\| `([A-Z_]+)` \| ([A-Z_, ]+) \|", ERRORS.read_text(), re.MULTILINE)
    return {reason: set(codes.split(", ")) for reason, codes in rows}


def problems_of(answers: dict[str, Answer]) -> list[str]:
    known = documented()
    problems = [f"{reason} is in docs/errors.md and was not provoked" for reason in sorted(known.keys() - answers.keys())]
    for reason, answer in sorted(answers.items()):
        print(f"{reason:24} {answer.code:20} {answer.message}")
        if answer.reason != reason:
            problems.append(f"{reason}: got reason {answer.reason!r} with {answer.code}: {answer.message}")
        elif answer.code not in known.get(reason, set()):
            problems.append(f"{reason} came with {answer.code}, docs/errors.md has {known.get(reason)}")
        if not answer.message:
            problems.append(f"{reason} came without words")
    return problems


def main(_: pathlib.Path, programs: pathlib.Path) -> int:
    client = Grpcio()
    with tempfile.TemporaryDirectory(prefix="shmemd-reasons-") as name:
        with Stage(programs, pathlib.Path(name)) as stage:
            problems = problems_of(provoke(client, stage))
            client.close()
    for problem in problems:
        print(problem)
    print(f"{len(documented())} reasons, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(run_with_grpcio(main))
