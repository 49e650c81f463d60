#!/usr/bin/env python3
"""image_test.py BIN_DIR: do the files that make our image suffice, and is everything in it as it should be?

Makes the image's root without a container engine, checks it, plants mistakes in it, and starts the pods of overlays
in it: as their users, with a root that they cannot write to. Needs root and mounts; ends with 77 (skipped) elsewhere.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = ROOT / "scripts"
PROGRAMS = ("shmemd", "shmemctl", "shmem-demo-backend", "shmem-demo-vmm")
# {a file: what becomes of it}, and what has to be said
MISTAKES = {
    "run/shmemd": (lambda path: os.chown(path, 0, 0), "run/shmemd is 0750 0:0"),
    "usr/bin/sh": (lambda path: (path.write_text("#!"), path.chmod(0o755)), "what runs is sh, "),
    "usr/bin/shmemctl": (lambda path: path.chmod(0o4755), "setuid"),
    "etc/passwd": (lambda path: path.chmod(0o666), "etc/passwd can be written to"),
    "usr/lib/libnew.so.1": (lambda path: path.write_text("x"), "libnew.so.1 is not as a package"),
    "usr/share/large": (
        lambda path: os.truncate(os.open(path, os.O_CREAT | os.O_RDWR), 64 << 20),
        "more than 40",
    ),
}


def run(*command):
    done = subprocess.run(
        [*map(str, command)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    return done.returncode, done.stdout


def has_mounts():
    return os.geteuid() == 0 and run("unshare", "--mount", "true")[0] == 0


def default_command():
    """What the image runs when nobody says anything, after the Dockerfile."""
    text = (ROOT / "Dockerfile").read_text()
    return [word for key in ("ENTRYPOINT", "CMD") for word in json.loads(re.search(rf"^{key} (.*)$", text, re.MULTILINE)[1])]


def start_default(image):
    return run(sys.executable, "-B", SCRIPTS / "start_default.py", image, *default_command())


def problems(image, programs):
    code, text = run(SCRIPTS / "image_root.sh", image, *(programs / name for name in PROGRAMS))
    if code:
        yield f"image_root.sh: {text}"
        return
    code, text = run(sys.executable, "-B", SCRIPTS / "check_image.py", image)
    print(text.rstrip())
    if code:
        yield text
    code, text = start_default(image)
    print(text.rstrip())
    if code:
        yield text
    for overlay in ("demo", "tls"):
        folder = ROOT / "deploy" / "k8s" / "overlays" / overlay
        code, text = run(sys.executable, "-B", SCRIPTS / "start_pod.py", folder, "--image-root", image)
        if code:
            yield text
    for name, (plant, wanted) in MISTAKES.items():
        plant(image / name)
        code, text = run(sys.executable, "-B", SCRIPTS / "check_image.py", image)
        if code == 0 or wanted not in text:
            yield f"{name}: wanted '{wanted}', got: {text}"
    # run/shmemd is root's by now.
    if start_default(image)[0] == 0:
        yield "the default command runs in a folder that it cannot write to"


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    if not has_mounts():
        print("skipped: not root, or no mounts")
        return 77
    with tempfile.TemporaryDirectory(prefix="image-") as work:
        found = list(problems(Path(work) / "root", Path(sys.argv[1])))
    print("\n".join(found) or "the pods ran in it")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
