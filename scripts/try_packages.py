#!/usr/bin/env python3
"""Installs the Debian packages on a host of their own, a Debian 12 tree that its own systemd runs, and uses them as an
operator does: the service under its hardening, a relayed VM, reload, restart after a crash, instances, upgrade, removal;
at the end nothing is left.

usage: try_packages.py ROOT DEB...    ROOT: a Debian 12 tree, which is changed; DEB: the packages of one version (root)
"""
import json
import os
import re
import shutil
import signal
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "host"))

from booted import BootedHost, Failed, eventually, kill_started, run  # noqa: E402
from tree import differences, snapshot  # noqa: E402

CONFIG = "/etc/shmemd/shmemd.yaml"
# Debian's kvm stays: it belongs to whoever runs VMs.
STAYS = re.compile(r"left behind: etc/g?(group|shadow): kvm:")
VMM_UID, DEVICE_UID = 64055, 64056  # who the VMM and the back-end run as

HARDENED = {"CapEff": "0000000000000000", "CapBnd": "0000000000000000", "NoNewPrivs": "1", "Seccomp": "2"}


def expect(what, got, expected):
    if got != expected:
        raise Failed(f"{what}: got {got!r}, expected {expected!r}")


def expect_nothing_left(before, after):
    left = [line for line in differences(before, after) if not STAYS.match(line)]
    if left:
        raise Failed("purge did not leave the host as it was:\n  " + "\n  ".join(left))


