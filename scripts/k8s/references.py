"""Does everything that an object names exist: volumes, ports, ConfigMaps, Secrets, and what selectors select?"""

from k8s import pod_security

# Annotation of a workload: what its pods need that is not among the manifests, as "secret/NAME, configmap/NAME".
EXTERNAL = "shmem.vhost/external"
OWN_DEFAULTS = {"default"}  # service accounts that every namespace has


def problems(objects):
    index = _Index(objects)
    workloads = [thing for thing in objects if hasattr(thing, "pod")]
    for workload in workloads:
        yield from _names(workload)
        yield from _mounts(workload)
        yield from _probe_ports(workload)
        yield from _selector(workload)
        yield from index.needs(workload)
    for thing in objects:
        yield from _selecting(thing, workloads)
        yield from index.other_needs(thing)
        yield from index.duplicates(thing)


class _Index:
    """What there is, by kind and name."""

    def __init__(self, objects):
        self._seen = set()
        self._documents = {(thing.kind, thing.name): thing.document for thing in objects}
        self._secrets = {
            thing.document["spec"].get("secretName") for thing in objects if thing.kind == "Certificate"
        }

    def duplicates(self, thing):
        key = (
            thing.document.get("apiVersion"),
            thing.kind,
            thing.document["metadata"].get("namespace"),
            thing.name,
        )
        if key in self._seen:
            yield thing.problem("metadata.name", "duplicate", "another object has the same name")
        self._seen.add(key)

    def _exists(self, kind, name):
        return (kind, name) in self._documents or (kind == "Secret" and name in self._secrets)

    def needs(self, workload):
        words = workload.document["metadata"].get("annotations", {}).get(EXTERNAL, "")
        external = {word.strip().lower() for word in words.split(",") if word.strip()}
        for path, kind, name, keys in _needed(workload):
            if f"{kind}/{name}".lower() in external:
                continue
            if not self._exists(kind, name):
                yield workload.problem(path, "reference", f"there is no {kind} {name}")
                continue
            data = self._documents.get((kind, name), {})
            there = (
                set(data.get("data") or {})
                | set(data.get("binaryData") or {})
                | set(data.get("stringData") or {})
            )
            for key in sorted(set(keys) - there if (kind, name) in self._documents else ()):
                yield workload.problem(path, "reference", f"{kind} {name} has no key {key}")

    def other_needs(self, thing):
        """What objects that make no pods name."""
        spec = thing.document.get("spec") or {}
        wanted = []
        if thing.kind == "Certificate":
            wanted.append(
                ("spec.issuerRef.name", spec["issuerRef"].get("kind", "Issuer"), spec["issuerRef"]["name"])
            )
        if thing.kind == "Issuer" and "ca" in spec:
            wanted.append(("spec.ca.secretName", "Secret", spec["ca"]["secretName"]))
        if thing.kind.endswith("PolicyBinding"):
            wanted.append(("spec.policyName", thing.kind[: -len("Binding")], spec.get("policyName")))
        for path, kind, name in wanted:
            if not self._exists(kind, name):
                yield thing.problem(path, "reference", f"there is no {kind} {name}")


def _needed(workload):
    """(path, kind, name, keys) of the ConfigMaps and Secrets that its pods cannot start without."""
    for volume in workload.pod.get("volumes") or []:
        path = f"{workload.pod_path}.volumes[{volume['name']}]"
        for source in [volume, *(volume.get("projected") or {}).get("sources", [])]:
            yield from _volume_needs(path, source)
    for base, container in workload.containers():
        for entry in container.get("env") or []:
            for key, kind in (("configMapKeyRef", "ConfigMap"), ("secretKeyRef", "Secret")):
                wanted = (entry.get("valueFrom") or {}).get(key)
                if wanted and not wanted.get("optional"):
                    yield f"{base}.env[{entry['name']}]", kind, wanted["name"], [wanted["key"]]
        for entry in container.get("envFrom") or []:
            for key, kind in (("configMapRef", "ConfigMap"), ("secretRef", "Secret")):
                if key in entry and not entry[key].get("optional"):
                    yield f"{base}.envFrom", kind, entry[key]["name"], []
    account = workload.pod.get("serviceAccountName", "default")
    if account not in OWN_DEFAULTS:
        yield f"{workload.pod_path}.serviceAccountName", "ServiceAccount", account, []


def _volume_needs(path, source):
    for key, kind, name in (("configMap", "ConfigMap", "name"), ("secret", "Secret", "secretName")):
        wanted = source.get(key)
        if wanted and not wanted.get("optional"):
            yield path, kind, wanted.get(name, wanted.get("name")), [
                item["key"] for item in wanted.get("items") or []
            ]


