"""The pod of deploy/k8s/overlays/qemu, started by hand with a real QEMU in the place of its image."""

import subprocess

import tools
from peers import CheckFailed
from vm_bench import VmBench

OVERLAY = tools.ROOT / "deploy" / "k8s" / "overlays" / "qemu"


def a_pod_with_qemu_comes_up_and_down(bench: VmBench) -> None:
    tools.pinned("kubectl", fetch=not bench.quick)
    tools.pinned("kubernetes-validate", fetch=not bench.quick)
    python = tools.TOOLS / "venv" / "bin" / "python3"
    # The sockets of a pod are not in the sid root, so QEMU runs outside of it, by its own loader.
    qemu = bench.directory / "qemu-system-x86_64"
    root, libraries = bench.root.path, "usr/lib/x86_64-linux-gnu"
    firmware = " ".join(f"-L {root}/usr/{name}" for name in ("share/qemu", "share/seabios", "lib/ipxe/qemu"))
    qemu.write_text(
        f"#!/bin/sh\nexport QEMU_MODULE_DIR={root}/{libraries}/qemu\n"
        f"exec {root}/lib64/ld-linux-x86-64.so.2 --library-path {root}/{libraries} "
        f'{root}/usr/bin/{qemu.name} {firmware} "$@"\n'
    )
    qemu.chmod(0o755)
    # No guest: there is a device, and nobody has it map anything.
    command = [python, "-B", tools.ROOT / "scripts" / "start_pod.py", OVERLAY, "--no-mappings"]
    command += ["--bin-dir", bench.programs, "--also", qemu.parent]
    run = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120)
    if run.returncode or "64 MiB" not in run.stdout or "up and down in order" not in run.stdout:
        raise CheckFailed(run.stdout)


# It brings its own shmemd.
CHECKS = []
RELAY_CHECKS = [a_pod_with_qemu_comes_up_and_down]
