"""Reads manifests as a cluster gets them: what kustomize makes of a folder, with the file that each object is from."""

import os
import re
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
KUBECTL = ROOT / "build" / "tools" / "bin" / "kubectl"
ORIGIN = "config.kubernetes.io/origin"
TRANSFORMATIONS = "alpha.config.kubernetes.io/transformations"
# kind: where its pod template is, as keys from the top
POD_TEMPLATES = {
    "Pod": (),
    "CronJob": ("spec", "jobTemplate", "spec", "template"),
    **dict.fromkeys(
        ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController", "Job"),
        ("spec", "template"),
    ),
}


def version():
    """The project's."""
    return re.search(r"^project\(shmemd VERSION (\S+)", (ROOT / "CMakeLists.txt").read_text(), re.MULTILINE)[
        1
    ]


class BuildFailed(Exception):
    """What kustomize said."""


@dataclass(frozen=True)
class Problem:
    """What is wrong, where, and by which rule."""

    where: str  # the file, and the object if the file has several
    path: str
    rule: str
    message: str

    def __str__(self):
        return f"{self.where}: {self.path or 'object'}: [{self.rule}] {self.message}"


@dataclass
class Object:
    """One object of a build, as it is sent to the cluster."""

    document: dict
    origin: str = ""
    patched_by: list = field(default_factory=list)

    @property
    def kind(self):
        return self.document["kind"]

    @property
    def name(self):
        return self.document["metadata"]["name"]

    @property
    def where(self):
        by = f", patched by {', '.join(self.patched_by)}" if self.patched_by else ""
        return f"{self.origin}{by}: {self.kind}/{self.name}"

    def problem(self, path, rule, message):
        return Problem(self.where, path, rule, message)


@dataclass
class Workload(Object):
    """An object that makes pods."""

    @property
    def template_path(self):
        return ".".join(POD_TEMPLATES[self.kind])

    @property
    def template(self):
        found = self.document
        for key in POD_TEMPLATES[self.kind]:
            found = found[key]
        return found

    @property
    def labels(self):
        return self.template.get("metadata", {}).get("labels") or {}

    @property
    def annotations(self):
        return self.template.get("metadata", {}).get("annotations") or {}

    @property
    def pod(self):
        return self.template["spec"]

    @property
    def pod_path(self):
        return ".".join((*POD_TEMPLATES[self.kind], "spec"))

    def containers(self):
        """(path, container) for all of them: init, ephemeral and ordinary ones."""
        for key in ("initContainers", "containers", "ephemeralContainers"):
            for number, container in enumerate(self.pod.get(key) or []):
                yield f"{self.pod_path}.{key}[{container.get('name', number)}]", container


def kustomizations(folder):
    """Every folder with a kustomization below this one, and what the kustomization says."""
    for file in sorted(Path(folder).rglob("kustomization.yaml")):
        yield file.parent, yaml.safe_load(file.read_text())


def named_by(kustomization):
    """The files and folders that a kustomization names."""
    yield from kustomization.get("resources", []) + kustomization.get("components", [])
    yield from (patch["path"] for patch in kustomization.get("patches", []) if "path" in patch)
    for generator in kustomization.get("configMapGenerator", []) + kustomization.get("secretGenerator", []):
        yield from (file.rpartition("=")[2] for file in generator.get("files", []))


def build(folder):
    """The objects that kustomize makes of a folder, offline."""
    if not KUBECTL.exists():
        raise BuildFailed(f"no {os.path.relpath(KUBECTL)}: scripts/tools.sh kubectl")
    with tempfile.TemporaryDirectory(prefix="kustomize-", dir=_scratch()) as work:
        wrapper = {
            "resources": [os.path.relpath(folder, work)],
            "buildMetadata": ["originAnnotations", "transformerAnnotations"],
        }
        (Path(work) / "kustomization.yaml").write_text(yaml.safe_dump(wrapper))
        run = subprocess.run([KUBECTL, "kustomize", work], capture_output=True, text=True, check=False)
        if run.returncode != 0:
            raise BuildFailed(run.stderr.strip().replace(os.path.relpath(ROOT, work) + "/", ""))
        return [_object(document, Path(work)) for document in yaml.safe_load_all(run.stdout) if document]


def _scratch():
    folder = ROOT / "build"
    folder.mkdir(exist_ok=True)
    return folder


def _object(document, work):
    annotations = document["metadata"].get("annotations", {})
    origin = _file(yaml.safe_load(annotations.pop(ORIGIN, "")) or {}, work)
    steps = [_file(step, work) for step in yaml.safe_load(annotations.pop(TRANSFORMATIONS, "")) or []]
    if not annotations:
        document["metadata"].pop("annotations", None)
    patched_by = sorted({os.path.dirname(step) for step in steps if step != origin})
    kind = Workload if document["kind"] in POD_TEMPLATES else Object
    return kind(document, origin, patched_by)


def _file(origin, work):
    name = origin.get("path") or origin.get("configuredIn")
    return os.path.relpath(work / name, ROOT) if name else "generated"
