"""The Restricted Pod Security Standard, all of its rules and those of Baseline that it builds on, by the names that
Kubernetes' own admission gives them. Stricter than a recent Kubernetes where the oldest that we support is: no image
volumes, no sysctls that became safe later, no old seccomp annotations; and nothing is let through for Windows.

A workload that cannot keep a rule names it in the annotation shmem.vhost/pod-security-exempt, which holds only in a
namespace that enforces `privileged`, and only while it breaks the rule.
"""

RULES = {
    "allowPrivilegeEscalation",
    "appArmorProfile",
    "capabilities",
    "hostNamespaces",
    "hostPathVolumes",
    "hostPorts",
    "hostProbesAndHostLifecycle",
    "privileged",
    "procMount",
    "restrictedVolumes",
    "runAsNonRoot",
    "runAsUser",
    "seLinuxOptions",
    "seccompProfile",
    "sysctls",
    "windowsHostProcess",
}
EXEMPT = "shmem.vhost/pod-security-exempt"
ENFORCE = "pod-security.kubernetes.io/enforce"
VOLUMES = {
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
}
SELINUX_TYPES = {None, "", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"}
# Those that the oldest Kubernetes that we support takes for safe.
SYSCTLS = {
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ping_group_range",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_syncookies",
}
PROBES = ("startupProbe", "readinessProbe", "livenessProbe")
APPARMOR_ANNOTATION = "container.apparmor.security.beta.kubernetes.io/"
SECCOMP_ANNOTATIONS = (
    "seccomp.security.alpha.kubernetes.io/pod",
    "container.seccomp.security.alpha.kubernetes.io/",
)
ABSENT = (None, "", 0, False)


def problems(objects):
    levels = [
        thing.document["metadata"].get("labels", {}).get(ENFORCE)
        for thing in objects
        if thing.kind == "Namespace"
    ]
    for thing in objects:
        if hasattr(thing, "pod"):
            yield from _after_exemptions(thing, "privileged" in levels)


def _after_exemptions(workload, privileged):
    words = workload.document["metadata"].get("annotations", {}).get(EXEMPT, "")
    exempt = {word.strip() for word in words.split(",") if word.strip()}
    path = f"metadata.annotations.{EXEMPT}"
    if exempt and not privileged:
        yield workload.problem(path, "exemption", f"needs a Namespace with {ENFORCE}: privileged beside it")
        exempt = set()
    broken = set()
    for problem in _workload_problems(workload):
        broken.add(problem.rule)
        if problem.rule not in exempt:
            yield problem
    for rule in sorted(exempt - broken):
        yield workload.problem(path, "exemption", f"{rule} is kept, so it needs none")


def _workload_problems(workload):
    """Each problem as the admission would name it."""
    for path, rule, message in _pod_rules(workload):
        yield workload.problem(f"{workload.pod_path}{path}", rule, message)
    for path, rule, message in _annotation_rules(workload.annotations):
        yield workload.problem(f"{workload.template_path}.metadata{path}".lstrip("."), rule, message)
    context = workload.pod.get("securityContext") or {}
    for base, container in workload.containers():
        for path, rule, message in _container_rules(context, container):
            yield workload.problem(f"{base}{path}", rule, message)


def _pod_rules(workload):
    pod, context = workload.pod, workload.pod.get("securityContext") or {}
    for name in ("hostNetwork", "hostPID", "hostIPC"):
        if pod.get(name) not in ABSENT:
            yield f".{name}", "hostNamespaces", "has to be false"
    for volume in pod.get("volumes") or []:
        yield from _volume_rules(volume)
    for sysctl in context.get("sysctls") or []:
        if sysctl.get("name") not in SYSCTLS:
            yield ".securityContext.sysctls", "sysctls", f"{sysctl.get('name')} is none of the safe ones"
    yield from _shared_rules(context)
    if context.get("runAsNonRoot") is False:
        yield ".securityContext.runAsNonRoot", "runAsNonRoot", "has to be true"


def _volume_rules(volume):
    path = f".volumes[{volume.get('name')}]"
    kinds = set(volume) - {"name"}
    if "hostPath" in kinds:
        yield path, "hostPathVolumes", "hostPath is not allowed"
    for kind in sorted(kinds - VOLUMES - {"hostPath"}):
        yield path, "restrictedVolumes", f"{kind} is not allowed"


def _annotation_rules(annotations):
    for name, value in annotations.items():
        safe = value in ("", "runtime/default") or value.startswith("localhost/")
        if name.startswith(APPARMOR_ANNOTATION) and not safe:
            yield f".annotations.{name}", "appArmorProfile", f"{value} is not allowed"
        if name.startswith(SECCOMP_ANNOTATIONS) and value == "unconfined":
            yield f".annotations.{name}", "seccompProfile", f"{value} is not allowed"


def _shared_rules(context):
    """What holds for the securityContext of a pod as for that of a container."""
    options = context.get("seLinuxOptions") or {}
    if options.get("type") not in SELINUX_TYPES:
        yield ".securityContext.seLinuxOptions.type", "seLinuxOptions", f"{options['type']} is not allowed"
    for name in ("user", "role"):
        if options.get(name) not in ABSENT:
            yield f".securityContext.seLinuxOptions.{name}", "seLinuxOptions", "has to be unset"
    if (context.get("windowsOptions") or {}).get("hostProcess") not in ABSENT:
        yield ".securityContext.windowsOptions.hostProcess", "windowsHostProcess", "has to be false"
    if context.get("runAsUser") == 0:
        yield ".securityContext.runAsUser", "runAsUser", "has to be another user than 0"
    for name, rule in (("appArmorProfile", "appArmorProfile"), ("seccompProfile", "seccompProfile")):
        profile = context.get(name)
        if profile is not None and profile.get("type") not in ("RuntimeDefault", "Localhost"):
            yield f".securityContext.{name}", rule, "has to be RuntimeDefault or Localhost"


def _container_rules(pod_context, container):
    context = container.get("securityContext") or {}
    yield from _shared_rules(context)
    if context.get("privileged") not in ABSENT:
        yield ".securityContext.privileged", "privileged", "has to be false"
    if context.get("procMount") not in (None, "Default"):
        yield ".securityContext.procMount", "procMount", "has to be Default"
    if context.get("allowPrivilegeEscalation") is not False:
        yield ".securityContext.allowPrivilegeEscalation", "allowPrivilegeEscalation", "has to be false"
    # The container's own word counts, else the pod's.
    if context.get("runAsNonRoot", pod_context.get("runAsNonRoot")) is not True:
        yield ".securityContext.runAsNonRoot", "runAsNonRoot", "has to be true, here or for the pod"
    if not (context.get("seccompProfile") or pod_context.get("seccompProfile")):
        yield ".securityContext.seccompProfile", "seccompProfile", "has to be set, here or for the pod"
    yield from _capability_rules(context.get("capabilities") or {})
    yield from _port_rules(container)


def _capability_rules(capabilities):
    if "ALL" not in (capabilities.get("drop") or []):
        yield ".securityContext.capabilities.drop", "capabilities", "has to have ALL"
    for name in capabilities.get("add") or []:
        if name != "NET_BIND_SERVICE":
            yield ".securityContext.capabilities.add", "capabilities", f"{name} is not allowed"


def _port_rules(container):
    for port in container.get("ports") or []:
        if port.get("hostPort") not in ABSENT:
            yield f".ports[{port.get('name', port['containerPort'])}].hostPort", "hostPorts", "has to be unset"
    hooks = [(name, container.get(name) or {}) for name in PROBES]
    hooks += [
        (f"lifecycle.{name}", hook)
        for name, hook in (container.get("lifecycle") or {}).items()
        if isinstance(hook, dict)
    ]
    for name, hook in hooks:
        for action in ("httpGet", "tcpSocket"):
            if (hook.get(action) or {}).get("host") not in ABSENT:
                yield f".{name}.{action}.host", "hostProbesAndHostLifecycle", "has to be unset"