class Checks:
    def __init__(self, host, debs):
        self.host, self.debs = host, debs

    # --- what an operator types ---
    def install(self, debs, *options):
        return self.host.run("env", "DEBIAN_FRONTEND=noninteractive", "dpkg", *options, "--install", *debs)

    def property(self, name, unit="shmemd.service"):
        return self.host.run("systemctl", "show", "--value", "--property", name, unit).strip()

    def ctl(self, *words):
        return self.host.run("shmemctl", *words)

    def json(self, *words):
        return json.loads(self.ctl(*words, "-o", "json"))

    def group(self, name):
        return int(self.host.run("getent", "group", name).split(":")[2])

    def write(self, path, text):
        self.host.path(path).write_text(text, encoding="utf-8")

    def log(self, unit="shmemd.service"):
        return self.host.output("journalctl", "--no-pager", "--output=cat", "--unit", unit)

    # --- the checks, in order ---
    def installed_and_served(self):
        self.install(self.debs)
        expect("the service after the installation", self.property("ActiveState"), "active")
        expect("whether it comes with the boot", self.property("UnitFileState"), "enabled")
        expect("what systemctl status says", self.property("StatusText"), "serves")
        expect("shmemctl health", self.host.output("shmemctl", "health", "-q"), "")
        expect("back-ends", self.json("backends"), {"backends": []})
        self.host.run("shmemd", "--check-config", "--config", CONFIG)

    def hardened(self):
        pid = self.host.pid_here(self.property("MainPID"))
        status = dict(line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines())
        uid = int(self.host.run("id", "--user", "shmemd"))
        expect("its user", status["Uid"].split(), [str(uid)] * 4)
        for field, value in HARDENED.items():
            expect(field, status[field].strip(), value)
        options = {}
        for line in Path(f"/proc/{pid}/mountinfo").read_text(encoding="utf-8").splitlines():
            options[line.split()[4]] = line.split()[5].split(",")
        expect("/ is read-only", "ro" in options["/"], True)
        expect("/run/shmemd is not", "rw" in options["/run/shmemd"], True)
        limits = Path(f"/proc/{pid}/limits").read_text(encoding="utf-8")
        soft, hard = re.search(r"Max open files\s+(\d+)\s+(\d+)", limits).groups()
        expect("descriptors: raised as far as it may", soft, hard)

    def relays_for_another_user(self):
        """A VMM of the group kvm, a back-end whose socket is for the group shmemd: as docs/packages.md says."""
        kvm, shmemd = self.group("kvm"), self.group("shmemd")
        self.host.run("install", "-d", "-o", DEVICE_UID, "-g", shmemd, "-m", "2750", "/run/backends")
        backend = self.host.start("sh", "-c", "umask 007 && exec shmem-demo-backend --socket /run/backends/gpu0.sock --quiet",
                                  user=DEVICE_UID, groups=[shmemd])
        self.write(CONFIG, self.host.path(CONFIG).read_text(encoding="utf-8").replace("backends: []", """backends:
  - id: gpu0
    mode: relay
    frontend: {listen: /run/vhost-user/gpu0.sock}
    backend: {connect: /run/backends/gpu0.sock}
"""))
        self.host.run("systemctl", "reload", "shmemd")
        eventually("the relay's socket", self.host.path("/run/vhost-user/gpu0.sock").exists)
        vmm = self.host.start("shmem-demo-vmm", "--connect", "/run/vhost-user/gpu0.sock", "--quiet", user=VMM_UID, groups=[kvm])
        eventually("mappings", lambda: self.json("mappings", "gpu0").get("mappings"))
        (shown,) = self.json("backends")["backends"]
        expect("state", shown["state"], "ACTIVE")
        for side, uid, comm in (("backend", DEVICE_UID, "shmem-demo-back"), ("frontend", VMM_UID, "shmem-demo-vmm")):
            process = shown[f"{side}Process"]
            expect(f"who the {side} is", (int(process["uid"]), process["command"]), (uid, comm))
        return [backend, vmm]

    def may(self, command, group, user=VMM_UID):
        """Whether a command succeeds as another user."""
        return "yes" in self.host.output("sh", "-c", f"{command} >/dev/null 2>&1 && echo yes", user=user, groups=[group])

    def lets_readers_read(self):
        """One of the group shmemd-read reads, and gets at nothing else; one of another group does not even read."""
        readers, kvm, may = self.group("shmemd-read"), self.group("kvm"), self.may
        expect("a reader reads", may("shmemctl health", readers), True)
        expect("somebody else reads", may("shmemctl health", kvm), False)
        for path, facts in (("api.sock", "660 shmemd shmemd-read"), ("admin.sock", "600 shmemd shmemd")):
            expect(path, self.host.run("stat", "-c", "%a %U %G", f"/run/shmemd/{path}").strip(), facts)
        for path in ("/run/shmemd/admin.sock", "/run/backends/gpu0.sock", "/run/vhost-user/gpu0.sock"):
            expect(f"a reader connects to {path}", may(f"test -w {path}", readers), False)
        # As docs/packages.md says of keys.
        self.host.run("install", "-o", "root", "-g", "shmemd", "-m", "0640", "/dev/null", "/etc/shmemd/tls.key")
        expect("a reader reads a key", may("test -r /etc/shmemd/tls.key", readers), False)
        uid = self.host.run("id", "--user", "shmemd").strip()
        expect("shmemd reads a key", may("test -r /etc/shmemd/tls.key", self.group("shmemd"), uid), True)
        self.host.path("/etc/shmemd/tls.key").unlink()

    def reloads(self):
        good = self.host.path(CONFIG).read_text(encoding="utf-8")
        self.write(CONFIG, good + "\nnonsense: 1\n")
        self.host.run("systemctl", "reload", "shmemd")
        eventually("word of the refusal", lambda: "refused" in self.property("StatusText"))
        self.write(CONFIG, good)
        self.host.run("systemctl", "reload", "shmemd")
        eventually("the end of it", lambda: self.property("StatusText") == "serves")
        expect("after reloads", self.property("ActiveState"), "active")

    def an_upgrade_does_not_restart(self, work):
        self.write("/etc/shmemd/vm6.yaml", "metrics: {listen: 127.0.0.1:18046}\n")
        self.host.run("systemctl", "start", "shmemd@vm6")
        units = ("shmemd.service", "shmemd@vm6.service")
        pids = [self.property("MainPID", unit) for unit in units]
        newer = []
        for deb in self.debs:
            tree = self.host.path(work) / "newer"
            run(["dpkg-deb", "--raw-extract", self.host.path(deb), tree])
            control = tree / "DEBIAN" / "control"
            control.write_text(re.sub(r"(?m)^(Version: .*)$", r"\1+1", control.read_text(encoding="utf-8")), encoding="utf-8")
            if (tree / CONFIG[1:]).exists():
                with (tree / CONFIG[1:]).open("a", encoding="utf-8") as file:
                    file.write("# Changed by the newer package.\n")
            newer.append(deb.replace(".deb", "+1.deb"))
            run(["dpkg-deb", "--root-owner-group", "--build", tree, self.host.path(newer[-1])])
            shutil.rmtree(tree)
        said = self.install(newer, "--force-confold")
        expect("the processes after the upgrade", [self.property("MainPID", unit) for unit in units], pids)
        expect("whether it says so", "goes on with the old version" in said, True)
        expect("whether the changed configuration was kept", "gpu0" in self.host.path(CONFIG).read_text(encoding="utf-8"), True)
        new = self.host.path(f"{CONFIG}.dpkg-dist")
        expect("whether the newer configuration lies beside it", "Changed by" in new.read_text(encoding="utf-8"), True)
        self.host.run("systemctl", "stop", "shmemd@vm6")
        self.host.path("/etc/shmemd/vm6.yaml").unlink()
        expect("sessions", self.json("backends")["backends"][0]["state"], "ACTIVE")

    def ends_with_its_sessions(self, peers):
        """SIGTERM waits for the VM to leave, and then is done."""
        self.host.run("systemctl", "stop", "--no-block", "shmemd")
        eventually("the drain", lambda: self.property("StatusText") == "lets sessions end")
        backend, vmm = peers
        kill_started(vmm)
        began = time.monotonic()
        eventually("the end", lambda: self.property("ActiveState") == "inactive", 10)
        print(f"  it ended {time.monotonic() - began:.1f} s after the VM", flush=True)
        expect("how it ended", self.property("Result"), "success")
        expect("its log", "its session ended by itself" in self.log(), True)
        kill_started(backend)

    def remembers_and_restarts(self):
        self.host.run("systemctl", "start", "shmemd")
        self.ctl("attach", "cam0", "--probe", "/run/backends/cam0.sock")
        first = self.property("MainPID")
        self.host.kill(first, signal.SIGSEGV)
        eventually("the restart", lambda: self.property("MainPID") not in ("0", first) and self.property("ActiveState") == "active")
        expect("restarts", self.property("NRestarts"), "1")
        names = [backend["name"] for backend in self.json("backends")["backends"]]
        expect("what was attached", "backends/cam0" in names, True)

    def stays_down_for_a_mistake(self):
        good = self.host.path(CONFIG).read_text(encoding="utf-8")
        self.write(CONFIG, "nonsense: 1\n")
        self.host.output("systemctl", "restart", "shmemd")
        expect("with a mistake", (self.property("ActiveState"), self.property("ExecMainStatus")), ("failed", "2"))
        expect("the log names it", f"{CONFIG}:1: nonsense" in self.log(), True)
        self.write(CONFIG, good)
        self.host.run("systemctl", "restart", "shmemd")

    def has_instances(self):
        for number, name in enumerate(("vm7", "vm8")):
            # Not the place of the main service's socket, whatever the file says.
            self.write(f"/etc/shmemd/{name}.yaml", f"metrics: {{listen: 127.0.0.1:{18047 + number}}}\n"
                       "api: {socket: /run/shmemd/api.sock, admin_socket: /run/shmemd/admin.sock}\n")
        self.host.run("systemctl", "enable", "--now", "shmemd@vm7", "shmemd@vm8")
        self.host.run("systemctl", "stop", "shmemd@vm8", "shmemd")
        expect("folders of ended instances", self.host.path("/run/shmemd/vm8").exists(), False)
        endpoint = ("--endpoint", "unix:/run/shmemd/vm7/api.sock")
        expect("an instance without the main service", self.host.output("shmemctl", *endpoint, "health", "-q"), "")
        expect("its state", self.host.path("/var/lib/shmemd/vm7").is_dir(), True)
        self.host.run("systemctl", "start", "shmemd", "shmemd@vm8")

    def has_an_instance_with_a_user_of_its_own(self):
        """As docs/packages.md says: it cannot read what the others have, nor they what it has."""
        self.host.run("useradd", "--system", "--groups", "shmemd-read", "shmemd-vm9")
        self.write("/etc/shmemd/vm9.yaml", "metrics: {listen: off}\n")
        drop_in = self.host.path("/etc/systemd/system/shmemd@vm9.service.d")
        drop_in.mkdir()
        (drop_in / "user.conf").write_text("[Service]\nUser=shmemd-vm9\nGroup=shmemd-vm9\n", encoding="utf-8")
        self.host.run("systemctl", "daemon-reload")
        self.host.run("systemctl", "start", "shmemd@vm9")
        attach = ("attach", "cam0", "--probe", "/run/backends/cam0.sock")
        self.ctl("--endpoint", "unix:/run/shmemd/vm9/admin.sock", *attach)
        for path, facts in (("/run/shmemd/vm9/api.sock", "660 shmemd-vm9 shmemd-read"),
                            ("/var/lib/shmemd/vm9/attached.yaml", "600 shmemd-vm9 shmemd-vm9"),
                            ("/var/lib/shmemd/attached.yaml", "600 shmemd shmemd")):
            expect(path, self.host.run("stat", "-c", "%a %U %G", path).strip(), facts)
        pids = {"shmemd": self.property("MainPID"), "shmemd-vm9": self.property("MainPID", "shmemd@vm9.service")}
        private = {"shmemd": ("/var/lib/shmemd/attached.yaml", f"/proc/{pids['shmemd']}/mem"),
                   "shmemd-vm9": ("/var/lib/shmemd/vm9/attached.yaml", f"/proc/{pids['shmemd-vm9']}/mem")}
        for user in private:
            uid = self.host.run("id", "--user", user).strip()
            for owner, paths in private.items():
                for path in paths:
                    expect(f"{user} reads {path}", self.may(f"test -r {path}", self.group(user), uid), user == owner)
        self.host.run("systemctl", "stop", "shmemd@vm9")
        shutil.rmtree(drop_in)
        self.host.path("/etc/shmemd/vm9.yaml").unlink()
        self.host.run("systemctl", "daemon-reload")
        self.host.run("userdel", "shmemd-vm9")

    def comes_again(self):
        """Removed and installed again: what was enabled runs, instances too; and the removal says what it ends."""
        said = self.host.run("dpkg", "--remove", "shmemd")
        for unit in ("shmemd.service", "shmemd@vm7.service", "shmemd@vm8.service"):
            expect(f"whether the removal names {unit}", unit in said, True)
        self.install(self.debs, "--force-confold")
        for unit in ("shmemd.service", "shmemd@vm7.service", "shmemd@vm8.service"):
            expect(unit, self.property("ActiveState", unit), "active")

    def goes_without_a_trace(self, before):
        names = [Path(deb).name.split("_")[0] for deb in self.debs]
        for name in ("vm7", "vm8"):
            self.host.path(f"/etc/shmemd/{name}.yaml").unlink()  # made by hand
        shutil.rmtree(self.host.path("/run/backends"))
        self.host.run("dpkg", "--remove", *names)
        expect("after the removal", self.host.output("systemctl", "is-active", "shmemd", "shmemd@vm7").split(), ["inactive"] * 2)
        expect("whether the configuration stays", self.host.path(CONFIG).exists(), True)
        expect("whether the state stays", self.host.path("/var/lib/shmemd/attached.yaml").exists(), True)
        self.host.run("dpkg", "--purge", *names)
        expect_nothing_left(before, snapshot(self.host.path("/")))


