"""A Debian tree with its own systemd as PID 1, in namespaces of its own: what a package does to a host, without one."""

import os
import signal
import subprocess
import time
from pathlib import Path

BOOT = Path(__file__).with_name("boot.sh")
DEADLINE_S = 60


class Failed(Exception):
    pass


def run(command, **options):
    """What a command prints, both streams. Failed: it ended with anything but 0."""
    words = [str(word) for word in command]
    result = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True,
                            check=False, **options)
    if result.returncode != 0:
        raise Failed(f"{' '.join(words)} ended with {result.returncode}:\n{result.stdout}")
    return result.stdout


def eventually(what, condition, seconds=DEADLINE_S):
    """What the condition came to, once it is true."""
    end = time.monotonic() + seconds
    while not (answer := condition()):
        if time.monotonic() > end:
            raise Failed(f"{what}: not within {seconds} s")
        time.sleep(0.05)
    return answer


class Cgroup:
    """A cgroup for all that runs in the host, so that its systemd makes its own below and nowhere else."""

    def __init__(self):
        mounts = [line.split() for line in Path("/proc/self/mounts").read_text(encoding="ascii").splitlines()]
        places = [Path(mount[1]) for mount in mounts if mount[2] == "cgroup2"]
        if not places:
            raise Failed("cgroup2 is mounted nowhere: no systemd can run here")
        self.path = places[0] / f"host-check-{os.getpid()}"
        self.path.mkdir()

    def take(self):
        """In the child, before it becomes another program."""
        (self.path / "cgroup.procs").write_text(str(os.getpid()), encoding="ascii")

    def remove(self):
        for folder, _, _ in os.walk(self.path, topdown=False):
            eventually(f"the end of {folder}", lambda place=folder: self._removed(place), 10)

    @staticmethod
    def _removed(folder):
        try:
            os.rmdir(folder)
        except OSError:
            return False
        return True


class BootedHost:
    """Runs from the beginning of the block to its end."""

    def __init__(self, root):
        self.root, self._cgroup, self._namespaces, self.pid = Path(root), None, None, None

    def __enter__(self):
        self._cgroup = Cgroup()
        # --kill-child: PID 1 ends with unshare, and everything with PID 1. The network is a loopback of its own.
        self._namespaces = subprocess.Popen(
            ["unshare", "--mount", "--cgroup", "--pid", "--net", "--ipc", "--uts", "--fork", "--kill-child", BOOT, self.root],
            stdin=subprocess.DEVNULL, preexec_fn=self._cgroup.take)
        try:
            self.pid = eventually("PID 1", self._first_child)
            eventually("the boot", self._is_up)
        except Failed:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self._namespaces.kill()
        self._namespaces.wait()
        if self.pid is not None:
            eventually("the end of PID 1", lambda: not Path(f"/proc/{self.pid}").exists(), 10)
        self._cgroup.remove()

    def _first_child(self):
        if self._namespaces.poll() is not None:
            raise Failed("the host ended while it booted")
        return next(iter(children_of(self._namespaces.pid)), None)

    def _is_up(self):
        try:
            return self.output("systemctl", "is-system-running").strip() in ("running", "degraded")
        except OSError:
            return False

    def command(self, *words, user=None, groups=()):
        """Words for a program that runs on the host; as root, or as another uid with these gids."""
        enter = ["nsenter", "--target", str(self.pid), "--all", "--root", "--wd=/"]
        if user is not None:
            numbers = ",".join(map(str, groups))
            enter += ["setpriv", f"--reuid={user}", f"--regid={groups[0]}", f"--groups={numbers}"]
        return enter + ["env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8", *map(str, words)]

    def run(self, *words, **options):
        return run(self.command(*words, **options))

    def output(self, *words, **options):
        """What it prints, however it ends."""
        return subprocess.run(self.command(*words, **options), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              stdin=subprocess.DEVNULL, text=True, check=False).stdout

    def start(self, *words, **options):
        return subprocess.Popen(self.command(*words, **options), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                stderr=subprocess.DEVNULL)

    def path(self, name):
        """A path of the host, as it is reached from here."""
        return Path(f"/proc/{self.pid}/root") / name.lstrip("/")

    def pid_here(self, pid):
        """The number that a process of the host has here."""
        for status in Path("/proc").glob("[0-9]*/status"):
            try:
                fields = dict(line.split(":", 1) for line in status.read_text(encoding="utf-8").splitlines())
                same = os.readlink(status.parent / "ns/pid") == os.readlink(f"/proc/{self.pid}/ns/pid")
            except OSError:
                continue  # it ended meanwhile
            if same and fields["NSpid"].split()[-1] == str(pid):
                return int(status.parent.name)
        raise Failed(f"no process {pid} on the host")

    def kill(self, pid, number):
        os.kill(self.pid_here(pid), number)


def children_of(pid):
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()]


def kill_started(process):
    """SIGKILL to what start() started: nsenter waits for it as its child."""
    for child in children_of(process.pid):
        os.kill(child, signal.SIGKILL)
    process.wait()