def _names(workload):
    """No two containers, ports or volumes of one name."""
    lists = {
        f"{workload.pod_path}.containers": [container["name"] for _, container in workload.containers()],
        f"{workload.pod_path}.volumes": [volume["name"] for volume in workload.pod.get("volumes") or []],
    }
    for base, container in workload.containers():
        lists[f"{base}.volumeMounts"] = [mount["mountPath"] for mount in container.get("volumeMounts") or []]
    ports = [port for _, container in workload.containers() for port in container.get("ports") or []]
    lists["ports"] = [port["containerPort"] for port in ports]
    lists["port names"] = [port["name"] for port in ports if "name" in port]
    for path, names in lists.items():
        for name in sorted({str(name) for name in names if names.count(name) > 1}):
            yield workload.problem(path, "duplicate", f"{name} is there twice")


def _mounts(workload):
    volumes = {volume["name"] for volume in workload.pod.get("volumes") or []}
    mounted = set()
    for base, container in workload.containers():
        for mount in container.get("volumeMounts") or []:
            mounted.add(mount["name"])
            if mount["name"] not in volumes:
                yield workload.problem(
                    f"{base}.volumeMounts", "reference", f"there is no volume {mount['name']}"
                )
    for name in sorted(volumes - mounted):
        yield workload.problem(f"{workload.pod_path}.volumes[{name}]", "unused", "no container mounts it")


def _probe_ports(workload):
    for base, container in workload.containers():
        names = {port.get("name") for port in container.get("ports") or []}
        for probe in pod_security.PROBES:
            for action in ("httpGet", "tcpSocket"):
                port = ((container.get(probe) or {}).get(action) or {}).get("port")
                if isinstance(port, str) and port not in names:
                    yield workload.problem(
                        f"{base}.{probe}.{action}.port", "reference", f"there is no port {port}"
                    )


def _matches(selector, labels):
    """Whether a label selector takes these labels."""
    if any(labels.get(key) != value for key, value in (selector.get("matchLabels") or {}).items()):
        return False
    return all(_expression(rule, labels) for rule in selector.get("matchExpressions") or [])


def _expression(rule, labels):
    value, values = labels.get(rule["key"]), rule.get("values") or []
    return {
        "In": value in values,
        "NotIn": value not in values,
        "Exists": value is not None,
        "DoesNotExist": value is None,
    }[rule["operator"]]


def _selector(workload):
    selector = (workload.document.get("spec") or {}).get("selector")
    if isinstance(selector, dict) and not _matches(selector, workload.labels):
        yield workload.problem("spec.selector", "selector", "does not select its own pods")


def _selecting(thing, workloads):
    """A Service, a PodMonitor, a NetworkPolicy or a PodDisruptionBudget has to select something."""
    spec = thing.document.get("spec") or {}
    selectors = {
        "Service": {"matchLabels": spec.get("selector")},
        "PodMonitor": spec.get("selector"),
        "NetworkPolicy": spec.get("podSelector"),
        "PodDisruptionBudget": spec.get("selector"),
    }
    if thing.kind not in selectors:
        return
    selected = [workload for workload in workloads if _matches(selectors[thing.kind] or {}, workload.labels)]
    if not selected:
        yield thing.problem("spec.selector", "selector", "selects no pods")
    for workload in selected:
        yield from _selected_ports(thing, workload)
        yield from _target_labels(thing, workload)


def _selected_ports(thing, workload):
    names = {
        port.get("name") for _, container in workload.containers() for port in container.get("ports") or []
    }
    if thing.kind == "Service":
        wanted = [
            (f"spec.ports[{port.get('name')}].targetPort", port.get("targetPort"))
            for port in thing.document["spec"]["ports"]
        ]
    else:
        wanted = [
            ("spec.podMetricsEndpoints.port", end.get("port"))
            for end in thing.document["spec"].get("podMetricsEndpoints", [])
        ]
    for path, name in wanted:
        if isinstance(name, str) and name not in names:
            yield thing.problem(
                path, "selector", f"the pods of {workload.kind}/{workload.name} have no port {name}"
            )


def _target_labels(thing, workload):
    labels = thing.document["spec"].get("podTargetLabels")
    if labels and not set(labels) & set(workload.labels):
        yield thing.problem(
            "spec.podTargetLabels",
            "selector",
            f"the pods of {workload.kind}/{workload.name} have none of these labels",
        )