def prepare(root, debs):
    """What the packages need, and systemd; the packages themselves lie in the folder that comes back."""
    depends = [run(["dpkg-deb", "--field", deb, "Depends"]).strip() for deb in debs]
    apt = ["chroot", root, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "--yes", "--quiet=2", "--no-install-recommends"]
    shutil.copy("/etc/resolv.conf", Path(root, "etc/resolv.conf"))
    run([*apt, "update"])
    run([*apt, "install", "systemd", "dbus"])
    run([*apt, "satisfy", *depends])
    work = Path(root, "root/packages")
    work.mkdir()
    for deb in debs:
        shutil.copy(deb, work)
    return ["/root/packages/" + Path(deb).name for deb in debs]


def installs_without_systemd(root, debs):
    """As when an image is made: no service to start, and none to miss."""
    theirs = Path(root, "run/vhost-user")
    theirs.mkdir()  # somebody else's, before us
    before = snapshot(root)
    run(["chroot", root, "dpkg", "--install", *debs])
    mode = run(["stat", "-c", "%a %u %g", theirs]).strip()
    expect("a folder that was there", mode, "755 0 0")
    run(["chroot", root, "shmemd", "--check-config", "--config", CONFIG])
    expect("enabled", os.path.lexists(f"{root}/etc/systemd/system/multi-user.target.wants/shmemd.service"), True)
    run(["chroot", root, "dpkg", "--purge", *[Path(deb).name.split("_")[0] for deb in debs]])
    expect_nothing_left(before, snapshot(root))
    theirs.rmdir()


