#!/usr/bin/env python3
"""planted_test.py BIN_DIR: does the check of the manifests find each mistake that it is there for?

Plants one mistake at a time, in what kustomize made of our overlays or in the files themselves, and demands a line
that names the object, the path and the rule.
"""

import copy
import re
import shutil
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

import check_manifests  # noqa: E402
from k8s import manifests, pod_security, schemas  # noqa: E402
from mistakes import CONTAINER_MISTAKES, FILE_MISTAKES, GONE, OBJECT_MISTAKES, POD_MISTAKES  # noqa: E402

OVERLAYS = ROOT / "deploy" / "k8s" / "overlays"


def place(tree, path, value):
    """Puts a value at a path, or takes away what is there; [NAME] is the entry of a list that has that name."""
    *front, last = re.findall(r"\[[^\]]+\]|[^.\[\]]+", path)
    for key in front:
        tree = _entry(tree, key[1:-1]) if key.startswith("[") else tree.setdefault(key, {})
    if not last.startswith("["):
        tree.pop(last, None)
        if value is not GONE:
            tree[last] = copy.deepcopy(value)
        return
    tree[:] = [entry for entry in tree if entry["name"] != last[1:-1]]
    if value is not GONE:
        tree.append(copy.deepcopy(value))


def _entry(entries, name):
    return next(entry for entry in entries if entry["name"] == name)


class Planter:
    def __init__(self, programs):
        self._programs, self._built, self.rules, self.count, self.failures = programs, {}, set(), 0, []
        self._secrets_context = check_manifests.made_secrets()
        self._secrets = self._secrets_context.__enter__()

    def built(self, overlay):
        """A copy of what kustomize made."""
        if overlay not in self._built:
            self._built[overlay] = manifests.build(OVERLAYS / overlay)
        return copy.deepcopy(self._built[overlay])

    def problems(self, objects, ask_programs=True):
        return check_manifests.object_problems(
            objects, self._programs if ask_programs else None, self._secrets
        )

    def expect(self, what, found, wanted, rule=""):
        """One of the lines has to be as wanted."""
        self.count += 1
        self.rules.add(rule)
        if not any(re.search(wanted, str(problem), re.DOTALL) for problem in found):
            lines = "\n  ".join(map(str, found)) or "nothing"
            self.failures.append(f"{what}\n  was to be refused with {wanted}\n  but was told: {lines}")

    def workload(self, overlay, name):
        objects = self.built(overlay)
        return objects, next(thing for thing in objects if f"{thing.kind}/{thing.name}" == name)

    def close(self):
        self._secrets_context.__exit__(None, None, None)


def line_of(name, path, rule):
    """The object, the start of the path, the rule."""
    return rf"{re.escape(name)}: .*{re.escape(path)}.*\[{re.escape(rule)}\]"


def allow_new_fields(workload, rule):
    """Our oldest Kubernetes does not know the field, and its schema would be the one to complain."""
    if rule == "appArmorProfile":
        place(workload.document, "metadata.annotations", {schemas.NEEDS: "1.30"})


def plant_in_pods(planter):
    name = "Deployment/shmemd-demo"
    for path, value, rule in POD_MISTAKES:
        objects, workload = planter.workload("demo", name)
        allow_new_fields(workload, rule)
        place(workload.pod, path, value)
        found = planter.problems(objects, ask_programs=rule == "arguments")
        planter.expect(f"{path}: {value}", found, line_of(name, "", rule), rule)
    for kind, which in (
        ("initContainers", "shmemd"),
        ("containers", "vmm"),
        ("ephemeralContainers", "debug"),
    ):
        for path, value, rule in CONTAINER_MISTAKES:
            objects, workload = planter.workload("demo", name)
            allow_new_fields(workload, rule)
            if which == "debug":
                workload.pod[kind] = [{**copy.deepcopy(workload.pod["containers"][-1]), "name": which}]
            place(_entry(workload.pod[kind], which), path, value)
            if value is GONE:
                place(workload.pod, path, value)
            found = planter.problems(objects, ask_programs=False)
            planter.expect(
                f"{kind}[{which}].{path}: {value}", found, line_of(name, f"{kind}[{which}]", rule), rule
            )


def plant_in_objects(planter):
    for overlay, name, path, value, rule in OBJECT_MISTAKES:
        objects, thing = planter.workload(overlay, name)
        place(thing.document, path, value)
        planter.expect(
            f"{overlay}, {name}, {path}: {value}", planter.problems(objects), rf"\[{re.escape(rule)}\]", rule
        )
    objects, thing = planter.workload("demo", "ConfigMap/shmemd")
    planter.expect(
        "the same object twice",
        planter.problems([*objects, thing]),
        r"ConfigMap/shmemd: .*\[duplicate\]",
        "duplicate",
    )


def plant_in_files(planter):
    with tempfile.TemporaryDirectory(prefix="planted-", dir=ROOT / "build") as work:
        deploy = Path(work) / "deploy"
        shutil.copytree(ROOT / "deploy", deploy)
        for file, old, new, overlay, wanted in FILE_MISTAKES:
            path = deploy / file
            text = path.read_text()
            assert text.count(old) >= 1, f"{file} has no {old}"
            path.write_text(text.replace(old, new))
            try:
                found = planter.problems(manifests.build(deploy / "k8s" / "overlays" / overlay))
            except manifests.BuildFailed as failure:
                found = [failure]
            planter.expect(f"{file}: {new.strip() or 'nothing'}", found, wanted)
            path.write_text(text)
        (deploy / "k8s" / "base" / "stray.yaml").write_text("kind: Pod\n")
        planter.expect("a stray file", list(check_manifests.unreached(deploy)), r"stray.yaml: .*\[unused\]")
        (deploy / "k8s" / "overlays" / "tls" / "kustomization.yaml").write_text("resources: [../demo]\n")
        planter.expect(
            "a component that nobody uses",
            list(check_manifests.unreached(deploy)),
            r"grpc-tls: .*\[unused\]",
        )


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    planter = Planter(Path(sys.argv[1]))
    for overlay in sorted(path.name for path in OVERLAYS.iterdir()):
        planter.failures += map(str, planter.problems(planter.built(overlay)))
    plant_in_pods(planter)
    plant_in_objects(planter)
    plant_in_files(planter)
    planter.close()
    untried = pod_security.RULES - planter.rules
    planter.failures += [f"no mistake was planted for the rule {rule}" for rule in sorted(untried)]
    print("\n".join(planter.failures))
    print(f"{planter.count} mistakes planted, {len(planter.failures)} complaints")
    sys.exit(1 if planter.failures else 0)


if __name__ == "__main__":
    main()
