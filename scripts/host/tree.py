"""What is where in a tree of files, to see what was left behind."""

import hashlib
import os
import stat
from pathlib import Path

# What changes on a host that lives, whatever is installed: logs, caches, the package database (its list of files of
# each package is looked at through what it says), copies that account tools keep, systemd's own state.
IGNORED = ("dev", "proc", "sys", "tmp", "mnt", "root", "run/systemd", "run/log", "run/lock", "run/dbus", "run/udev",
           "run/user", "run/utmp", "run/mount", "run/credentials", "var/cache", "var/log", "var/lib/apt", "var/lib/dpkg",
           "var/lib/systemd/timers", "var/lib/systemd/random-seed", "var/lib/systemd/catalog", "var/tmp", "etc/ld.so.cache")
ACCOUNTS = ("etc/passwd", "etc/group", "etc/shadow", "etc/gshadow")


def _describe(path):
    facts = path.lstat()
    words = [stat.filemode(facts.st_mode), facts.st_uid, facts.st_gid]
    if path.is_symlink():
        words.append(os.readlink(path))
    elif path.is_file():
        words.append(hashlib.sha256(path.read_bytes()).hexdigest())
    return tuple(words)


def snapshot(root):
    """Path to what it is, for all that a package could leave behind; lines of accounts are entries of their own."""
    root, found = Path(root), {}
    for folder, folders, files in os.walk(root):
        here = Path(folder).relative_to(root)
        folders[:] = [name for name in folders if str(here / name) not in IGNORED]
        for name in folders + files:
            place = here / name
            if str(place) in IGNORED or (str(place).startswith("etc/") and name.endswith("-")):
                continue
            if str(place) in ACCOUNTS:
                for line in (root / place).read_text(encoding="utf-8").splitlines():
                    found[f"{place}: {line}"] = ()
            else:
                found[str(place)] = _describe(root / place)
    return found


def differences(before, after):
    """Lines for people; none: nothing was left, nothing is missing, nothing is otherwise."""
    lines = [f"left behind: {path}" for path in sorted(after.keys() - before.keys())]
    lines += [f"gone: {path}" for path in sorted(before.keys() - after.keys())]
    lines += [f"otherwise: {path}: {before[path]} became {after[path]}"
              for path in sorted(before.keys() & after.keys()) if before[path] != after[path]]
    return lines
