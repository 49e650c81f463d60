#!/usr/bin/env python3
"""command_line_test.py BIN_DIR: is each command of shmemctl right and prompt wherever it is used?

Every command that `shmemctl --help` lists is asked of a shmemd that is dead, one that never answers, one that is
empty, and one with 256 regions and 100,000 mappings; into a pipe, on a terminal of 80 columns, with NO_COLOR in a C
locale, as JSON, into a pipe that is closed after a line, and into a full disk. Prints a table of times; a command
without a case here is an error.
"""

import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass

import terminal
from daemon import Shmemd, Stage
from peers import eventually

RELAYED, MAPPINGS_EACH = 10, 10_000
WIDE_REGIONS = 256
DEADLINE_S = 20.0
# On an idle machine all take well below a second.
PROMPT_S = 10.0
# Of those that wait for an answer that never comes.
TIMEOUT_S = 0.3
SETUP_S = 120.0


@dataclass
class Case:
    """One way to call a command, and how it ends at each server. {wide} and such are filled in."""

    arguments: str = ""
    large: tuple = (0,)
    empty: tuple = (0,)
    dead: tuple = (3,)
    silent: tuple = (7,)
    admin: bool = False         # asks the admin socket
    json: bool = True           # has a JSON form
    json_when_dead: bool = False
    any_width: bool = False     # lines may be wider than the terminal
    once: bool = False          # a variant of another case, for its time


NAMED = {"empty": (4,)}
NO_SERVER = {"dead": (0,), "silent": (0,)}

CASES: dict[str, list[Case]] = {
    "status": [Case()],
    "backends": [Case(), Case("-o wide", json=False, any_width=True)],
    "regions": [Case(), Case("wide", **NAMED)],
    "features": [Case("wide", **NAMED)],
    "findings": [Case()],
    "mappings": [Case(), Case("relay0/0", **NAMED), Case("--sort size", once=True)],
    "lookup": [Case("relay0/0 0x2000", **NAMED)],
    "map": [Case(), Case("relay0/0", **NAMED)],
    "top": [Case("-n 1 -d 0.1")],
    "events": [Case(), Case("wide --type MAPPED")],
    "doctor": [Case(json_when_dead=True)],
    "probe": [Case("{free}", large=(0, 6), empty=(0, 6), dead=(0, 6), silent=(0, 6))],
    "attach": [Case("new --probe {free} --validate-only", admin=True)],
    "detach": [Case("nobody", large=(4,), empty=(4,), admin=True)],
    "reset-peaks": [Case("wide", admin=True, **NAMED)],
    "refresh": [Case("wide", admin=True, **NAMED)],
    "health": [Case(), Case("--backends")],
    "metrics": [Case("--metrics-endpoint {metrics}", json=False, any_width=True)],
    "version": [Case(**NO_SERVER)],
    "completion": [Case("bash", json=False, any_width=True, **NO_SERVER)],
}


@dataclass
class Place:
    """Where a shmemd is, or is not."""

    name: str
    api: str
    admin: str
    metrics: str
    free: str

    def command(self, shmemctl: str, name: str, case: Case) -> list[str]:
        words = case.arguments.format(free=self.free, metrics=self.metrics).split()
        endpoint = [] if name in ("metrics", "probe", "completion") else [
            "--endpoint", f"unix:{self.admin if case.admin else self.api}"]
        timeout = ["--timeout", f"{TIMEOUT_S if self.name == 'silent' else DEADLINE_S}s"]
        return [shmemctl, name, *words, *endpoint, *timeout]


def mapping_script() -> str:
    """Every other page of a region, by turns read-only and writable."""
    steps = [
        f"  - map: {{shmid: 0, shm_offset: {i * 8192}, len: 4KiB, access: {'rw' if i % 2 else 'ro'}, file: frames, "
        f"file_size: 1MiB, fd_offset: {i % 256 * 4096}}}"
        for i in range(MAPPINGS_EACH)
    ]
    return "\n".join(["regions: {0: 128MiB}", "steps:", *steps, ""])


def wide_script() -> str:
    regions = ", ".join(f"{shmid}: 64KiB" for shmid in range(WIDE_REGIONS))
    maps = [f"  - map: {{shmid: {shmid}, shm_offset: 0, len: 4KiB}}" for shmid in range(WIDE_REGIONS)]
    return "\n".join([f"regions: {{{regions}}}", "steps:", *maps, ""])


