#!/usr/bin/env python3
"""completion_test.py BIN_DIR: does Tab complete command lines of shmemctl in bash, zsh and fish?

Types at real shells on a terminal, beside a real shmemd; fish is asked by its own `complete -C`. What a shell shows
then has to be there. Ends with 77 (skipped) where a shell is missing.
"""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

import terminal
from daemon import Stage
from peers import CheckFailed

SCRIPT = """
regions: {0: 1MiB, 2: 16MiB}
steps:
  - map: {shmid: 0, shm_offset: 0, len: 64KiB}
"""
DEADLINE_S = 10.0
PROMPT = "READY>"

# What is typed before Tab, and what the line is then. {api} is the socket of a shmemd, {folder} where it is. Words are
# finished with a blank where they are unique and whole.
CASES = [
    ("shmemctl featu", "shmemctl features "),
    ("shmemctl regions med", "shmemctl regions media0 "),
    ("shmemctl regions --no-h", "shmemctl regions --no-headers "),
    ("shmemctl regions -o js", "shmemctl regions -o json "),
    ("shmemctl regions --output=js", "shmemctl regions --output=json "),
    ("shmemctl lookup media0/2", "shmemctl lookup media0/2 "),
    ("shmemctl events --type MAPPED,UNMAPPE", "shmemctl events --type MAPPED,UNMAPPED "),
    ("shmemctl completion fi", "shmemctl completion fish "),
    ("shmemctl --endpoint unix:{folder}/other/api.so", "shmemctl --endpoint unix:{folder}/other/api.sock "),
    ("shmemctl --endpoint unix:{folder}/other/api.sock regions oth", None),
    ("shmemctl regions --endpoint=unix:{folder}/other/api.sock oth", None),
    ("shmemctl regions --endpoints-from {folder}/fle", "shmemctl regions --endpoints-from {folder}/fleet.txt "),
    ("shmemctl probe {folder}/media0.so", "shmemctl probe {folder}/media0.sock "),
]


class Shell:
    """A shell on a terminal, with the program in its path and the script read."""

    def __init__(self, name: str, command: list[str], setup: list[str], env: dict[str, str], folder: pathlib.Path):
        self.name = name
        self._terminal = terminal.Terminal(command, env, columns=300, cwd=folder, err=None)
        for line in setup:
            self._terminal.type(f"{line}\n")
        # The words are not to be found in what the terminal shows of the typing.
        self._terminal.type("PS1=READY''\\> PROMPT=READY''\\>; echo set''up\n")
        self._terminal.read_until(b"setup", DEADLINE_S)
        self._terminal.read_until(PROMPT.encode(), DEADLINE_S)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._terminal.__exit__()

    def complete(self, typed: str, expected: str) -> str:
        """The line after Tab; then it is thrown away."""
        # Read back by the shell itself: what it shows is full of the cursor's travels.
        self._terminal.type(f"{typed}\t")
        time.sleep(0)
        self._terminal.type("\x01: '\x05'\n")
        self._terminal.read_until(PROMPT.encode(), DEADLINE_S)
        self._terminal.type(self._last_line)
        shown = self._terminal.read_until(b"]END", DEADLINE_S).decode(errors="replace")
        self._terminal.read_until(PROMPT.encode(), DEADLINE_S)
        return shown[shown.rindex("BEGIN[") + 6:shown.rindex("]END")]

    # The argument of the last command, which was the whole line as one word.
    _last_line = "printf 'BEG''IN[%s]E''ND\\n' \"$_\"\n"


