"""A Linux guest on virtiofsd: the same files with the same checksums, directly and through shmemd's relay."""

import hashlib
import time

from peers import expect
from vm_bench import VmBench, told_on_failure
from vmm import GuestVm, Virtiofsd

TAG = "share"
KIB_WRITTEN = 16 * 1024
SEED = "shmemd"


def a_guest_reads_and_writes_files(bench: VmBench) -> None:
    shared, socket = bench.directory / "share", bench.directory / "fs.sock"
    shared.mkdir()
    from_host = hashlib.shake_256(SEED.encode()).digest(1 << 22)
    (shared / "from-host").write_bytes(from_host)
    with (
        Virtiofsd(bench.root, socket, shared) as virtiofsd,
        bench.relay(socket) as (path, shmemd),
        GuestVm(bench.root, bench.directory, path, TAG) as vm,
        told_on_failure(virtiofsd, vm, *([shmemd] if shmemd else [])),
    ):
        begin = time.monotonic()
        vm.await_boot()
        print(f"  the guest booted in {time.monotonic() - begin:.1f} s")
        expect("mount", vm.tell(f"mount {TAG}"), f"mounted {TAG}")
        expect(
            "checksum of what the host wrote", vm.tell("sum from-host"), hashlib.md5(from_host).hexdigest()
        )
        line = f"{SEED}\n".encode()
        content = (line * (KIB_WRITTEN * 1024 // len(line) + 1))[: KIB_WRITTEN * 1024]
        wanted = hashlib.md5(content).hexdigest()
        expect("checksum in the guest", vm.tell(f"fill from-guest {KIB_WRITTEN} {SEED}"), wanted)
        expect("checksum on the host", hashlib.md5((shared / "from-guest").read_bytes()).hexdigest(), wanted)
        expect("checksum read again", vm.tell("sum from-guest"), wanted)
        expect("rename", vm.tell("rename from-guest renamed"), "renamed")
        expect("files on the host", sorted(file.name for file in shared.iterdir()), ["from-host", "renamed"])
        if shmemd:
            # virtiofsd 1.14 does not offer SHMEM, and QEMU would not ask it for regions if it did.
            expect("state", shmemd.state() in ("UNSUPPORTED", "ACTIVE"), True)
            expect("regions", shmemd.region_sizes(), {})
        expect("unmount", vm.tell("unmount"), "unmounted")
        expect("power off", vm.tell("off"), "off")
        expect("exit code of QEMU", vm.exit_code(30.0), 0)


a_guest_reads_and_writes_files.any_qemu = True
a_guest_reads_and_writes_files.needs_mounts = True

CHECKS = [a_guest_reads_and_writes_files]