def large_server(stage: Stage) -> Shmemd:
    """Once all is mapped."""
    begin = time.monotonic()
    flags = ["--frontend", f"wide={stage.backend('wide', '-q', script=wide_script())}"]
    script = mapping_script()
    devices = [stage.backend(f"device{i}", "-q", script=script) for i in range(RELAYED)]
    # A VMM does not wait long for its back-end.
    eventually("back-ends are there", lambda: all(device.exists() for device in devices), True, SETUP_S)
    for i, device in enumerate(devices):
        flags += ["--relay", f"relay{i}={stage.directory}/vmm{i}.sock,{device}"]
    server = stage.shmemd(*flags, name="large", metrics="127.0.0.1:0")
    script = stage.directory / "vmm.yaml"
    script.write_text("echo: none\n")
    for i in range(RELAYED):
        stage.vmm(stage.directory / f"vmm{i}.sock", "-q", "--script", script)
    wanted = RELAYED * MAPPINGS_EACH + WIDE_REGIONS
    eventually("mappings", lambda: int(json.loads(server.ctl("status", "-o", "json"))["totals"]["mappingCount"]), wanted,
               SETUP_S)
    print(f"{wanted} mappings after {time.monotonic() - begin:.1f} s", flush=True)
    return server


class Check:
    """Calls commands, remembers what is wrong and how long it took."""

    def __init__(self, shmemctl: pathlib.Path):
        self._shmemctl = str(shmemctl)
        self.runs = 0
        self.problems: list[str] = []

    def row(self, place: Place, name: str, case: Case) -> None:
        command = place.command(self._shmemctl, name, case)
        codes = getattr(case, place.name)
        title = f"{place.name:7} {name} {case.arguments.format(free='FREE', metrics='METRICS')}".rstrip()
        times = [self._piped(title, command, codes, place, case)]
        # Who waits is the same wherever the output goes.
        times += [] if place.name == "silent" or case.once else [
            self._on_terminal(title, command, codes, case),
            self._plain(title, command, codes, case),
            self._json(title, command, codes, case),
            self._first_line(title, command, codes),
            self._full(title, command, codes),
        ]
        print(f"{title:52}" + "".join(f"{seconds * 1000:7.0f}" if seconds else "      -" for seconds in times),
              flush=True)

    def _wrong(self, title: str, what: str) -> None:
        self.problems.append(f"{title}: {what}")

    def _judge(self, title: str, run: terminal.Run, codes: tuple) -> float:
        self.runs += 1
        if run.code not in codes:
            self._wrong(title, f"exit code {run.code}, expected {codes}: {run.err[-200:]!r}")
        return run.seconds

    def _piped(self, title: str, command: list[str], codes: tuple, place: Place, case: Case) -> float:
        run = terminal.in_pipe(command, terminal.environment(LC_ALL="C.UTF-8"), DEADLINE_S)
        self._has_output = bool(run.out)
        if b"\x1b" in run.out + run.err:
            self._wrong(title, "escape sequences in a pipe")
        limit = PROMPT_S if place.name != "silent" else TIMEOUT_S + PROMPT_S
        if run.seconds > limit:
            self._wrong(title, f"took {run.seconds:.1f} s in a pipe")
        if run.code in (3, 4, 7):
            where = place.admin if case.admin else place.api
            named = where if "metrics" not in title else place.metrics
            if run.out:
                self._wrong(title, f"it failed, but said on standard output {run.out[:80]!r}")
            if named.encode() not in run.err:
                self._wrong(title, f"the error does not name {named}: {run.err!r}")
        elif run.code == 0 and not run.out and not run.err:
            self._wrong(title, "it said nothing")
        return self._judge(title, run, codes)

    def _on_terminal(self, title: str, command: list[str], codes: tuple, case: Case) -> float:
        run = terminal.on_terminal(command, terminal.environment(LC_ALL="C.UTF-8"), DEADLINE_S)
        self._widths(title, run, case)
        return self._judge(f"{title} (terminal)", run, codes)

    def _plain(self, title: str, command: list[str], codes: tuple, case: Case) -> float:
        run = terminal.on_terminal(command, terminal.environment(LC_ALL="C", NO_COLOR="1"), DEADLINE_S)
        self._widths(title, run, case)
        # What is drawn again and again needs to move the cursor.
        if b"\x1b" in run.out and " top" not in title:
            self._wrong(title, "escape sequences with NO_COLOR")
        if re.search(rb"\x1b\[[0-9;]*m", run.out):
            self._wrong(title, "colours with NO_COLOR")
        if any(byte > 127 for byte in run.out + run.err):
            self._wrong(title, "more than ASCII in a C locale")
        return self._judge(f"{title} (C locale)", run, codes)

    def _widths(self, title: str, run: terminal.Run, case: Case) -> None:
        widest = max(run.lines(), key=len)
        if len(widest) > 80 and not case.any_width:
            self._wrong(title, f"{len(widest)} columns on a terminal of 80: {widest!r}")

    def _json(self, title: str, command: list[str], codes: tuple, case: Case) -> float:
        if not case.json:
            return 0
        run = terminal.in_pipe([*command, "-o", "json"], terminal.environment(), DEADLINE_S)
        failed = run.code in (3, 4, 7) and not (case.json_when_dead and run.code != 4)
        try:
            json.loads(run.out or ("{}" if failed else ""))
        except ValueError as error:
            self._wrong(title, f"no JSON: {error}: {run.out[:80]!r}")
        if failed and run.out:
            self._wrong(title, f"it failed, but said on standard output {run.out[:80]!r}")
        return self._judge(f"{title} (JSON)", run, codes)

    def _first_line(self, title: str, command: list[str], codes: tuple) -> float:
        if not self._has_output:
            return 0
        run = terminal.first_line(command, terminal.environment(), DEADLINE_S)
        if b"rror" in run.err or b"ipe" in run.err:
            self._wrong(title, f"a closed pipe is worth an error: {run.err!r}")
        return self._judge(f"{title} (| head)", run, codes)

    def _full(self, title: str, command: list[str], codes: tuple) -> float:
        if not self._has_output:
            return 0
        run = terminal.into("/dev/full", command, terminal.environment(), DEADLINE_S)
        if b"standard output" not in run.err or b"No space left" not in run.err:
            self._wrong(title, f"a full disk is not named: {run.err!r}")
        return self._judge(f"{title} (full disk)", run, (1,))


