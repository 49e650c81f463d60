"""Where the containers of a pod get their programs from: a build, or the root of an image."""

import os
import re
import shlex
import shutil
import socket
import subprocess
from pathlib import Path

from k8s.arguments import command_of
from k8s.volumes import Volumes


def free_port():
    with socket.socket(socket.AF_INET6) as probe:
        probe.bind(("::", 0))
        return probe.getsockname()[1]


class BuiltPrograms:
    """Runs the programs of a build; a volume is a folder of ours instead of its mount path."""

    def __init__(self, bin_dir, also=()):
        """`also`: folders with programs that are not ours."""
        self._folders = [Path(folder).resolve() for folder in (bin_dir, *also)]
        self._ports = {}

    def prepare(self, workload, objects, work, secrets):
        self.volumes = Volumes(workload, objects, work / "volumes", secrets)

    def add_volume(self, name, folder):
        """A folder of ours that a container can mount, too."""
        self.volumes.folders[name] = folder

    def port(self, number):
        """Ports of the pod are other ones here, since the machine's may be taken."""
        return self._ports.setdefault(number, free_port())

    def _words(self, container, words):
        words = [self.volumes.rebase(container, word) for word in words]
        return [re.sub(r":(180\d\d)$", lambda match: f":{self.port(int(match[1]))}", word) for word in words]

    def _program(self, name):
        for folder in self._folders:
            if (folder / Path(name).name).exists():
                return str(folder / Path(name).name)
        raise FileNotFoundError(f"no program {name} in {', '.join(map(str, self._folders))}")

    def _environment(self, container):
        said = {entry["name"]: entry["value"] for entry in container.get("env") or [] if "value" in entry}
        # Where shmemctl looks by itself.
        endpoint = {"SHMEMD_ENDPOINT": "unix:" + self.volumes.rebase(container, "/run/shmemd/api.sock")}
        return {**os.environ, **endpoint, **said}

    def _command(self, container, words):
        return [self._program(words[0]), *self._words(container, words[1:])]

    def start(self, container, log):
        return subprocess.Popen(
            self._command(container, command_of(container)),
            env=self._environment(container),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )

    def run(self, container, words, timeout):
        """A command in the container, as of an exec probe or kubectl exec: the exit code and what it printed."""
        try:
            run = subprocess.run(
                self._command(container, words),
                env=self._environment(container),
                timeout=timeout,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return -1, f"no answer within {timeout} s"
        return run.returncode, run.stdout + run.stderr

    def isolation_of(self, container, process):
        """What is wrong with how a container runs."""
        return []


class ImagePrograms(BuiltPrograms):
    """Runs the programs of an image's root as the pod's users, each container in a mount namespace of its own: the root
    read-only, its volumes where the manifest mounts them. Needs root."""

    def __init__(self, root):
        super().__init__("/")
        self._root = Path(root).resolve()

    def prepare(self, workload, objects, work, secrets):
        self.volumes = Volumes(workload, objects, work / "volumes", secrets, rebase=False)
        self._context = workload.pod.get("securityContext") or {}
        (work / "volumes").chmod(0o755)
        work.chmod(0o755)
        for folder in self.volumes.folders.values():
            self._give_to_group(folder)

    def add_volume(self, name, folder):
        super().add_volume(name, folder)
        self._give_to_group(folder)

    def _give_to_group(self, folder):
        """As kubelet does with fsGroup."""
        for path in (folder, *folder.iterdir()):
            shutil.chown(path, 0, self._context["fsGroup"])
            path.chmod(0o2770 if path.is_dir() else 0o440)

    def _inside(self, path):
        return self._root / path.lstrip("/")

    def _user(self, container):
        context = {**self._context, **(container.get("securityContext") or {})}
        return context["runAsUser"], context["runAsGroup"]

    def _command(self, container, words):
        root, script = shlex.quote(str(self._root)), ["set -e"]
        script.append(f"mount --bind {root} {root}")
        for name in ("proc", "dev"):
            script.append(f"mount --rbind /{name} {root}/{name}")
        for mount in container.get("volumeMounts") or []:
            target = shlex.quote(str(self._inside(mount["mountPath"])))
            script.append(f"mkdir -p {target}")
            script.append(f"mount --bind {shlex.quote(str(self.volumes.folders[mount['name']]))} {target}")
            if mount.get("readOnly"):
                script.append(f"mount -o remount,bind,ro {target}")
        script.append(f"mount -o remount,bind,ro {root}")
        user, group = self._user(container)
        groups = self._context["fsGroup"]
        script.append(f'exec chroot --userspec={user}:{group} --groups={groups} {root} "$@"')
        return [
            "unshare",
            "--mount",
            "sh",
            "-c",
            "\n".join(script),
            "sh",
            words[0],
            *self._words(container, words[1:]),
        ]

    def _environment(self, container):
        return {entry["name"]: entry["value"] for entry in container.get("env") or [] if "value" in entry} | {
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"
        }

    def isolation_of(self, container, process):
        status = Path(f"/proc/{process.pid}/status").read_text()
        users = set(re.search(r"^Uid:\s(.*)$", status, re.MULTILINE)[1].split())
        capabilities = re.search(r"^CapEff:\s(\w+)$", status, re.MULTILINE)[1]
        mounts = [line.split() for line in Path(f"/proc/{process.pid}/mountinfo").read_text().splitlines()]
        roots = [words[5].split(",") for words in mounts if words[4] == "/"]
        wrong = []
        if users != {str(self._user(container)[0])}:
            wrong.append(f"runs as user {users}")
        if int(capabilities, 16):
            wrong.append(f"has the capabilities {capabilities}")
        if not roots or "ro" not in roots[-1]:
            wrong.append("has a root that it can write to")
        return wrong
