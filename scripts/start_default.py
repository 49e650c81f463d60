#!/usr/bin/env python3
"""Starts an image as it starts without arguments and volumes: its own command, as its own user, in its own folders.

usage: start_default.py ROOT WORD...    ROOT: the image's files; WORD: what its entry point and command come to (root).
                                        Ends with 0 once `shmemctl health` in it says so and SIGTERM has ended it well.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

USER = "65532:65532"
DEADLINE_SECONDS = 30
# A network of its own: the command's port is taken on no machine. What a container engine mounts, and a copy of what may
# be written to on top, so that nothing is left in the image's files.
SCRIPT = """set -e
root=$1
shift
mount --bind "$root" "$root"
mount --rbind /proc "$root/proc"
mount --rbind /dev "$root/dev"
layers=$(mktemp -d)
mount -t tmpfs tmpfs "$layers"
cp -a "$root/run" "$layers/run"
mount --bind "$layers/run" "$root/run"
mount -o remount,bind,ro "$root"
"""
START = SCRIPT + f'exec chroot --userspec={USER} --groups= "$root" "$@"'


def health(root, pid):
    """What shmemctl says in the namespaces of the process, as its user: nothing where all is well."""
    enter = ["nsenter", f"--target={pid}", "--mount", "--net", "chroot", f"--userspec={USER}", root]
    asked = subprocess.run(
        [*enter, "/usr/bin/shmemctl", "health", "--timeout=3s"], capture_output=True, text=True, check=False
    )
    return asked.stdout + asked.stderr if asked.returncode else ""


def problem(root, words):
    """What went wrong, or nothing."""
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
    process = subprocess.Popen(
        ["unshare", "--mount", "--net", "sh", "-c", START, "sh", root, *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment,
    )
    end, said = time.monotonic() + DEADLINE_SECONDS, "nothing was asked"
    while process.poll() is None and said and time.monotonic() < end:
        said = health(root, process.pid)
        time.sleep(0.1 if said else 0)
    if process.poll() is None:
        process.terminate()
    log = process.communicate(timeout=DEADLINE_SECONDS)[0]
    if said or process.returncode:
        return f"{' '.join(words)} ended with {process.returncode}; {said}\n{log}"
    return ""


def main():
    if len(sys.argv) < 3 or os.geteuid() != 0:
        sys.exit(__doc__)
    root, words = str(Path(sys.argv[1]).resolve()), sys.argv[2:]
    found = problem(root, words)
    print(found or f"{' '.join(words)}: serves as {USER}, and ends")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
