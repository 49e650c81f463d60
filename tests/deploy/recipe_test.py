#!/usr/bin/env python3
"""recipe_test.py BIN_DIR: does docs/kubernetes.md's recipe for a VM of one's own work as it stands there?

Takes the kustomization and the shmemd.yaml out of the page, puts a VM as Deployment, StatefulSet and Job beside them,
checks what kustomize makes of it, and starts the pod; asks promtool which of its ports would be scraped. Every other piece of YAML on the page has to be YAML.
"""

import json
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


def discovered(workload):
    """One of its pods, as Prometheus discovers it: a target for each port of each container."""
    labels = {re.sub(r"\W", "_", f"pod_label_{key}"): value for key, value in workload.labels.items()}
    labels |= {"namespace": "vms", "pod_name": "vm0-0"}
    for _, container in workload.containers():
        for port in container.get("ports") or [{"name": "", "containerPort": 0}]:
            about = labels | {
                "pod_container_name": container["name"],
                "pod_container_port_name": port["name"],
            }
            meta = {f"__meta_kubernetes_{key}": value for key, value in about.items()}
            yield {"targets": [f"10.0.0.1:{port['containerPort']}"], "labels": meta}


def scrapes(folder, workload):
    """Which targets Prometheus keeps by the page's configuration; nothing to say where there is no promtool."""
    promtool = ROOT / "build" / "tools" / "bin" / "promtool"
    if not promtool.exists():
        return []
    # Debian's is built without Kubernetes: it reads from a file what it would discover.
    (folder / "pods.json").write_text(json.dumps(list(discovered(workload))))
    config = yaml.safe_load(next(block for block in blocks() if "scrape_configs:" in block))
    job = config["scrape_configs"][0]
    if job.pop("kubernetes_sd_configs") != [{"role": "pod"}]:
        return ["the page does not discover pods"]
    job["file_sd_configs"] = [{"files": ["pods.json"]}]
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    command = [promtool, "check", "service-discovery", "--timeout=2s", folder / "prometheus.yml", "shmemd"]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.returncode:
        return [run.stderr]
    kept = [target["labels"] for target in json.loads(run.stdout) if target["labels"]]
    wanted = {
        "app_kubernetes_io_instance": "vm0",
        "instance": "10.0.0.1:18044",
        "namespace": "vms",
        "pod": "vm0-0",
    }
    got = [{key: value for key, value in labels.items() if key in wanted} for labels in kept]
    return [] if got == [wanted] else [f"Prometheus would scrape {kept}"]


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
        deployment = next(
            thing for thing in manifests.build(Path(work) / "deployment") if thing.kind == "Deployment"
        )
        found += scrapes(Path(work), deployment)
        found += starts(Path(work) / "deployment", programs) if not found else []
    print("\n".join(found) or f"{len(blocks())} pieces of YAML, and the recipe works for {', '.join(KINDS)}")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