def main():
    if len(sys.argv) < 3 or os.geteuid() != 0:
        sys.exit(__doc__)
    root, began = sys.argv[1], time.monotonic()

    def step(what, check, *arguments):
        print(f"packages: {what} ({time.monotonic() - began:.0f} s)", flush=True)
        return check(*arguments)

    try:
        debs = step("a clean Debian 12 with what they depend on", prepare, root, sys.argv[2:])
        step("installed and purged where no systemd runs", installs_without_systemd, root, debs)
        with BootedHost(root) as host:
            before = snapshot(host.path("/"))
            checks = Checks(host, debs)
            step("installed on a running host, served at once", checks.installed_and_served)
            step("under its hardening", checks.hardened)
            peers = step("a relay between two other users", checks.relays_for_another_user)
            step("readers, who reach nothing else", checks.lets_readers_read)
            step("reloads, right and wrong", checks.reloads)
            step("an upgrade beside a running VM", checks.an_upgrade_does_not_restart, "/root/packages")
            step("SIGTERM with a session", checks.ends_with_its_sessions, peers)
            step("a crash", checks.remembers_and_restarts)
            step("a mistake in the configuration", checks.stays_down_for_a_mistake)
            step("instances", checks.has_instances)
            step("an instance with a user of its own", checks.has_an_instance_with_a_user_of_its_own)
            step("removed and installed again", checks.comes_again)
            step("removed, then purged", checks.goes_without_a_trace, before)
    except Failed as failure:
        sys.exit(f"packages: {failure}")
    print(f"packages: all as they should be ({time.monotonic() - began:.0f} s)")


if __name__ == "__main__":
    main()
