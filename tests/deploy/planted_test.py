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

OVERLAYS = ROOT / "deploy" / "k8s" / "overlays"
GONE = object()  # the value of what is taken away

# (path below the pod's spec, value, rule)
POD_MISTAKES = [
    ("hostNetwork", True, "hostNamespaces"),
    ("hostPID", True, "hostNamespaces"),
    ("hostIPC", True, "hostNamespaces"),
    ("securityContext.windowsOptions", {"hostProcess": True}, "windowsHostProcess"),
    ("securityContext.sysctls", [{"name": "kernel.msgmax", "value": "65536"}], "sysctls"),
    ("securityContext.runAsNonRoot", False, "runAsNonRoot"),
    ("securityContext.runAsUser", 0, "runAsUser"),
    ("securityContext.seccompProfile", {"type": "Unconfined"}, "seccompProfile"),
    ("securityContext.seLinuxOptions", {"type": "spc_t"}, "seLinuxOptions"),
    ("securityContext.seLinuxOptions", {"user": "system_u"}, "seLinuxOptions"),
    ("securityContext.seLinuxOptions", {"role": "system_r"}, "seLinuxOptions"),
    ("securityContext.appArmorProfile", {"type": "Unconfined"}, "appArmorProfile"),
    ("volumes[backends]", {"name": "backends", "hostPath": {"path": "/run"}}, "hostPathVolumes"),
    ("volumes[backends]", {"name": "backends", "nfs": {"server": "a", "path": "/b"}}, "restrictedVolumes"),
    ("volumes[backends]", {"name": "backends", "gitRepo": {"repository": "a"}}, "restrictedVolumes"),
    ("volumes[backends]", GONE, "reference"),
    ("volumes[other]", {"name": "other", "emptyDir": {}}, "unused"),
    ("volumes[shmemd-config].configMap.name", "shmem", "reference"),
    ("volumes[shmemd-config].configMap.items", [{"key": "shmem.yaml", "path": "shmemd.yaml"}], "reference"),
    ("volumes[backends]", {"name": "backends", "secret": {"secretName": "none"}}, "reference"),
    ("serviceAccountName", "nobody", "reference"),
    ("automountServiceAccountToken", GONE, "token"),
    ("containers[vmm].name", "backend", "duplicate"),
    ("containers[vmm].image", "localhost/shmemd", "image"),
    ("containers[vmm].image", "localhost/shmemd:latest", "image"),
    ("containers[vmm].image", "localhost/shmemd:0.0.9", "image"),
    ("containers[vmm].envFrom", [{"configMapRef": {"name": "none"}}], "reference"),
    ("containers[vmm].env", [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "none", "key": "a"}}}], "reference"),
    ("containers[vmm].args", ["--conect=/run/vhost-user/demo.sock"], "arguments"),
    ("containers[vmm].args", [], "arguments"),
    ("containers[backend].args", ["--socket=/run/backends/demo.sock", "--onec"], "arguments"),
    ("containers[backend].command", ["/bin/sh"], "arguments"),
    ("initContainers[shmemd].args", ["--relya=a=/b,/c"], "arguments"),
    ("initContainers[shmemd].args", ["--config=/etc/shmemd/other.yaml"], "arguments"),
    ("initContainers[shmemd].args", ["--config=/etc/shmemd/shmemd.yaml", "--metrics-listen=there"], "arguments"),
    ("initContainers[shmemd].startupProbe.httpGet.port", "metric", "reference"),
    ("initContainers[shmemd].startupProbe", GONE, "sidecar"),
    ("initContainers[shmemd].startupProbe", {"exec": {"command": ["/usr/bin/shmemctl", "helth"]}}, "arguments"),
    ("initContainers[shmemd].startupProbe", {"exec": {"command": ["shmemctl", "health"]}}, "arguments"),
    ("initContainers[shmemd].restartPolicy", GONE, "sidecar"),
    ("initContainers[shmemd].livenessProbe", {"httpGet": {"port": 18044}}, "relay"),
    ("initContainers[shmemd].resources.limits.memory", "128Mi", "relay"),
    ("initContainers[shmemd].resources.limits.cpu", "1", "relay"),
    ("initContainers[shmemd].resorces", {}, "schema of Kubernetes 1.29"),
    ("initContainers[shmemd].ports[metrics].containerPort", "18044", "schema of Kubernetes 1.37"),
    ("securityContext.fsGroup", GONE, "sidecar"),
    ("securityContext.runAsuser", 1, "schema of Kubernetes 1.37"),
]

