#!/usr/bin/env python3
"""Checks the source tree: the direction of dependency, the size of files, names that say nothing.

usage: check_tree.py ROOT    prints one line per violation, exits 1 when there is any
"""
import re
import sys
from pathlib import Path

import rules

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
TYPE = re.compile(r"^\s*(?:class|struct)\s+(?:\[\[[^\]]*\]\]\s*)?(\w+" + rules.FORBIDDEN_SUFFIX + r")\b")
FOREIGN = [(re.compile(pattern), folders) for pattern, folders in rules.FOREIGN.items()]


def sources(root):
    for top in ("manual", "server", "client", "tests"):
        for path in sorted((root / top).rglob("*")):
            if path.suffix in (".cc", ".h") and "target" not in path.parts:
                yield path.relative_to(root).as_posix()


def folder_of(name):
    """The longest folder of the table that holds the file, or None."""
    return max((folder for folder in rules.ALLOWED if name.startswith(folder + "/")), key=len, default=None)


def allowed(folder, included):
    if included.endswith(".pb.h"):
        return "proto" in rules.ALLOWED[folder]
    if included.startswith(folder + "/"):
        # client/ must not look up into client/shmemctl/.
        if folder_of(included) == folder:
            return True
    return any(included == target or included.startswith(target + "/") for target in rules.ALLOWED[folder])


def include_violation(name, included, quoted):
    folder = folder_of(name)
    for begin, place in rules.ROOTS.items():
        if included.startswith(begin):
            included = place + included[len(begin):]
    if folder is None:
        if name.startswith(("manual/", "server/", "client/")):
            return "lies in a folder that tests/layering/rules.py does not know"
        return None
    ours = included.startswith(("manual/", "server/", "client/", "tests/", "proto/")) or included.endswith(".pb.h")
    if ours:
        return None if allowed(folder, included) else f"{folder} must not include {included}"
    if quoted and name.startswith(("manual/", "server/", "client/")):
        return f"includes start at the root: {included}"
    for pattern, folders in FOREIGN:
        if pattern.match(included) and folder not in folders:
            return f"{folder} must not include {included}"
    return None


def check_file(root, name):
    lines = (root / name).read_text(encoding="utf-8").splitlines()
    if len(lines) > rules.MAX_LINES:
        yield f"{name}: {len(lines)} lines, at most {rules.MAX_LINES}"
    for number, line in enumerate(lines, 1):
        include = INCLUDE.match(line)
        violation = include_violation(name, include[2], include[1] == '"') if include else None
        if violation:
            yield f"{name}:{number}: {violation}"
        forbidden = TYPE.match(line)
        if forbidden:
            yield f"{name}:{number}: {forbidden[1]} says nothing about what it is"


def check(root):
    root = Path(root)
    return [violation for name in sources(root) for violation in check_file(root, name)]


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    violations = check(sys.argv[1])
    print("\n".join(violations) or "layering: no violation")
    sys.exit(1 if violations else 0)


if __name__ == "__main__":
    main()
