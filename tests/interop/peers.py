"""The processes that a check starts, and what it asks them."""

import json
import queue
import re
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

DEADLINE_S = 5.0
POLL_S = 0.02


class CheckFailed(Exception):
    pass


def expect(what: str, got, expected) -> None:
    if got != expected:
        raise CheckFailed(f"{what}: got {got!r}, expected {expected!r}")


def eventually(what: str, ask: Callable, expected, deadline_s: float = DEADLINE_S) -> None:
    """Asks until the answer is the expected one; the API follows the wire by events, not at once."""
    end = time.monotonic() + deadline_s
    while True:
        got = ask()
        if got == expected:
            return
        if time.monotonic() > end:
            raise CheckFailed(f"{what}: still {got!r} after {deadline_s:g} s, expected {expected!r}")
        time.sleep(POLL_S)


class Process:
    """A child whose output is read line by line. Leaving the block kills it."""

    def __init__(self, command: list[str]):
        self._child = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self.name = Path(command[0]).name
        self.pid = self._child.pid
        self.transcript: list[str] = []
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()

    def _read(self) -> None:
        for line in self._child.stdout:
            self.transcript.append(line.rstrip("\n"))
            self._lines.put(self.transcript[-1])
        self._lines.put(None)

    def next_line(self, wanted: str, deadline_s: float = DEADLINE_S) -> str:
        """The next line that holds this text; lines before it are passed over."""
        end = time.monotonic() + deadline_s
        while True:
            try:
                line = self._lines.get(timeout=max(0.0, end - time.monotonic()))
            except queue.Empty:
                raise CheckFailed(f"{self.name}: no line with {wanted!r} within {deadline_s:g} s") from None
            if line is None:
                raise CheckFailed(f"{self.name} ended without a line with {wanted!r}: {self.tail()}")
            if wanted in line:
                return line

    def write_line(self, text: str) -> None:
        self._child.stdin.write(text + "\n")
        self._child.stdin.flush()

    def close_stdin(self) -> int:
        self._child.stdin.close()
        return self._child.wait(DEADLINE_S)

    def alive(self) -> bool:
        return self._child.poll() is None

    def signal(self, number: int) -> None:
        self._child.send_signal(number)

    def kill(self) -> None:
        """SIGKILL: nothing of the process outlives this call, whatever state it was in."""
        self._child.kill()
        self._child.wait()
        self._reader.join()
        self._child.stdout.close()
        if not self._child.stdin.closed:
            self._child.stdin.close()

    def tail(self) -> str:
        return "\n".join(self.transcript[-15:])


class RustBackend(Process):
    def __init__(self, program: Path, path: Path, sizes: dict[int, int], *options: str):
        regions = [word for shmid, size in sizes.items() for word in ("--region", f"{shmid}={size:#x}")]
        super().__init__([str(program), "--socket", str(path), *regions, *options])
        self.next_line("listening on")

    def step(self, text: str) -> bool:
        """Has the back-end send one request; true when its process was answered with success."""
        self.write_line(text)
        line = self.next_line(" -> ")
        if line.endswith(" -> ok"):
            return True
        if " -> error: " in line:
            return False
        raise CheckFailed(f"back-end did not understand {text!r}: {line}")

    def accepts(self, text: str) -> None:
        expect(f"answer to '{text}'", self.step(text), True)

    def is_refused(self, text: str) -> None:
        expect(f"answer to '{text}'", self.step(text), False)