def picture_size(live: terminal.Terminal) -> tuple[int, int]:
    """Columns and lines of the next picture, which does not fit."""
    live.read_until(b"Ctrl-C ends", DEADLINE_S)
    lines = live.read_until(b"more lines", DEADLINE_S).decode(errors="replace").replace("\r", "").split("\n")[1:]
    return max(map(len, lines)), len(lines)


def check_live(shmemctl: pathlib.Path, place: Place, check: Check) -> None:
    """What draws again and again follows the terminal's size, ends by q and Ctrl-C, and leaves the terminal as it was."""
    for words, key in (("top -d 0.2", "q"), ("top -d 0.2", "\x03"), ("status --watch", "q"), ("backends -w", "\x03")):
        command = [str(shmemctl), *words.split(), "--endpoint", f"unix:{place.api}"]
        env = terminal.environment(LC_ALL="C.UTF-8", TERM="xterm")
        with terminal.Terminal(command, env, columns=120) as live:
            live.read_until(b"Ctrl-C ends", DEADLINE_S)
            if live.echoes():
                check.problems.append(f"{words}: keys are shown")
            live.resize(50, 12)
            # One picture may have been on its way.
            sizes = [picture_size(live) for _ in range(2)]
            if sizes[-1][0] > 50 or sizes[-1][1] > 12:
                check.problems.append(f"{words}: pictures of {sizes} on 50 x 12")
            live.type(key)
            run = live.finish(DEADLINE_S)
            check.runs += 1
            if run.code != 0 or not live.echoes():
                check.problems.append(f"{words}: ended with {run.code} by {key!r}, keys shown: {live.echoes()}")


