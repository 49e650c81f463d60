"""What we ask of our own manifests beyond what a cluster does."""

import re

import yaml

from k8s import manifests

SHMEMD_RSS_MIB = 40  # what docs/kubernetes.md states; scripts/start_pod.py holds it to what it measures
UNITS = {"": 1, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "k": 1e3, "M": 1e6, "G": 1e9}


def problems(objects):
    configs = {thing.name: thing.document.get("data") or {} for thing in objects if thing.kind == "ConfigMap"}
    for thing in objects:
        if hasattr(thing, "pod"):
            yield from _pod(thing)
            for path, container in thing.containers():
                yield from (
                    thing.problem(f"{path}{where}", rule, message)
                    for where, rule, message in _container(thing.pod, container)
                )
                if is_shmemd(container):
                    yield from (
                        thing.problem(f"{path}{where}", rule, message)
                        for where, rule, message in _shmemd(thing.pod, container, configs)
                    )


def is_ours(container):
    """Whether it runs our image."""
    return re.fullmatch(r"(.*/)?shmemd(:.*|@.*)?", container.get("image", "")) is not None


def is_shmemd(container):
    return is_ours(container) and container.get("command", ["shmemd"])[0].endswith("shmemd")


def quantity(text):
    """A quantity of memory, in bytes."""
    number, unit = re.fullmatch(r"([0-9.]+)([A-Za-z]*)", str(text)).groups()
    return float(number) * UNITS[unit]


def _pod(workload):
    if (
        workload.pod.get("automountServiceAccountToken") is not False
        and "serviceAccountName" not in workload.pod
    ):
        yield workload.problem(
            f"{workload.pod_path}.automountServiceAccountToken", "token", "has to be false"
        )


def _container(pod, container):
    context = {**(pod.get("securityContext") or {}), **(container.get("securityContext") or {})}
    if context.get("readOnlyRootFilesystem") is not True:
        yield ".securityContext.readOnlyRootFilesystem", "readOnlyRoot", "has to be true"
    # runAsNonRoot alone fails at the start where an image names its user by a word.
    if not isinstance(context.get("runAsUser"), int):
        yield ".securityContext.runAsUser", "user", "has to be a number, here or for the pod"
    if not re.search(r"(:(?!latest$)[\w.-]+|@sha256:[0-9a-f]{64})$", container.get("image", "")):
        yield ".image", "image", f"{container.get('image')} has to name a version"
    if is_ours(container) and not container["image"].endswith(f":{manifests.version()}"):
        yield ".image", "image", f"{container['image']} is not of the version {manifests.version()}"
    resources = container.get("resources") or {}
    for kind, name in (("requests", "cpu"), ("requests", "memory"), ("limits", "memory")):
        if name not in (resources.get(kind) or {}):
            yield f".resources.{kind}.{name}", "resources", "has to be set"


def _shmemd(pod, container, configs):
    relays = _relays(pod, container, configs)
    if relays and "livenessProbe" in container:
        yield ".livenessProbe", "relay", "a relay that is restarted ends the devices of its VM"
    limit = (container.get("resources") or {}).get("limits", {}).get("memory")
    if relays and limit and quantity(limit) < 4 * SHMEMD_RSS_MIB * 2**20:
        yield ".resources.limits.memory", "relay", f"has to be at least {4 * SHMEMD_RSS_MIB}Mi"
    if relays and "cpu" in (container.get("resources") or {}).get("limits", {}):
        yield ".resources.limits.cpu", "relay", "a limit stops the devices of the VM again and again"
    sidecar = container in (pod.get("initContainers") or [])
    if sidecar and container.get("restartPolicy") != "Always":
        yield ".restartPolicy", "sidecar", "has to be Always, or the VMM is never started"
    if sidecar and "startupProbe" not in container:
        yield ".startupProbe", "sidecar", "has to be there, or the VMM starts before the sockets are"
    if sidecar and "fsGroup" not in (pod.get("securityContext") or {}):
        yield ".volumeMounts", "sidecar", "sockets are shared by the pod's securityContext.fsGroup, which is not set"


def _relays(pod, container, configs):
    """By its arguments, its configuration, or because back-ends can be attached while it runs."""
    if any(word.startswith(("--relay", "--state-dir")) for word in container.get("args") or []):
        return True
    mounted = {mount["name"] for mount in container.get("volumeMounts") or []}
    names = {
        (volume.get("configMap") or {}).get("name")
        for volume in pod.get("volumes") or []
        if volume["name"] in mounted
    }
    files = [text for name in names for text in configs.get(name, {}).values()]
    return any(
        entry.get("mode") == "relay"
        for text in files
        for entry in (yaml.safe_load(text) or {}).get("backends") or []
    )
