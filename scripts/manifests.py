"""Reads the manifests of a kustomize folder."""
from pathlib import Path

import yaml


def kustomization(folder):
    return yaml.safe_load((Path(folder) / "kustomization.yaml").read_text())


def resources(folder):
    """(file name, document) for every resource that the kustomization lists."""
    for name in kustomization(folder).get("resources", []):
        for document in yaml.safe_load_all((Path(folder) / name).read_text()):
            yield name, document


def pod_specs(folder):
    for name, document in resources(folder):
        if document["kind"] == "Pod":
            yield name, document["spec"]
        elif "template" in document.get("spec", {}):
            yield name, document["spec"]["template"]["spec"]