def ended_by(shmemctl: pathlib.Path, words: list[str], by: str, check: Check, ready: bytes = b"",
             code: int = 0) -> None:
    """Ends it while somebody keeps it waiting: soon, with this code, and the terminal as it was."""
    env = terminal.environment(LC_ALL="C.UTF-8", TERM="xterm")
    with terminal.Terminal([str(shmemctl), *words], env, columns=120) as live:
        if ready:
            live.read_until(ready, DEADLINE_S)
        else:
            # From here on it watches the terminal, and waits.
            eventually("keys are asked for", live.echoes, False, DEADLINE_S)
        begin = time.monotonic()
        if by in ("q", "\x03", "\x1c"):
            live.type(by)
        else:
            live.signal(getattr(signal, by))
        run = live.finish(DEADLINE_S)
        took = time.monotonic() - begin
        check.runs += 1
        if run.code != code or not live.echoes() or took > PROMPT_S:
            check.problems.append(f"{' '.join(words)}: ended by {by!r} with {run.code} after {took:.1f} s, expected {code}; "
                                  f"keys shown: {live.echoes()}")


def check_hung(shmemctl: pathlib.Path, silent: Place, served: Place, check: Check) -> None:
    """Who never answers keeps nobody from ending what goes on."""
    hung, live = ["--endpoint", f"unix:{silent.api}"], ["--endpoint", f"unix:{served.api}"]
    for by in ("q", "\x03", "SIGTERM"):
        for words in (["top", *hung], ["top", *live, *hung], ["status", "--watch", *live, *hung],
                      ["backends", "--watch", *hung], ["events", "-f", *live, *hung]):
            ended_by(shmemctl, [*words, "--timeout", "60s"], by, check)
    ended_by(shmemctl, ["top", *live, *hung, "--timeout", "60s"], "\x1c", check, code=-signal.SIGQUIT)


def check_list_that_never_comes(shmemctl: pathlib.Path, folder: pathlib.Path, check: Check) -> None:
    """Endpoints from a FIFO that nobody writes: as any program that reads one, it ends by Ctrl-C and SIGTERM."""
    fifo = folder / "fleet.fifo"
    os.mkfifo(fifo)
    for words in (["top"], ["status", "--watch"], ["events", "-f"]):
        for number in (signal.SIGINT, signal.SIGTERM):
            child = subprocess.Popen([shmemctl, *words, "--endpoints-from", fifo], stdin=subprocess.DEVNULL)
            try:
                # Once somebody reads it, there is somebody to be ended.
                eventually("the list is read", lambda: "fifo" in pathlib.Path(f"/proc/{child.pid}/wchan").read_text()
                           or pathlib.Path(f"/proc/{child.pid}/stat").read_text().split()[2] == "S", True, DEADLINE_S)
                child.send_signal(number)
                code = child.wait(PROMPT_S)
                if code != -number:
                    check.problems.append(f"{words} with a list that never comes: {code}, expected {-number}")
            except subprocess.TimeoutExpired:
                check.problems.append(f"{words} with a list that never comes does not end by {number!r}")
            finally:
                child.kill()
                child.wait()
            check.runs += 1