# The same in a container of each kind. What is gone is gone from the pod, too.
CONTAINER_MISTAKES = [
    ("securityContext", GONE, "allowPrivilegeEscalation"),
    ("securityContext", GONE, "capabilities"),
    ("securityContext", GONE, "readOnlyRoot"),
    ("securityContext.privileged", True, "privileged"),
    ("securityContext.allowPrivilegeEscalation", GONE, "allowPrivilegeEscalation"),
    ("securityContext.allowPrivilegeEscalation", True, "allowPrivilegeEscalation"),
    ("securityContext.capabilities", GONE, "capabilities"),
    ("securityContext.capabilities.drop", ["NET_RAW"], "capabilities"),
    ("securityContext.capabilities.add", ["SYS_ADMIN"], "capabilities"),
    ("securityContext.procMount", "Unmasked", "procMount"),
    ("securityContext.runAsNonRoot", False, "runAsNonRoot"),
    ("securityContext.runAsNonRoot", GONE, "runAsNonRoot"),
    ("securityContext.runAsUser", 0, "runAsUser"),
    ("securityContext.runAsUser", GONE, "user"),
    ("securityContext.seccompProfile", {"type": "Unconfined"}, "seccompProfile"),
    ("securityContext.seccompProfile", GONE, "seccompProfile"),
    ("securityContext.seLinuxOptions", {"type": "spc_t"}, "seLinuxOptions"),
    ("securityContext.appArmorProfile", {"type": "Unconfined"}, "appArmorProfile"),
    ("securityContext.windowsOptions", {"hostProcess": True}, "windowsHostProcess"),
    ("securityContext.readOnlyRootFilesystem", False, "readOnlyRoot"),
    ("ports", [{"containerPort": 1, "hostPort": 1}], "hostPorts"),
    ("livenessProbe", {"tcpSocket": {"host": "10.0.0.1", "port": 1}}, "hostProbesAndHostLifecycle"),
    ("lifecycle", {"preStop": {"httpGet": {"host": "10.0.0.1", "port": 1}}}, "hostProbesAndHostLifecycle"),
    ("volumeMounts", [{"name": "nowhere", "mountPath": "/x"}], "reference"),
    ("resources", GONE, "resources"),
]

# (overlay, kind/name, path below the object, value, rule)
OBJECT_MISTAKES = [
    ("demo", "Deployment/shmemd-demo", "spec.replica", 1, "schema of Kubernetes 1.29"),
    ("demo", "Deployment/shmemd-demo", "spec.replicas", "1", "schema of Kubernetes 1.37"),
    ("demo", "Deployment/shmemd-demo", "apiVersion", "apps/v2", "schema of Kubernetes 1.37"),
    ("demo", "Deployment/shmemd-demo", "spec.selector.matchLabels", {"app": "x"}, "selector"),
    ("demo", "Deployment/shmemd-demo", "metadata.annotations", {pod_security.EXEMPT: "runAsUser"}, "exemption"),
    ("demo", "Deployment/shmemd-demo", "spec.template.metadata.annotations",
     {pod_security.APPARMOR_ANNOTATION + "vmm": "unconfined"}, "appArmorProfile"),
    ("demo", "Deployment/shmemd-demo", "spec.template.metadata.annotations",
     {pod_security.SECCOMP_ANNOTATIONS[0]: "unconfined"}, "seccompProfile"),
    ("demo", "ConfigMap/shmemd", "data", {"shmemd.yaml": "backends: [{id: a, mode: relay, fontend: {listen: /a}}]"}, "arguments"),
    ("demo", "ConfigMap/shmemd", "metadata.name", "shmemd1", "reference"),
    ("node", "DaemonSet/shmemd", "metadata.annotations", GONE, "hostPathVolumes"),
    ("node", "DaemonSet/shmemd", "metadata.annotations", {pod_security.EXEMPT: "hostPathVolumes, runAsUser"}, "exemption"),
    ("node", "Namespace/shmemd-node", "metadata.labels", {pod_security.ENFORCE: "restricted"}, "hostPathVolumes"),
    ("tls", "Service/shmemd-api", "spec.selector", {"app": "x"}, "selector"),
    ("tls", "Service/shmemd-api", "spec.ports", [{"name": "a", "port": 1, "targetPort": "grpc"}], "selector"),
    ("tls", "Service/shmemd-api", "spec.clusterIp", "None", "schema of Kubernetes 1.37"),
    ("tls", "PodMonitor/shmemd", "spec.selector.matchLabels", {"app": "x"}, "selector"),
    ("tls", "PodMonitor/shmemd", "spec.podMetricsEndpoints", [{"port": "metric"}], "selector"),
    ("tls", "PodMonitor/shmemd", "spec.podTargetLabels", ["vm"], "selector"),
    ("tls", "PodMonitor/shmemd", "spec.podMetricEndpoints", [], "schema of the custom resource"),
    ("tls", "PodMonitor/shmemd", "spec.podMetricsEndpoints", [{"port": "metrics", "interval": "15"}], "schema of the custom resource"),
    ("tls", "PodMonitor/shmemd", "kind", "PodMonitors", "schema of the custom resource"),
    ("tls", "PrometheusRule/shmemd", "spec.groups", [{"name": "a", "rules": [{"alert": "A", "expr": "1", "fro": "1m"}]}],
     "schema of the custom resource"),
    ("tls", "PrometheusRule/shmemd", "spec.groups", [{"name": "a", "rules": [{"expr": "1"}]}], "schema of the custom resource"),
    ("tls", "Certificate/shmemd-tls", "spec.secretname", "a", "schema of the custom resource"),
    ("tls", "Certificate/shmemd-tls", "spec.secretName", "a", "reference"),
    ("tls", "Certificate/shmemd-tls", "spec.issuerRef.name", "nobody", "reference"),
    ("tls", "Issuer/shmemd", "spec.ca.secretName", "none", "reference"),
]

