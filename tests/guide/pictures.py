#!/usr/bin/env python3
"""pictures.py BIN_DIR FOLDER [--check]: makes the pictures of docs/guide.md from real programs.

With --check nothing is written: what a terminal shows now must be what the pictures in FOLDER show, but for numbers
with their units and the widths of columns. Pictures of the page are made and not compared: tests/web looks at the page itself.
"""

import argparse
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from scene import ROOT, Scene, Stage  # noqa: E402
from terminal_picture import svg  # noqa: E402

for folder in ("deploy", "web"):
    sys.path.insert(0, str(ROOT / "tests" / folder))

from browser import DESKTOP, Browser  # noqa: E402
from peers import eventually  # noqa: E402
from prometheus_test import Prometheus  # noqa: E402

COLUMNS = 96
MOST_LINES = 32
TOOLS = ROOT / "build" / "tools" / "bin"
# name of a picture: what is typed after `shmemctl`
SHMEMCTL = {
    "status": "status",
    "doctor": "doctor",
    "top": "top --iterations 1",
    "regions": "regions",
    "map": "map media0/0",
    "full": "map gpu0/0",
    "at-risk": "mappings --at-risk",
}


QUERIES = ("sort_desc(max by (backend, shmid) (backend_shmid:vhost_shmem_utilization:ratio))",
           'count by (alertname, backend) (ALERTS{alertstate="firing"})')


def prompt(line: str) -> str:
    return f"\x1b[32m$\x1b[0m \x1b[1m{line}\x1b[0m\n"


def output(command: list, **variables: str) -> str:
    run = subprocess.run(list(map(str, command)), env=os.environ | variables, stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT, text=True)
    if run.returncode != 0:
        sys.exit(f"{command}: exit code {run.returncode}\n{run.stdout}")
    return run.stdout


def of_shmemctl(stage: Stage, scene: Scene) -> dict[str, str]:
    """What a terminal of COLUMNS columns shows of each command."""
    shown = {}
    for picture, line in SHMEMCTL.items():
        command = [scene.daemon.shmemctl, *line.split(), "--color", "always", "--width", COLUMNS]
        lines = output(command, SHMEMD_ENDPOINT=f"unix:{scene.daemon.api_socket}", LC_ALL="C.UTF-8").splitlines()
        if len(lines) > MOST_LINES:
            lines[MOST_LINES:] = ["..."]
        text = "\n".join(lines).replace(str(stage.directory / "run"), "/run/shmemd")
        shown[picture] = prompt(f"shmemctl {line}") + text + "\n"
    return shown


def of_prometheus(stage: Stage, target: str) -> dict[str, str]:
    """What a Prometheus with our rules answers, once alerts fire (after seconds instead of minutes)."""
    if not (TOOLS / "prometheus").exists():
        return {}
    prometheus = Prometheus(stage, TOOLS / "prometheus", target)
    expected = {("ShmemRegionFull", "gpu0"), ("ShmemMappingsAtRisk", "fs0")}
    eventually("alerts that fire", lambda: expected - prometheus.firing(), set(), 60)
    shown = ""
    for query in QUERIES:
        answer = output([TOOLS / "promtool", "query", "instant", f"http://{prometheus.address}", query])
        lines = [line.split(" @[")[0] for line in answer.splitlines()]
        shown += prompt(f"promtool query instant http://localhost:9090 \\\n    '{query}'")
        shown += "\n".join(lines if query.startswith("sort") else sorted(lines)) + "\n"
    return {"prometheus": shown}


def shoot(page: str, folder: pathlib.Path) -> None:
    for scheme in ("light", "dark"):
        with Browser() as browser:
            browser.look(DESKTOP, scheme)
            browser.get(f"{page}/?refresh=off")
            browser.shoot_window(folder / f"page-{scheme}.png")


def words(picture: str) -> list[str]:
    """The text of a picture without what differs from run to run."""
    text = " ".join(ElementTree.fromstring(picture).itertext()).replace("\N{NO-BREAK SPACE}", " ")
    return re.sub(r"\d[\d.]*(?:\s+(?:[um]?s|[KMG]?i?B)\b)?", "0", text[text.index("$"):]).split()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("programs", type=pathlib.Path)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    failed = []
    with tempfile.TemporaryDirectory(prefix="shmemd-guide-") as name:
        with Stage(options.programs, pathlib.Path(name)) as stage:
            scene = Scene(stage)
            shown = of_shmemctl(stage, scene) | of_prometheus(stage, scene.metrics)
            if not options.check:
                shoot(f"http://{scene.metrics}", options.folder)
    failed = []
    for picture, text in shown.items():
        made, file = svg(text, COLUMNS, picture), options.folder / f"{picture}.svg"
        if not options.check:
            file.write_text(made)
        elif words(made) != words(file.read_text()):
            failed.append(f"{file}: a terminal shows something else now; ./dev pictures makes it anew:\n{text}")
    print("\n".join(failed) or f"{len(shown)} pictures of terminals: {', '.join(shown)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