# A shell as far as it matters here: what it runs has the terminal, and is waited for until it stops; then it goes on.
SHELL = """
import os, signal, sys, termios
signal.signal(signal.SIGTTOU, signal.SIG_IGN)
pid = os.fork()
if pid == 0:
    os.setpgid(0, 0)
    os.tcsetpgrp(0, os.getpid())
    os.execv(sys.argv[1], sys.argv[1:])
status = os.waitpid(pid, os.WUNTRACED)[1]
shown = bool(termios.tcgetattr(0)[3] & termios.ECHO)
print("stopped", os.WIFSTOPPED(status), "shown", shown, flush=True)
os.killpg(pid, signal.SIGCONT)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""


def check_stopped(shmemctl: pathlib.Path, served: Place, check: Check) -> None:
    """Ctrl-Z gives the terminal back, and whoever goes on takes it again."""
    command = [sys.executable, "-c", SHELL, str(shmemctl), "top", "-d", "0.2", "--endpoint", f"unix:{served.api}"]
    with terminal.Terminal(command, terminal.environment(LC_ALL="C", TERM="xterm"), columns=120) as live:
        live.read_until(b"Ctrl-C ends", DEADLINE_S)
        live.type("\x1a")
        live.read_until(b"stopped", DEADLINE_S)
        facts = live.read_until(b"e\r\n", DEADLINE_S)
        if b"True shown True" not in facts:
            check.problems.append(f"top: after Ctrl-Z: stopped {facts!r}")
        live.read_until(b"Ctrl-C ends", DEADLINE_S)
        eventually("keys are asked for again", live.echoes, False, DEADLINE_S)
        live.type("q")
        run = live.finish(DEADLINE_S)
        check.runs += 1
        if run.code != 0 or not live.echoes():
            check.problems.append(f"top: after Ctrl-Z it ends with {run.code}, keys shown: {live.echoes()}")


def check_verdicts(shmemctl: pathlib.Path, served: Place, check: Check) -> None:
    """What was found out is the exit code, also where nobody reads the details."""
    for words in ("doctor --fail-on info", "findings --fail-on info"):
        command = [str(shmemctl), *words.split(), "--endpoint", f"unix:{served.api}"]
        codes = {terminal.in_pipe(command, terminal.environment(), DEADLINE_S).code}
        for _ in range(3):
            codes.add(terminal.unread(command, terminal.environment(), DEADLINE_S).code)
        check.runs += 4
        if len(codes) != 1:
            check.problems.append(f"{words}: {codes}, depending on who reads")


def known_commands(shmemctl: pathlib.Path) -> list[str]:
    text = subprocess.run([shmemctl, "--help"], check=True, stdout=subprocess.PIPE, text=True).stdout
    section = re.search(r"Subcommands:\n(.*?)\n\n", text, re.S)
    return re.findall(r"^  (\S+)", section.group(1), re.M)


def check_help(shmemctl: pathlib.Path, commands: list[str], check: Check) -> None:
    for name in ["", *commands]:
        words = [name] if name else []
        run = terminal.in_pipe([str(shmemctl), *words, "--help"], terminal.environment(), DEADLINE_S)
        check.runs += 1
        for line in run.lines():
            if len(line) > 80:
                check.problems.append(f"{name} --help: {len(line)} columns: {line!r}")
        if b"Examples:" not in run.out:
            check.problems.append(f"{name} --help: no examples")


def silent_socket(path: pathlib.Path) -> socket.socket:
    """Takes connections and says nothing."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen(1024)
    return listener


def places(stage: Stage) -> list[Place]:
    folder = stage.directory
    free = str(stage.backend("free"))
    silent, nobody = silent_socket(folder / "silent.sock"), str(folder / "nobody.sock")
    stage.callback(silent.close)
    quiet = socket.create_server(("127.0.0.1", 0))
    stage.callback(quiet.close)
    empty = stage.shmemd(name="empty", metrics="127.0.0.1:0")
    large = large_server(stage)
    served = [
        Place(name, str(server.api_socket), str(server.admin_socket), metrics_of(server), free)
        for name, server in (("empty", empty), ("large", large))
    ]
    return [
        Place("dead", nobody, nobody, "127.0.0.1:1", free),
        Place("silent", str(folder / "silent.sock"), str(folder / "silent.sock"),
              f"127.0.0.1:{quiet.getsockname()[1]}", free),
        *served,
    ]


def metrics_of(server: Shmemd) -> str:
    line = next(line for line in server.process.transcript if "http://" in line)
    return re.search(r"http://([^/\s]+)", line).group(1)


def main(programs: pathlib.Path) -> int:
    shmemctl = programs / "shmemctl"
    check = Check(shmemctl)
    commands = known_commands(shmemctl)
    if set(commands) != set(CASES):
        check.problems.append(f"commands without a case, or cases without a command: {set(commands) ^ set(CASES)}")
    check_help(shmemctl, commands, check)
    with tempfile.TemporaryDirectory(prefix="shmemctl-") as name, Stage(programs, pathlib.Path(name)) as stage:
        where = places(stage)
        columns = ("pipe", "tty", "C", "JSON", "head", "full")
        print(f"{'milliseconds':52}" + "".join(f"{column:>7}" for column in columns))
        for place in where:
            for command in commands:
                for case in CASES.get(command, []):
                    check.row(place, command, case)
        check_live(shmemctl, where[-1], check)
        check_hung(shmemctl, where[1], where[-1], check)
        check_stopped(shmemctl, where[-1], check)
        check_list_that_never_comes(shmemctl, stage.directory, check)
        check_verdicts(shmemctl, where[-1], check)
    for problem in check.problems:
        print(problem)
    print(f"{check.runs} runs, {len(check.problems)} problems")
    return 1 if check.problems else 0


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1])))
