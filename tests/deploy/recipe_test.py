#!/usr/bin/env python3
"""recipe_test.py BIN_DIR: does docs/kubernetes.md's recipe for a VM of one's own work as it stands there?

Takes the kustomization and the shmemd.yaml out of the page, puts a VM as Deployment, StatefulSet and Job beside them,
checks what kustomize makes of it, and starts the pod. Every other piece of YAML on the page has to be YAML.
"""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

import check_manifests  # noqa: E402
from k8s import manifests  # noqa: E402

PAGE = ROOT / "docs" / "kubernetes.md"
DEMO = ROOT / "deploy" / "k8s" / "overlays" / "demo" / "deployment.yaml"
KINDS = {
    "Deployment": {},
    "StatefulSet": {"serviceName": "vm0"},
    "Job": {"selector": None, "replicas": None, "apiVersion": "batch/v1"},
}


def blocks():
    return re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL)


def recipe():
    kustomization = next(block for block in blocks() if "components:" in block)
    config = next(block for block in blocks() if "backends:" in block)
    return kustomization, config


def vm(kind, changes):
    """The demo's peers as a workload of that kind, at the sockets that the page names."""
    document = yaml.safe_load(DEMO.read_text().replace("demo.sock", "gpu0.sock"))
    document["kind"] = kind
    document["apiVersion"] = changes.get("apiVersion", "apps/v1")
    if kind != "Deployment":
        del document["spec"]["strategy"]
    if kind == "Job":
        document["spec"]["template"]["spec"]["restartPolicy"] = "Never"
    for key, value in changes.items():
        if key != "apiVersion":
            document["spec"][key] = value
    document["spec"] = {key: value for key, value in document["spec"].items() if value is not None}
    return yaml.safe_dump(document)


def problems_of(kind, changes, folder, programs):
    kustomization, config = recipe()
    folder.mkdir()
    # On the page the repository is a folder beside the kustomization.
    path = os.path.relpath(ROOT / "deploy" / "k8s" / "base", folder)
    (folder / "kustomization.yaml").write_text(kustomization.replace("shmemd/deploy/k8s/base", path))
    (folder / "shmemd.yaml").write_text(config)
    (folder / "vm.yaml").write_text(vm(kind, changes))
    objects = manifests.build(folder)
    yield from map(str, check_manifests.object_problems(objects, programs))
    workload = next(thing for thing in objects if thing.kind == kind)
    if [container["name"] for container in workload.pod.get("initContainers", [])] != ["shmemd"]:
        yield f"{kind}: has no shmemd"


def scrapes(folder):
    """What promtool says about the configuration for a Prometheus without operator; nothing where it is not here."""
    promtool = ROOT / "build" / "tools" / "bin" / "promtool"
    if not promtool.exists():
        return []
    file = folder / "prometheus.yml"
    file.write_text(next(block for block in blocks() if "scrape_configs:" in block))
    command = [promtool, "check", "config", "--syntax-only", file]
    run = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return [run.stdout] if run.returncode else []


def starts(folder, programs):
    command = [
        sys.executable,
        "-B",
        ROOT / "scripts" / "start_pod.py",
        folder,
        "--bin-dir",
        programs,
        "--sanitized",
    ]
    run = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return [] if run.returncode == 0 and "gpu0" in run.stdout else [run.stdout]


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    programs = Path(sys.argv[1])
    for block in blocks():
        list(yaml.safe_load_all(block))
    found = []
    with tempfile.TemporaryDirectory(prefix="recipe-", dir=ROOT / "build") as work:
        for kind, changes in KINDS.items():
            found += problems_of(kind, changes, Path(work) / kind.lower(), programs)
        found += scrapes(Path(work))
        found += starts(Path(work) / "deployment", programs) if not found else []
    print("\n".join(found) or f"{len(blocks())} pieces of YAML, and the recipe works for {', '.join(KINDS)}")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