def shells(programs: pathlib.Path, folder: pathlib.Path) -> list[Shell]:
    path = f"{programs}:{os.environ['PATH']}"
    env = terminal.environment(PATH=path, HOME=str(folder), TERM="dumb", LC_ALL="C.UTF-8",
                               SHMEMD_ENDPOINT=f"unix:{folder}/run/api.sock")
    return [
        Shell("bash", ["bash", "--norc", "--noprofile", "-i"],
              ["bind 'set bell-style none'", "source <(shmemctl completion bash)"], env, folder),
        Shell("zsh", ["zsh", "-f", "-i"],
              ["unsetopt zle_bracketed_paste; unset zle_bracketed_paste", "autoload -U compinit; compinit -u -D",
               "bindkey -e", "source <(shmemctl completion zsh)"], env, folder),
    ]


def fish_answer(programs: pathlib.Path, folder: pathlib.Path, typed: str) -> list[str]:
    env = terminal.environment(PATH=f"{programs}:{os.environ['PATH']}", HOME=str(folder), LC_ALL="C.UTF-8",
                               SHMEMD_ENDPOINT=f"unix:{folder}/run/api.sock")
    script = f"shmemctl completion fish | source; complete -C '{typed}'"
    out = subprocess.run(["fish", "--no-config", "-c", script], env=env, cwd=folder, stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT, text=True, timeout=DEADLINE_S).stdout
    return [line.split("\t")[0] for line in out.splitlines()]


def check_fish(programs: pathlib.Path, folder: pathlib.Path, typed: str, expected: str) -> str:
    answers = fish_answer(programs, folder, typed)
    wanted = expected.split()[-1]
    return "" if answers == [wanted] else f"fish: {typed!r} is completed to {answers}, expected {wanted!r}"


def check_all(programs: pathlib.Path, folder: pathlib.Path) -> list[str]:
    problems = []
    opened = shells(programs, folder)
    for typed, expected in CASES:
        typed = typed.format(folder=folder, api=f"{folder}/run/api.sock")
        # What only the other shmemd has.
        expected = expected.format(folder=folder) if expected else typed + "er0 "
        for shell in opened:
            got = shell.complete(typed, expected)
            if got != expected:
                problems.append(f"{shell.name}: {typed!r} is completed to {got!r}, expected {expected!r}")
        problems += filter(None, [check_fish(programs, folder, typed, expected)])
    for shell in opened:
        shell.__exit__()
    return problems


def check_silence(programs: pathlib.Path) -> list[str]:
    """Where nobody answers, nothing is said, and soon."""
    problems = []
    for words in (["regions", ""], ["--endpoint", "nonsense", "regions", ""], ["--nonsense", "x"], []):
        begin = time.monotonic()
        run = terminal.in_pipe([str(programs / "shmemctl"), "__complete", *words],
                               terminal.environment(SHMEMD_ENDPOINT="127.0.0.1:1"), DEADLINE_S)
        if run.code != 0 or run.err or time.monotonic() - begin > 2:
            problems.append(f"__complete {words}: code {run.code}, {run.err!r}, {run.seconds:.1f} s")
    return problems


def main(programs: pathlib.Path) -> int:
    missing = [name for name in ("bash", "zsh", "fish") if not shutil.which(name)]
    if missing:
        print(f"skipped: there is no {', '.join(missing)}")
        return 1 if os.environ.get("CI") else 77
    with tempfile.TemporaryDirectory(prefix="shmemctl-") as name:
        folder = pathlib.Path(name)
        with Stage(programs, folder) as stage:
            (folder / "fleet.txt").write_text("unix:/a\n")
            first = stage.shmemd("--frontend", f"media0={stage.backend('media0', script=SCRIPT)}")
            other = stage.shmemd("--frontend", f"other0={stage.backend('other0', script=SCRIPT)}", name="other")
            for server in (first, other):
                server.process.next_line("ACTIVE")
            problems = check_all(programs, folder) + check_silence(programs)
    for problem in problems:
        print(problem)
    print(f"{len(CASES)} lines in 3 shells, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    try:
        sys.exit(main(pathlib.Path(sys.argv[1])))
    except (CheckFailed, TimeoutError, EOFError) as error:
        print(error)
        sys.exit(1)
