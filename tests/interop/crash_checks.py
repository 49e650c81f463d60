"""QEMU 11.1.3 dies of a request that comes while its device is not started; `guard: protect` keeps it alive.

Each check shows itself real: directly, or with a guard that only warns, QEMU dies of the very same request.
"""

import itertools
import signal
from collections.abc import Callable

from peers import Shmemd, eventually, expect
from vm_bench import Stand, VmBench

REQUEST = "map 0 0x10000 0x10000 rw"


def before_driver_ok(stand: Stand) -> None:
    stand.vm.driver()


def after_a_guest_reset(stand: Stand) -> None:
    driver = stand.vm.driver()
    driver.start()
    driver.reset()


def while_the_vm_is_stopped(stand: Stand) -> None:
    stand.vm.driver().start()
    stand.vm.qmp.command("stop")


MOMENTS = [before_driver_ok, after_a_guest_reset, while_the_vm_is_stopped]


def a_request_without_a_started_device_kills_qemu(bench: VmBench) -> None:
    for moment, guard in itertools.product(MOMENTS, ("off", "warn") if bench.relayed else ("",)):
        with bench.stand(relay=("--guard", guard)) as stand:
            moment(stand)
            expect(f"answer to '{REQUEST}' {moment.__name__}", stand.backend.step(REQUEST), False)
            expect("exit code of QEMU", stand.vm.exit_code(), -signal.SIGSEGV)
            warned = guard == "warn"
            stand.says("warning", lambda shmemd: "MAP_WHEN_STOPPED" in shmemd.findings(), warned)


def guard_protect_refuses_it_and_qemu_lives(bench: VmBench) -> None:
    for moment in MOMENTS:
        with bench.stand(relay=("--guard", "protect")) as stand:
            moment(stand)
            stand.says("device is started", lambda shmemd: device_state(shmemd) == "STARTED", False)
            stand.backend.is_refused(REQUEST)
            stand.backend.is_refused("unmap 0 0x10000 0x10000")
            expect("info mtree", stand.in_vm(), set())
            stand.says("finding", lambda shmemd: "GUARD_REFUSED" in shmemd.findings(), True)
            stand.says("refused", lambda shmemd: shmemd.backend()["guardActionCount"], "2")
            works_afterwards(stand, moment)


def works_afterwards(stand: Stand, moment: Callable) -> None:
    if moment is while_the_vm_is_stopped:
        stand.vm.qmp.command("cont")
    else:
        stand.vm.driver().start()
    stand.says("device", device_state, "STARTED")
    stand.backend.accepts(REQUEST)
    eventually("info mtree", stand.in_vm, {(0, 0x10000, 0x10000)})
    stand.says("mappings", Shmemd.mappings, {(0, 0x10000, 0x10000, 0, True)})


def device_state(shmemd: Shmemd) -> str:
    return shmemd.backend()["deviceState"]


CHECKS = [a_request_without_a_started_device_kills_qemu]
RELAY_CHECKS = [guard_protect_refuses_it_and_qemu_lives]
