#!/usr/bin/env python3
"""Runs clang-tidy on sources, in parallel, and remembers what was clean.

usage: tidy.py BUILD_DIR (--all | FILE...)

A result is remembered under the hash of everything it depends on: the source, every header of ours that it includes
(asked from ninja, so build first), its compile command, the configuration, the tool. A source is checked when it,
or a header of ours that it includes, is among the FILEs.
"""
import hashlib
import json
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

TIDY = "clang-tidy-14"
# The compile commands are GCC's; clang adds the check of who holds which lock.
EXTRA = ("--extra-arg=-Wno-unknown-warning-option", "--extra-arg=-Wthread-safety")
ROOT = Path.cwd()
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"), "shmemd", "tidy")


def ours(path):
    """The path relative to the root, or None for a system header."""
    try:
        return Path(os.path.normpath(path)).relative_to(ROOT).as_posix()
    except ValueError:
        return None


def dependencies(build):
    """object file -> the files of ours that it was compiled from, generated ones included."""
    output = subprocess.run(["ninja", "-C", build, "-t", "deps"], check=True, capture_output=True, text=True).stdout
    found, files = {}, set()
    for line in output.splitlines():
        if line.startswith("    "):
            name = ours(build / line.strip())
            if name:
                files.add(name)
        elif ": #deps" in line:
            files = found[line.split(": #deps")[0]] = set()
    return found


def commands(build):
    """source -> (object file, compile command) for the tracked sources."""
    tracked = set(subprocess.run(["git", "ls-files", "*.cc"], check=True, capture_output=True,
                                 text=True).stdout.splitlines())
    entries = json.loads((build / "compile_commands.json").read_text())
    found = {}
    for entry in entries:
        name = ours(entry["file"])
        if name in tracked:
            found[name] = (re.search(r" -o (\S+)", entry["command"])[1], entry["command"])
    return found


def fingerprint(source, command, files, version):
    digest = hashlib.sha256()
    parts = [version, *EXTRA, Path(".clang-tidy").read_text(), command.replace(str(ROOT), "")]
    for name in sorted(files | {source}):
        parts += [name, Path(name).read_text(errors="replace")]
    for part in parts:
        digest.update(part.encode() + b"\0")
    return digest.hexdigest()


def run_tidy(build, source):
    return subprocess.run([TIDY, "-p", build, "--quiet", *EXTRA, source], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def check(build, source, stamp):
    """Prints what clang-tidy says of a source; whether it was clean."""
    result = run_tidy(build, source)
    if result.returncode == 0:
        stamp.touch()
        return True
    print(f"-- {source}\n{result.stdout}{result.stderr}", flush=True)
    return False


def wanted(selection, source, files):
    return selection == ["--all"] or not set(selection).isdisjoint(files | {source})


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    build, selection = ROOT / sys.argv[1], sys.argv[2:]
    version = subprocess.run([TIDY, "--version"], check=True, capture_output=True, text=True).stdout
    CACHE.mkdir(parents=True, exist_ok=True)
    headers, jobs, known = dependencies(build), [], 0
    for source, (target, command) in sorted(commands(build).items()):
        files = headers.get(target, set())
        if not wanted(selection, source, files):
            continue
        stamp = CACHE / fingerprint(source, command, files, version)
        known += stamp.exists()
        if not stamp.exists():
            jobs.append((build, source, stamp))
    with ThreadPoolExecutor(int(os.environ.get("JOBS", os.cpu_count()))) as pool:
        clean = all(list(pool.map(lambda job: check(*job), jobs)))
    print(f"clang-tidy: {len(jobs)} sources checked, {known} known to be clean")
    sys.exit(0 if clean else 1)


if __name__ == "__main__":
    main()