# (file below deploy, what stands there, what is put there instead, overlay, what the line has to name)
FILE_MISTAKES = [
    ("k8s/overlays/demo/deployment.yaml", "automountServiceAccountToken", "automountServiceAcountToken", "demo",
     "k8s/overlays/demo/deployment.yaml.*: Deployment/shmemd-demo: spec.template.spec: "
     r"\[schema of Kubernetes 1.29\].*automountServiceAcountToken"),
    ("k8s/overlays/demo/deployment.yaml", "            <<: *restricted\n", "", "demo",
     r"k8s/overlays/demo/deployment.yaml.*containers\[vmm\].securityContext.capabilities.drop: \[capabilities\]"),
    ("k8s/base/sidecar.yaml", "path: /readyz", "pathe: /readyz", "demo",
     r"k8s/overlays/demo/deployment.yaml, patched by .*k8s/base,.*\[schema of Kubernetes 1.37\].*pathe"),
    ("k8s/base/sidecar.yaml", "--api-listen=", "--api-lisen=", "demo", r"\[arguments\] shmemd: .*api-lisen"),
    ("k8s/overlays/demo/shmemd.yaml", "frontend:", "fontend:", "demo", r"\[arguments\] shmemd: .*fontend"),
    ("k8s/components/exec-probes/probes.yaml", "--timeout=3s", "--timeut=3s", "tls", r"startupProbe.*\[arguments\] shmemctl.*timeut"),
    ("k8s/components/grpc-tls/arguments.yaml", "--tls-client-ca=/etc/shmemd-tls/ca.crt", "--tls-client-ca=/etc/shmemd/ca.crt",
     "tls", r"initContainers\[shmemd\].args: \[arguments\]"),
    ("k8s/components/monitoring/podmonitor.yaml", "port: metrics", "prot: metrics", "tls", "monitoring/podmonitor.yaml.*prot"),
    ("k8s/base/kustomization.yaml", "patches:", "patchs:", "demo", "patchs"),
    ("k8s/overlays/demo/kustomization.yaml", "- deployment.yaml", "- deplyment.yaml", "demo", "deplyment.yaml"),
]


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
        return check_manifests.object_problems(objects, self._programs if ask_programs else None, self._secrets)

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
    for kind, which in (("initContainers", "shmemd"), ("containers", "vmm"), ("ephemeralContainers", "debug")):
        for path, value, rule in CONTAINER_MISTAKES:
            objects, workload = planter.workload("demo", name)
            allow_new_fields(workload, rule)
            if which == "debug":
                workload.pod[kind] = [{**copy.deepcopy(workload.pod["containers"][-1]), "name": which}]
            place(_entry(workload.pod[kind], which), path, value)
            if value is GONE:
                place(workload.pod, path, value)
            found = planter.problems(objects, ask_programs=False)
            planter.expect(f"{kind}[{which}].{path}: {value}", found, line_of(name, f"{kind}[{which}]", rule), rule)


def plant_in_objects(planter):
    for overlay, name, path, value, rule in OBJECT_MISTAKES:
        objects, thing = planter.workload(overlay, name)
        place(thing.document, path, value)
        planter.expect(f"{overlay}, {name}, {path}: {value}", planter.problems(objects), rf"\[{re.escape(rule)}\]", rule)
    objects, thing = planter.workload("demo", "ConfigMap/shmemd")
    planter.expect("the same object twice", planter.problems([*objects, thing]), r"ConfigMap/shmemd: .*\[duplicate\]", "duplicate")


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
        planter.expect("a component that nobody uses", list(check_manifests.unreached(deploy)), r"exec-probes: .*\[unused\]")


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
