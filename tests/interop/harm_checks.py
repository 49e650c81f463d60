"""What shmemd warns of, done to a QEMU 11.1: is it as bad as the finding says?"""

from peers import Shmemd, eventually, expect
from vm_bench import VmBench
from vm_checks import agree

# The memory table has eight places, of which a machine of 128 MiB takes two.
FREE_PLACES = 6


def a_full_memory_table_is_told(bench: VmBench) -> None:
    """QEMU acknowledges one mapping too many and lets the guest use it, but the back-end is told no more."""
    with bench.stand() as stand:
        stand.vm.driver().start()
        for number in range(FREE_PLACES):
            stand.backend.accepts(f"map 0 {number * 0x2000:#x} 0x1000 rw")
        agree(stand)
        stand.says("finding", lambda shmemd: "MEMORY_TABLE_FULL" in shmemd.open_findings(), False)
        stand.backend.accepts("map 2 0x0 0x1000 rw")
        eventually("info mtree", stand.in_vm, set(stand.live()))
        stand.says("finding", lambda shmemd: "MEMORY_TABLE_FULL" in shmemd.open_findings(), True)
        table = {at: "YES" if at[0] == 0 else "UNKNOWN" for at in stand.live()}
        stand.says("memory table", Shmemd.in_memory_table, table)


def a_read_only_mapping_can_be_written(bench: VmBench) -> None:
    with bench.stand() as stand:
        driver = stand.vm.driver()
        driver.start()
        stand.backend.accepts("map 2 0x0 0x1000 ro")
        driver.write(2, 0, b"written all the same")
        expect("read back", driver.read(2, 0, 20), b"written all the same")
        stand.says("finding", lambda shmemd: "READ_ONLY_NOT_ENFORCED" in shmemd.open_findings(), True)


def sizes_that_are_no_power_of_two_end_qemu(bench: VmBench) -> None:
    with bench.stand(sizes={0: 0x100000, 2: 0x10000}) as stand:
        expect("QEMU aborts", stand.vm.exit_code() < 0, True)
        stand.says("finding", lambda shmemd: "REGION_SUM_NOT_POWER_OF_TWO" in shmemd.findings(), True)


CHECKS = [
    a_full_memory_table_is_told,
    a_read_only_mapping_can_be_written,
    sizes_that_are_no_power_of_two_end_qemu,
]