class Shmemd(Process):
    """shmemd with one back-end, rust0, attached by the given options."""

    def __init__(self, programs: Path, run_dir: Path, attach: list[str]):
        self.run_dir, self._ctl = run_dir, programs / "shmemctl"
        self.api_socket, self.admin_socket = run_dir / "api.sock", run_dir / "admin.sock"
        self.metrics_address = f"127.0.0.1:{free_port()}"
        command = [str(programs / "shmemd"), *attach, "--run-dir", str(run_dir)]
        super().__init__([*command, "--metrics-listen", self.metrics_address])
        eventually("shmemd's /readyz", self._ready, True)

    def _ready(self) -> bool:
        if not self.alive():
            raise CheckFailed(f"shmemd ended before it was ready: {self.tail()}")
        try:
            return self.http("/readyz") is not None
        except OSError:
            return False

    def http(self, path: str) -> str:
        with urllib.request.urlopen(f"http://{self.metrics_address}{path}", timeout=DEADLINE_S) as answer:
            return answer.read().decode()

    def metrics(self) -> "Scrape":
        return Scrape(self.http("/metrics"))

    def ctl(self, *arguments: str, admin: bool = False) -> dict:
        path = self.admin_socket if admin else self.api_socket
        command = [str(self._ctl), "--endpoint", f"unix:{path}", *arguments, "-o", "json"]
        result = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE_S)
        if result.returncode:
            raise CheckFailed(f"{' '.join(command)} ended with {result.returncode}: {result.stderr.strip()}")
        return json.loads(result.stdout)

    def backend(self) -> dict:
        backends = self.ctl("backends").get("backends", [])
        expect("back-ends listed", [entry["name"] for entry in backends], ["backends/rust0"])
        return backends[0]

    def refresh(self) -> None:
        self.ctl("refresh", "rust0", admin=True)

    def state(self) -> str:
        return self.backend()["state"]

    def await_active(self) -> None:
        eventually("state of rust0", self.state, "ACTIVE")

    def regions(self) -> dict[int, dict]:
        listed = self.ctl("regions", "rust0").get("regions", [])
        for region in listed:
            expect("name of a region", region["name"], f"backends/rust0/regions/{region['shmid']}")
        return {region["shmid"]: region for region in listed}

    def region_sizes(self) -> dict[int, int]:
        return {shmid: int(region["sizeBytes"]) for shmid, region in self.regions().items()}

    def mappings(self) -> set[tuple]:
        """{(shmid, shm_offset, length, fd_offset, writable)} of everything listed, all of it MAPPED."""
        return {mapping_values(entry) for entry in self.listed_mappings()}

    def listed_mappings(self) -> list[dict]:
        return self.ctl("mappings", "rust0").get("mappings", [])

    def mapping_states(self) -> dict[tuple, str]:
        """{(shmid, shm_offset, length): state}"""
        return {mapping_range(entry): entry["state"] for entry in self.listed_mappings()}

    def backings(self) -> dict[tuple, tuple]:
        """{(shmid, shm_offset, length): (device, inode)} of what is mapped there."""
        return {
            mapping_range(entry): (int(entry["backing"]["device"]), int(entry["backing"]["inode"]))
            for entry in self.listed_mappings()
        }

    def in_memory_table(self) -> dict[tuple, str]:
        """{(shmid, shm_offset, length): whether the VMM's memory table shows it}"""
        return {mapping_range(entry): entry["inMemoryTable"] for entry in self.listed_mappings()}

    def findings(self) -> set[str]:
        """The codes of all, also of those that are over."""
        return {finding["code"] for finding in self.ctl("findings").get("findings", [])}

    def open_findings(self) -> set[str]:
        return {
            finding["code"] for finding in self.ctl("findings").get("findings", []) if finding.get("open")
        }

    def fd_count(self) -> int:
        return len(list(Path(f"/proc/{self.pid}/fd").iterdir()))


def mapping_values(entry: dict) -> tuple:
    expect(f"state of {entry['name']}", entry["state"], "MAPPED")
    return *mapping_range(entry), int(entry["fdOffsetBytes"]), entry["access"] == "READ_WRITE"


def mapping_range(entry: dict) -> tuple[int, int, int]:
    match = re.fullmatch(r"backends/rust0/regions/(\d+)/mappings/(?:0x)?([0-9a-f]+)", entry["name"])
    if not match:
        raise CheckFailed(
            f"name of a mapping: got {entry['name']!r}, expected …/mappings/ and its offset in hex"
        )
    offset = int(entry["shmOffsetBytes"])
    expect(f"offset in the name {entry['name']}", int(match[2], 16), offset)
    return int(match[1]), offset, int(entry["lengthBytes"])


class Scrape:
    """A Prometheus text scrape."""

    SAMPLE = re.compile(r"^(?P<name>[a-zA-Z_:][\w:]*)(?:\{(?P<labels>.*)\})? (?P<value>\S+)$")
    LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')

    def __init__(self, text: str):
        self.text = text
        matches = (self.SAMPLE.match(line) for line in text.splitlines() if line and not line.startswith("#"))
        self._samples = [
            (match["name"], dict(self.LABEL.findall(match["labels"] or "")), float(match["value"]))
            for match in matches
            if match
        ]

    def values(self, name: str, **labels: str) -> list[float]:
        wanted = {"backend": "rust0"} | labels
        return [
            value for found, have, value in self._samples if found == name and wanted.items() <= have.items()
        ]

    def one(self, name: str, **labels: str) -> float | None:
        """The value of the only such series; None when there is none."""
        values = self.values(name, **labels)
        if len(values) > 1:
            raise CheckFailed(f"{name}{labels}: {len(values)} series, expected one")
        return values[0] if values else None

    def by_shmid(self, name: str) -> dict[int, int]:
        return {
            int(have["shmid"]): int(value)
            for found, have, value in self._samples
            if found == name and have.get("backend") == "rust0"
        }


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
