#!/usr/bin/env python3
"""Checks what the root of our image promises (docs/kubernetes.md, "The image").

usage: check_image.py ROOT    prints its size; exits 1, naming what is wrong: something else that runs than our four
                              programs, setuid, writable for others than root, a library whose package scanners would
                              not find, or too large
"""

import hashlib
import os
import stat
import sys
from pathlib import Path

PROGRAMS = ["shmem-demo-backend", "shmem-demo-vmm", "shmemctl", "shmemd"]
USER = 65532
WRITABLE = ["run/shmemd"]  # for the user that shmemd is, and nobody else
WRITABLE_MODE = 0o750
LIMIT_MIB = 40


def files(root):
    """(path in the image, what lstat says), without what a container engine mounts."""
    for folder, names, here in os.walk(root):
        names[:] = [name for name in names if folder != str(root) or name not in ("proc", "dev", "sys")]
        for name in names + here:
            path = Path(folder) / name
            yield path.relative_to(root), path.lstat()


def packages(root):
    """{file: checksum} of all packages that are described."""
    described = {}
    for sums in (root / "var/lib/dpkg/status.d").glob("*.md5sums"):
        for line in sums.read_text().splitlines():
            checksum, path = line.split("  ", 1)
            described[path.removeprefix("usr/")] = checksum
    return described


def writable_problems(root):
    """What shmemd needs to start without a volume."""
    for name in WRITABLE:
        if not (root / name).is_dir():
            yield f"{name} is no folder"
            continue
        about = (root / name).lstat()
        found = (stat.S_IMODE(about.st_mode), about.st_uid, about.st_gid)
        if found != (WRITABLE_MODE, USER, USER):
            yield f"{name} is {found[0]:04o} {found[1]}:{found[2]}, and should be {WRITABLE_MODE:04o} {USER}:{USER}"


def problems(root):
    yield from writable_problems(root)
    described = packages(root)
    programs = []
    for path, about in files(root):
        if about.st_mode & (stat.S_ISUID | stat.S_ISGID):
            yield f"{path} is setuid or setgid"
        if (
            not stat.S_ISLNK(about.st_mode)
            and str(path) not in WRITABLE
            and (about.st_uid or about.st_mode & 0o022)
        ):
            yield f"{path} can be written to by others than root"
        if not stat.S_ISREG(about.st_mode):
            continue
        if ".so" in path.name:
            found = hashlib.md5((root / path).read_bytes()).hexdigest()
            if described.get(str(path).removeprefix("usr/")) != found:
                yield f"{path} is not as a package in var/lib/dpkg/status.d says"
        elif about.st_mode & 0o111:
            programs.append(path.name)
    if sorted(programs) != PROGRAMS:
        yield f"what runs is {', '.join(sorted(programs))}, and should be {', '.join(PROGRAMS)}"
    if size(root) > LIMIT_MIB * 2**20:
        yield f"{size(root) / 2**20:.1f} MiB are more than {LIMIT_MIB}"


def size(root):
    return sum(about.st_size for _, about in files(root) if stat.S_ISREG(about.st_mode))


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    root = Path(sys.argv[1])
    found = list(problems(root))
    print("\n".join(found) or f"{root}: {size(root) / 2**20:.1f} MiB, and as it should be")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
