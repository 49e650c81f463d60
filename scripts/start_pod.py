#!/usr/bin/env python3
"""Starts the pods of an overlay by hand, in kubelet's order, to show that they come up without a deadlock and serve.

usage: start_pod.py FOLDER --bin-dir DIR       the programs of a build; volumes and ports are rebased
       start_pod.py FOLDER --image-root DIR    the programs of a mounted image, as the pod's users, read-only (root)

Kubelet's order: init containers one after the other, a sidecar (restartPolicy Always) counts as done once its
startupProbe succeeds; then the containers; at the end the containers first, then the sidecars in reverse.
Exits 1 when something does not start, become ready or end in time, when no mapping shows in /metrics, when the API does
not answer, or when shmemd needs more memory than we say.
"""

import argparse
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

from k8s import conventions, manifests
from k8s.programs import BuiltPrograms, ImagePrograms

sys.path.insert(0, str(manifests.ROOT / "tests" / "interop"))
from certificates import Authority  # noqa: E402

DEADLINE_SECONDS = 30
METRICS, ADMIN = 18044, 18046


class PodFailed(Exception):
    pass


def fetch(port, path):
    """What a GET answers, or nothing."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return answer.read().decode() or " "
    except (urllib.error.URLError, OSError):
        return ""


def wait_until(what, condition, seconds, alive=lambda: None):
    end = time.monotonic() + seconds
    while not condition():
        alive()
        if time.monotonic() > end:
            raise PodFailed(f"no {what} within {seconds} s")
        time.sleep(0.05)


class Container:
    """One container that runs."""

    def __init__(self, spec, programs, work):
        self.name, self.spec, self.programs = spec["name"], spec, programs
        self.log_path = work / f"{self.name}.log"
        with open(self.log_path, "wb") as log:
            self.process = programs.start(spec, log)
        print(
            f"started {self.name}: {' '.join([*spec.get('command', ['shmemd']), *spec.get('args', [])])}",
            flush=True,
        )

    def check_alive(self):
        if self.process.poll() is not None:
            raise PodFailed(f"{self.name} ended with {self.process.returncode}")

    def _succeeds(self, probe):
        if "exec" in probe:
            return (
                self.programs.run(self.spec, probe["exec"]["command"], probe.get("timeoutSeconds", 1))[0] == 0
            )
        get = probe["httpGet"]
        ports = {port["name"]: port["containerPort"] for port in self.spec.get("ports", [])}
        return bool(fetch(self.programs.port(ports.get(get["port"], get["port"])), get["path"]))

    def wait_for_probe(self, kind):
        probe, began = self.spec.get(kind), time.monotonic()
        if probe:
            allowed = probe.get("periodSeconds", 10) * probe.get("failureThreshold", 3)
            wait_until(f"{self.name} {kind}", lambda: self._succeeds(probe), allowed, self.check_alive)
            print(f"{self.name}: {kind} succeeded after {time.monotonic() - began:.2f} s", flush=True)

    def check_isolation(self):
        """Once the program has taken the place of what started it."""
        wrong = lambda: self.programs.isolation_of(self.spec, self.process)
        try:
            wait_until("isolation", lambda: not wrong(), DEADLINE_SECONDS, self.check_alive)
        except PodFailed:
            raise PodFailed(f"{self.name} {', '.join(wrong())}") from None

    def peak_mib(self):
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)[1]) / 1024

    def ask_to_end(self):
        self.process.send_signal(signal.SIGTERM)

    def wait_for_end(self, grace_seconds):
        try:
            code = self.process.wait(grace_seconds)
        except subprocess.TimeoutExpired:
            raise PodFailed(f"{self.name} did not end within {grace_seconds} s of SIGTERM") from None
        if code not in (0, -signal.SIGTERM, 128 + signal.SIGTERM):
            raise PodFailed(f"{self.name} ended with {code}")
        print(f"{self.name}: ended", flush=True)


class Pod:
    """One pod of a workload, up to its end."""

    def __init__(self, workload, programs, work):
        self.spec, self.programs, self.work = workload.pod, programs, work
        self.sidecars, self.mains = [], []

    @property
    def running(self):
        return self.sidecars + self.mains

    def check_alive(self):
        for container in self.running:
            container.check_alive()

    def start(self):
        for spec in self.spec.get("initContainers", []):
            self._start_init(spec)
        for spec in self.spec["containers"]:
            self.mains.append(Container(spec, self.programs, self.work))
        for container in self.running:
            container.wait_for_probe("startupProbe")
            container.wait_for_probe("readinessProbe")
            container.check_isolation()

    def _start_init(self, spec):
        container = Container(spec, self.programs, self.work)
        self.sidecars.append(container)
        if spec.get("restartPolicy") == "Always":
            container.wait_for_probe("startupProbe")
            return
        wait_until(f"end of {container.name}", lambda: container.process.poll() is not None, DEADLINE_SECONDS)
        self.sidecars.remove(container)
        if container.process.returncode != 0:
            raise PodFailed(f"{container.name} ended with {container.process.returncode}")

    def shmemd(self):
        return next(container for container in self.running if conventions.is_shmemd(container.spec))

    def end(self):
        grace = self.spec.get("terminationGracePeriodSeconds", 30)
        for group in (self.mains, *([sidecar] for sidecar in reversed(self.sidecars))):
            for container in group:
                container.ask_to_end()
            for container in group:
                container.wait_for_end(grace)

    def kill(self):
        for container in self.running:
            if container.process.poll() is None:
                container.process.kill()
                container.process.wait()

    def print_logs(self):
        for container in self.running:
            print(f"-- {container.log_path.name}\n{container.log_path.read_text(errors='replace')[-4000:]}")


def attach_peers(pod):
    """A pod that comes without peers, as one for a node, gets a VMM and a back-end, attached as an operator does it."""
    spec = pod.shmemd().spec
    attach = [
        "/usr/bin/shmemctl",
        "attach",
        "demo",
        "--relay",
        "/run/vhost-user/demo.sock,/run/backends/demo.sock",
        "--endpoint",
        "unix:/run/shmemd/admin.sock",
    ]
    code, text = pod.programs.run(spec, attach, DEADLINE_SECONDS)
    if code != 0:
        raise PodFailed(f"shmemctl attach: {text}")
    for program, argument in (
        ("backend", "--socket=/run/backends/demo.sock"),
        ("vmm", "--connect=/run/vhost-user/demo.sock"),
    ):
        peer = {**spec, "name": program, "command": [f"/usr/bin/shmem-demo-{program}"], "args": [argument]}
        pod.mains.insert(0, Container(peer, pod.programs, pod.work))


def check_serves(pod, mappings):
    """The back-end is there, mappings show in /metrics if there are any, the API tells the regions."""
    port, shmemd = pod.programs.port(METRICS), pod.shmemd()
    wait_until("ready back-end", lambda: fetch(port, "/readyz?backends"), DEADLINE_SECONDS, pod.check_alive)
    mapped = lambda: re.findall(
        r"^vhost_shmem_mapped_bytes\{.*\} [1-9].*$", fetch(port, "/metrics"), re.MULTILINE
    )
    if mappings:
        wait_until("mapping in /metrics", mapped, DEADLINE_SECONDS, pod.check_alive)
    print("\n".join(mapped()))
    code, text = pod.programs.run(shmemd.spec, ["/usr/bin/shmemctl", "regions"], DEADLINE_SECONDS)
    if code != 0 or "SHMID" not in text:
        raise PodFailed(f"shmemctl regions: {text}")
    print(text.rstrip())


def check_memory(pod, allowed_mib):
    peak = pod.shmemd().peak_mib()
    print(f"shmemd needed {peak:.1f} MiB at most; stated are {allowed_mib}")
    if peak > allowed_mib:
        raise PodFailed(f"shmemd needed {peak:.1f} MiB")


def check_mutual_tls(pod, authority):
    """Only a client with the name that the manifest lets in gets an answer."""
    spec, option = pod.shmemd().spec, "--api-admin-listen-identities="
    name = next((word.removeprefix(option) for word in spec["args"] if word.startswith(option)), None)
    if name is None:
        return
    authority.issue("right", [f"URI:{name}"])
    authority.issue("wrong", ["URI:spiffe://example.org/somebody"])
    pod.programs.add_volume("certificates", Path(authority.folder))
    client = {
        **spec,
        "volumeMounts": spec["volumeMounts"] + [{"name": "certificates", "mountPath": "/certificates"}],
    }
    answers = {}
    for who in ("right", "wrong", "no"):
        words = [
            "/usr/bin/shmemctl",
            "backends",
            "--server-name",
            "localhost",
            "--ca",
            "/certificates/ca.pem",
        ]
        if who != "no":
            words += ["--cert", f"/certificates/{who}.pem", "--key", f"/certificates/{who}.key"]
        code, text = pod.programs.run(client, [*words, "--endpoint", f"127.0.0.1:{ADMIN}"], DEADLINE_SECONDS)
        answers[who] = code == 0
        print(f"over mutual TLS, {who} certificate: {text.splitlines()[0]}")
    if answers != {"right": True, "wrong": False, "no": False}:
        raise PodFailed(f"mutual TLS lets in: {answers}")


def run_pod(workload, objects, programs, options, work):
    authority = Authority(work / "certificates")
    server = authority.server()
    secrets = {
        "shmemd-tls": {"tls.crt": server.certificate, "tls.key": server.key, "ca.crt": authority.certificate}
    }
    programs.prepare(workload, objects, work, secrets)
    pod = Pod(workload, programs, work)
    try:
        pod.start()
        if len(pod.running) == 1:
            attach_peers(pod)
        check_serves(pod, not options.no_mappings)
        check_mutual_tls(pod, authority)
        if not options.sanitized:
            check_memory(pod, conventions.SHMEMD_RSS_MIB)
        pod.end()
    except PodFailed:
        pod.print_logs()
        raise
    finally:
        pod.kill()


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder")
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--bin-dir", type=Path)
    where.add_argument("--image-root", type=Path)
    parser.add_argument("--also", action="append", default=[], help="folder with programs that are not ours")
    parser.add_argument(
        "--no-mappings", action="store_true", help="nothing is mapped, as without a driver in the guest"
    )
    parser.add_argument("--sanitized", action="store_true", help="a build that needs more memory")
    options = parser.parse_args()
    try:
        objects, count = manifests.build(options.folder), 0
    except manifests.BuildFailed as failure:
        sys.exit(f"{options.folder}: {failure}")
    for workload in (thing for thing in objects if hasattr(thing, "pod")):
        programs = (
            ImagePrograms(options.image_root)
            if options.image_root
            else BuiltPrograms(options.bin_dir, options.also)
        )
        with tempfile.TemporaryDirectory(prefix="pod") as work:
            try:
                run_pod(workload, objects, programs, options, Path(work))
            except PodFailed as failure:
                sys.exit(f"{options.folder}: {workload.kind}/{workload.name}: {failure}")
        print(f"{options.folder}: {workload.kind}/{workload.name}: up and down in order")
        count += 1
    sys.exit(0 if count else f"{options.folder}: no pods")


if __name__ == "__main__":
    main()
