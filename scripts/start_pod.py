#!/usr/bin/env python3
"""Starts the containers of a manifest's pods by hand, in kubelet's order, to show that they come up without a deadlock.

usage: start_pod.py FOLDER --bin-dir DIR       the programs of a build; volumes and ports are rebased
       start_pod.py FOLDER --image-root DIR    the programs of a mounted image, in a chroot, as the pod's user (root)

Kubelet's order: init containers one after the other, a sidecar (restartPolicy Always) counts as done once its
startupProbe succeeds; then the containers; at the end the containers first, then the sidecars in reverse.
Exits 1 when something does not start, become ready or end in time, or when no mapping shows in /metrics.
"""
import argparse
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

import manifests

ENTRYPOINT = ["/usr/bin/shmemd"]  # the Dockerfile's
DEADLINE_SECONDS = 30


class PodFailed(Exception):
    pass


def free_port():
    with socket.socket(socket.AF_INET6) as probe:
        probe.bind(("::", 0))
        return probe.getsockname()[1]


def http_ok(port, path):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=2) as answer:
            return answer.status == 200
    except (urllib.error.URLError, OSError):
        return False


def wait_until(what, condition, seconds, alive=lambda: None):
    end = time.monotonic() + seconds
    while not condition():
        alive()
        if time.monotonic() > end:
            raise PodFailed(f"no {what} within {seconds} s")
        time.sleep(0.05)


class BuiltPrograms:
    """Runs the programs of a build folder; a volume is a folder of ours instead of its mount path."""

    def __init__(self, bin_dir):
        self.bin_dir, self.volumes, self.ports = Path(bin_dir).resolve(), {}, {}

    def prepare(self, pod, work):
        for volume in pod.get("volumes", []):
            self.volumes[volume["name"]] = work / volume["name"]
            self.volumes[volume["name"]].mkdir(mode=0o770)

    def rebase(self, container, text):
        for mount in container.get("volumeMounts", []):
            text = text.replace(mount["mountPath"], str(self.volumes[mount["name"]]))
        return re.sub(r":(180\d\d)$", lambda match: f":{self.port(int(match[1]))}", text)

    def port(self, number):
        return self.ports.setdefault(number, free_port())

    def start(self, container, log):
        command = container.get("command", ENTRYPOINT)
        words = [str(self.bin_dir / Path(command[0]).name), *command[1:], *container.get("args", [])]
        words = [words[0]] + [self.rebase(container, word) for word in words[1:]]
        return subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)


class ImagePrograms(BuiltPrograms):
    """Runs the programs of an image's root, as the pod's user; a volume is a folder at its mount path."""

    def __init__(self, root):
        super().__init__("/")
        self.root = Path(root).resolve()

    def prepare(self, pod, work):
        self.user = pod["securityContext"]["runAsUser"]
        self.group = pod["securityContext"]["fsGroup"]
        for container in pod.get("initContainers", []) + pod["containers"]:
            for mount in container.get("volumeMounts", []):
                path = self.root / mount["mountPath"].lstrip("/")
                path.mkdir(parents=True, exist_ok=True)
                shutil.chown(path, 0, self.group)
                path.chmod(0o2770)

    def rebase(self, container, text):
        return re.sub(r":(180\d\d)$", lambda match: f":{self.port(int(match[1]))}", text)

    def start(self, container, log):
        words = container.get("command", ENTRYPOINT) + [self.rebase(container, arg) for arg in container.get("args", [])]
        return subprocess.Popen(["chroot", f"--userspec={self.user}:{self.group}", "--groups=", self.root, *words],
                                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)


class Container:
    def __init__(self, spec, programs, work):
        self.name, self.spec, self.programs = spec["name"], spec, programs
        self.log_path = work / f"{self.name}.log"
        with open(self.log_path, "wb") as log:
            self.process = programs.start(spec, log)
        print(f"started {self.name}: {' '.join(map(str, self.process.args))}", flush=True)

    def check_alive(self):
        if self.process.poll() is not None:
            raise PodFailed(f"{self.name} ended with {self.process.returncode}")

    def wait_for_probe(self, kind):
        probe = self.spec.get(kind)
        if not probe:
            return
        get, began = probe["httpGet"], time.monotonic()
        number = next((port["containerPort"] for port in self.spec.get("ports", []) if port["name"] == get["port"]),
                      get["port"])
        allowed = probe.get("periodSeconds", 10) * probe.get("failureThreshold", 3)
        wait_until(f"{self.name} {kind}", lambda: http_ok(self.programs.port(number), get["path"]), allowed,
                   self.check_alive)
        print(f"{self.name}: {kind} succeeded after {time.monotonic() - began:.2f} s", flush=True)

    def end(self, grace_seconds):
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(grace_seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise PodFailed(f"{self.name} did not end within {grace_seconds} s of SIGTERM") from None
        if code not in (0, -signal.SIGTERM, 128 + signal.SIGTERM):
            raise PodFailed(f"{self.name} ended with {code}")
        print(f"{self.name}: ended", flush=True)


def run_init(spec, programs, work, running):
    container = Container(spec, programs, work)
    running.append(container)
    if spec.get("restartPolicy") == "Always":
        container.wait_for_probe("startupProbe")
    else:
        wait_until(f"end of {container.name}", lambda: container.process.poll() is not None, DEADLINE_SECONDS)
        if container.process.returncode != 0:
            raise PodFailed(f"{container.name} ended with {container.process.returncode}")
        running.remove(container)


def mapped_series(port):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            text = answer.read().decode()
    except OSError:
        return []
    return re.findall(r"^vhost_shmem_mapped_bytes\{.*\} [1-9].*$", text, re.MULTILINE)


def run_pod(pod, programs, work):
    running = []
    try:
        for spec in pod.get("initContainers", []):
            run_init(spec, programs, work, running)
        running += [Container(spec, programs, work) for spec in pod["containers"]]
        for container in running:
            container.wait_for_probe("startupProbe")
            container.wait_for_probe("readinessProbe")
        everyone = lambda: [container.check_alive() for container in running]
        wait_until("ready back-end", lambda: http_ok(programs.port(18044), "/readyz?backends"), DEADLINE_SECONDS,
                   everyone)
        wait_until("mapping in /metrics", lambda: mapped_series(programs.port(18044)), DEADLINE_SECONDS, everyone)
        print("\n".join(mapped_series(programs.port(18044))))
        mains = running[-len(pod["containers"]):]
        for container in mains + running[:-len(mains)][::-1]:
            container.end(pod.get("terminationGracePeriodSeconds", 30))
    except PodFailed:
        for container in running:
            print(f"-- {container.log_path.name}\n{container.log_path.read_text(errors='replace')[-4000:]}")
        raise
    finally:
        for container in running:
            if container.process.poll() is None:
                container.process.kill()
                container.process.wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--bin-dir")
    where.add_argument("--image-root")
    options = parser.parse_args()
    for name, pod in manifests.pod_specs(options.folder):
        programs = ImagePrograms(options.image_root) if options.image_root else BuiltPrograms(options.bin_dir)
        with tempfile.TemporaryDirectory(prefix="pod") as work:
            programs.prepare(pod, Path(work))
            try:
                run_pod(pod, programs, Path(work))
            except PodFailed as failure:
                sys.exit(f"{name}: {failure}")
            print(f"{name}: up and down in order")


if __name__ == "__main__":
    main()
