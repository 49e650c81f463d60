#!/usr/bin/env python3
"""Writes policy.yaml: the sidecars of overlays/qemu, with exec probes, as a policy that puts them into virt-launcher pods.

usage: make_policy.py            writes it
       make_policy.py --check    ends with 1 unless it is as it would be written
"""

import copy
import json
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[3] / "scripts"))

from k8s import manifests  # noqa: E402

MADE = HERE / "policy.yaml"
USER = 107  # QEMU's in virt-launcher, and the pod's fsGroup
# Fields whose keys are data: maps in CEL, where everything else is an object with fields.
MAPS = {"limits", "requests"}
SOCKETS = {"name": "vhost-user", "mountPath": "/run/vhost-user"}
TEXT = """\
# Made from sidecars by make_policy.py beside it.
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicy
metadata:
  name: shmemd-virt-launcher
  annotations:
    shmem.vhost/kubernetes: "1.36"
spec:
  failurePolicy: Fail
  reinvocationPolicy: Never
  matchConstraints:
    objectSelector:
      matchLabels:
        kubevirt.io: virt-launcher
        shmem.vhost/shmemd: "true"
    resourceRules:
      - apiGroups: [""]
        apiVersions: [v1]
        operations: [CREATE]
        resources: [pods]
  matchConditions:
    - name: has-no-shmemd-yet
      expression: '!has(object.spec.initContainers) || !object.spec.initContainers.exists(c, c.name == "shmemd")'
  mutations:
    - patchType: JSONPatch
      jsonPatch:
        expression: |
%s
---
# Only in namespaces that ask for it.
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicyBinding
metadata:
  name: shmemd-virt-launcher
  annotations:
    shmem.vhost/kubernetes: "1.36"
spec:
  policyName: shmemd-virt-launcher
  matchResources:
    namespaceSelector:
      matchLabels:
        shmem.vhost/inject: "true"
"""


def cel(value, kind, depth):
    """A value as CEL writes it; `kind` is the type of an object, after the path of its field."""
    margin = "  " * (depth + 1)
    if isinstance(value, list):
        inner = ",\n".join(margin + cel(entry, kind, depth + 1) for entry in value)
        return f"[\n{inner}\n{'  ' * depth}]"
    if not isinstance(value, dict):
        return json.dumps(value)
    if kind.rpartition(".")[2] in MAPS:
        return json.dumps(value)
    inner = ",\n".join(
        f"{margin}{key}: {cel(entry, f'{kind}.{key}', depth + 1)}" for key, entry in value.items()
    )
    return f"{kind}{{\n{inner}\n{'  ' * depth}}}" if value else f"{kind}{{}}"


def addition(path, value, kind):
    return f'JSONPatch{{\n  op: "add",\n  path: {path},\n  value: {cel(value, kind, 1)}\n}}'


def expression(pod):
    empty = 'JSONPatch{op: "add", path: "/spec/initContainers", value: []}'
    compute = addition(
        '"/spec/containers/" + string(i) + "/volumeMounts/-"', SOCKETS, "Object.spec.containers.volumeMounts"
    )
    additions = [
        addition(f'"/spec/initContainers/{number}"', container, "Object.spec.initContainers")
        for number, container in enumerate(pod["initContainers"])
    ]
    additions += [addition('"/spec/volumes/-"', volume, "Object.spec.volumes") for volume in pod["volumes"]]
    return "\n".join(
        [
            f"(has(object.spec.initContainers) ? [] : [{empty}]) +",
            "[",
            indented(",\n".join(additions), 2),
            "] +",
            "// QEMU runs in the container compute, wherever it stands.",
            '[0, 1, 2, 3, 4, 5, 6, 7].filter(i, i < size(object.spec.containers) && object.spec.containers[i].name == "compute")',
            "  .map(i, " + indented(compute, 4).lstrip() + ")",
        ]
    )


def indented(text, columns):
    return "\n".join(" " * columns + line if line else "" for line in text.splitlines())


def sidecars():
    """Those of the pod with QEMU, for QEMU's user in virt-launcher."""
    workload = next(thing for thing in manifests.build(HERE / "sidecars") if thing.kind == "Deployment")
    pod = copy.deepcopy(workload.pod)
    for container in pod["initContainers"]:
        container["securityContext"].update(
            runAsUser=USER, runAsGroup=USER, runAsNonRoot=True, seccompProfile={"type": "RuntimeDefault"}
        )
    return pod


def main():
    if sys.argv[1:] not in ([], ["--check"]):
        sys.exit(__doc__)
    made = TEXT % indented(expression(sidecars()), 10)
    if not sys.argv[1:]:
        MADE.write_text(made)
    elif not MADE.exists() or MADE.read_text() != made:
        sys.exit(f"{MADE}: not as sidecars says; run make_policy.py")


if __name__ == "__main__":
    main()
