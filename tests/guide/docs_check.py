#!/usr/bin/env python3
"""docs_check.py BIN_DIR: is what the pages say still true?

Links lead somewhere; each `shmemctl` and `shmemd` command line is one that the programs understand; the guide
explains each state and reason of a back-end and each state of a mapping that the API has.
"""

import os
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
STATES = [("backend.proto", "enum State "), ("backend.proto", "enum StateReason "), ("region.proto", "enum State ")]
# What stands for something of the reader's own, as something that can be parsed.
PLACEHOLDERS = {"BACKEND": "gpu0", "SHMID": "0", "ID": "gpu0", "OFFSET": "0x0", "SOCKET": "/nowhere.sock",
                "NAME": "gpu0", "FILE": "/dev/null", "CODE": "MAP_OVERLAP"}
HIDDEN = {"--man", "--man-config"}  # of shmemd: for those who build packages


def slug(heading: str) -> str:
    """The anchor of a heading, as GitHub makes it."""
    text = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").strip().lower()
    return re.sub(r"[^\w\- ]", "", text).replace(" ", "-")


def without_code(text: str) -> str:
    return re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)


def anchors(page: pathlib.Path) -> set[str]:
    return {slug(heading) for heading in re.findall(r"^#+ (.*)$", without_code(page.read_text()), re.MULTILINE)}


def broken_links(page: pathlib.Path):
    for target in re.findall(r"\]\(([^)\s]+)\)", without_code(page.read_text())):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        if not file.exists():
            yield f"{page.name}: {target} leads nowhere"
        elif anchor and file.suffix == ".md" and anchor not in anchors(file):
            yield f"{page.name}: {target}: no such heading"


def command_lines(page: pathlib.Path, program: str):
    """Of code blocks and of code within a line, without comments, pipes and prompts."""
    text = page.read_text().replace("\\\n", " ")
    blocks = re.findall(r"^```[a-z]*\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    lines += re.findall(r"`([^`\n]+)`", without_code(text))
    for line in lines:
        if match := re.match(rf"\s*(?:\$ )?{program}((?: [^#|]*)?)$", re.split(r"\s[#|>]", line)[0].rstrip()):
            yield match[1].strip()


def not_understood(page: pathlib.Path, programs: pathlib.Path, fleet: str):
    dead = os.environ | {"SHMEMD_ENDPOINT": "unix:/nowhere/api.sock"}
    for line in command_lines(page, "shmemctl"):
        if not line or "..." in line:
            continue
        words = [re.sub(r"[A-Z]{2,}", lambda name: PLACEHOLDERS.get(name[0], name[0]), word) for word in line.split()]
        words = [fleet if word.endswith(".txt") else word for word in words]
        run = subprocess.run([programs / "shmemctl", *words, "--timeout", "2s"], env=dead, text=True, capture_output=True,
                             stdin=subprocess.DEVNULL, timeout=30)
        # Within a sentence a command may stand without its argument.
        if run.returncode == 2 and not run.stderr.splitlines()[0].endswith("is required"):
            yield f"{page.name}: shmemctl {line}: {run.stderr.splitlines()[0]}"


def unknown_flags(page: pathlib.Path, known: set[str]):
    for line in command_lines(page, "shmemd"):
        for flag in re.findall(r"(?<!\S)--[a-z][-a-z]*", line):
            if flag not in known:
                yield f"{page.name}: shmemd {line}: no flag {flag}"


def unexplained():
    rows = {name for row in re.findall(r"^\| ([A-Z_, ]+) \|", (ROOT / "docs" / "guide.md").read_text(), re.MULTILINE)
            for name in row.split(", ")}
    for file, enum in STATES:
        text = (ROOT / "proto" / "vhost" / "shmem" / "v1" / file).read_text()
        body = text[text.index(enum):]
        names = re.findall(r"^\s+([A-Z_]+) = [1-9]\d*;", body[:body.index("}")], re.MULTILINE)
        yield from (f"guide.md: no row for {name} of {enum.strip()}" for name in names if name not in rows)
        if not names:
            yield f"{file}: no names in {enum}"


def main() -> int:
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    programs = pathlib.Path(sys.argv[1])
    known = HIDDEN | set(re.findall(r"--[a-z][-a-z]*", subprocess.run([programs / "shmemd", "--help"], check=True, text=True,
                                                             capture_output=True).stdout))
    found, commands = list(unexplained()), 0
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as fleet:
        fleet.write("unix:/nowhere/api.sock\n")
        fleet.flush()
        for page in PAGES:
            found += [*broken_links(page), *not_understood(page, programs, fleet.name), *unknown_flags(page, known)]
            commands += len(list(command_lines(page, "shmemctl")))
    if commands < 20:
        found.append(f"only {commands} command lines were found")
    print("\n".join(found) or f"{len(PAGES)} pages, {commands} lines of shmemctl: links, commands and states hold")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
