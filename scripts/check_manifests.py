#!/usr/bin/env python3
"""Checks the manifests of a kustomize folder, offline.

usage: check_manifests.py FOLDER    prints what is wrong, exits 1 when something is

Against the schemas of the oldest Kubernetes that we support and of a recent one, unknown fields refused; against the
Restricted Pod Security Standard; and that every port that a probe names exists and every volume is there.
"""
import copy
import sys
from pathlib import Path

import kubernetes_validate

import manifests

VERSIONS = ("1.29", "1.37")  # native sidecars are on by default since 1.29


def schema_errors(document):
    for version in VERSIONS:
        try:
            kubernetes_validate.validate(document, version, strict=True)
        except kubernetes_validate.ValidationError as error:
            where = ".".join(str(part) for part in error.path)
            yield f"{document['kind']}, Kubernetes {version}: {where}: {error.message}"


def security_errors(pod, container):
    """The Restricted Pod Security Standard, and a read-only root."""
    inherited = pod.get("securityContext", {})
    own = container.get("securityContext", {})
    wanted = {
        "runAsNonRoot": own.get("runAsNonRoot", inherited.get("runAsNonRoot")) is True,
        "runAsUser not 0": own.get("runAsUser", inherited.get("runAsUser")) != 0,
        "seccompProfile": own.get("seccompProfile", inherited.get("seccompProfile", {})).get("type") in
                          ("RuntimeDefault", "Localhost"),
        "allowPrivilegeEscalation: false": own.get("allowPrivilegeEscalation") is False,
        "capabilities drop ALL": own.get("capabilities", {}).get("drop") == ["ALL"],
        "no added capability": not set(own.get("capabilities", {}).get("add", [])) - {"NET_BIND_SERVICE"},
        "not privileged": not own.get("privileged"),
        "readOnlyRootFilesystem": own.get("readOnlyRootFilesystem") is True,
    }
    return [f"{container['name']}: wanted {rule}" for rule, kept in wanted.items() if not kept]


def pod_errors(pod):
    for field in ("hostNetwork", "hostPID", "hostIPC"):
        if pod.get(field):
            yield f"wanted no {field}"
    volumes = {volume["name"] for volume in pod.get("volumes", [])}
    for container in pod.get("initContainers", []) + pod["containers"]:
        yield from security_errors(pod, container)
        ports = {port.get("name") for port in container.get("ports", [])}
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            port = container.get(probe, {}).get("httpGet", {}).get("port")
            if isinstance(port, str) and port not in ports:
                yield f"{container['name']}: {probe} names the port {port}, which it has not"
        for mount in container.get("volumeMounts", []):
            if mount["name"] not in volumes:
                yield f"{container['name']}: no volume {mount['name']}"


def folder_errors(folder):
    listed = set(manifests.kustomization(folder).get("resources", []))
    there = {path.name for path in Path(folder).glob("*.yaml")} - {"kustomization.yaml"}
    for name in sorted(listed ^ there):
        yield f"{name}: {'listed but not there' if name in listed else 'there but not listed'}"


def planted_errors(folder):
    """Plants mistakes, which all have to be found: a checker without its schemas finds nothing."""
    for name, document in manifests.resources(folder):
        wrong = copy.deepcopy(document)
        wrong["spec"]["replica"] = 1
        if len(list(schema_errors(wrong))) < len(VERSIONS):
            yield f"{name}: planted mistakes were not found"
    for name, pod in manifests.pod_specs(folder):
        wrong = copy.deepcopy(pod)
        wrong["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = True
        if not list(pod_errors(wrong)):
            yield f"{name}: a planted privilege was not found"


def errors(folder):
    yield from folder_errors(folder)
    for name, document in manifests.resources(folder):
        yield from (f"{name}: {error}" for error in schema_errors(document))
    for name, pod in manifests.pod_specs(folder):
        yield from (f"{name}: {error}" for error in pod_errors(pod))
    yield from planted_errors(folder)


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    found = list(errors(sys.argv[1]))
    print("\n".join(found) or f"{sys.argv[1]}: valid for Kubernetes {' and '.join(VERSIONS)}")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
