"""QEMU and the rust-vmm back-end, directly and through shmemd's relay: does everybody see the same mappings?

The facts about QEMU hold for 11.1 and are its own, not the protocol's: a reset drops all mappings without a
word, and without memory slots the memory table has room for eight ranges, two of them the machine's own.
"""

import random
from dataclasses import dataclass

from bench import KIB
from peers import Shmemd, eventually, expect
from vm_bench import REGIONS, Stand, VmBench

MAX_LIVE = 6

ACCEPTED = [
    "map 0 0x10000 0x10000 rw",
    "map 2 0x0 0x80000 ro 0x2000",
    "map 5 0x1000 0x3000 rw 0x1000",
    "map 0 0x0 0x1000 rw",
    "map 0 0xff000 0x1000 rw",
]
REFUSED = [
    "map 0 0x10000 0x10000 rw",
    "map 0 0xf000 0x2000 rw",
    "map 0 0x1f000 0x2000 ro",
    "map 0 0xff000 0x2000 rw",
    "map 0 0x100000 0x1000 rw",
    "map 5 0x40000 0x1000 rw 0x800",
    "map 1 0x0 0x1000 rw",
    "map 9 0x0 0x1000 rw",
    "unmap 0 0x10000 0x8000",
    "unmap 0 0x10000 0x11000",
    "unmap 0 0x40000 0x1000",
]
# With which a life cycle event is awaited.
LIVE = ["map 0 0x10000 0x10000 rw", "map 5 0x1000 0x3000 ro 0x2000"]


@dataclass(frozen=True)
class Shown:
    """What shmemd is to show after an event, with two mappings live before it.

    No device: any state. No mappings: none is listed.
    """

    backend: str
    device: str | None
    mappings: str | None
    finding: str | None = None


AFTER = {
    "start": Shown("ACTIVE", "STARTED", "MAPPED"),
    "guest reset": Shown("ACTIVE", "STOPPED", "STALE"),
    "start after a reset": Shown("ACTIVE", "STARTED", "STALE", "STALE_AFTER_RESET"),
    "stop": Shown("ACTIVE", "STOPPED", "STALE"),
    "cont": Shown("ACTIVE", "STARTED", "MAPPED"),
    "back-end killed": Shown("DISCONNECTED", None, "STALE"),
    "VMM killed": Shown("WAITING_FOR_FRONTEND", None, None),
}


def the_guest_sees_the_regions_of_the_backend(bench: VmBench) -> None:
    for sizes in ({0: 64 * KIB}, {255: 4 * KIB}, REGIONS):
        with bench.stand(sizes=sizes) as stand:
            expect("shared memory capabilities", stand.vm.driver().shared_memory(), sizes)
            stand.says("regions", Shmemd.region_sizes, sizes)
            stand.says("state", Shmemd.state, "ACTIVE")


def every_map_and_unmap_is_in_every_table(bench: VmBench) -> None:
    with bench.stand() as stand:
        driver = stand.vm.driver()
        driver.start()
        agree(stand)
        for text in ACCEPTED:
            stand.backend.accepts(text)
            agree(stand)
        for text in REFUSED:
            stand.backend.is_refused(text)
        agree(stand)
        counts_agree(stand)
        driver.write(0, 0x10000, b"written by the guest")
        expect("read back", driver.read(0, 0x10000, 20), b"written by the guest")
        for text in ACCEPTED:
            stand.backend.accepts("unmap " + " ".join(text.split()[1:4]))
            agree(stand)


def random_maps_and_unmaps_are_in_every_table(bench: VmBench) -> None:
    seed = random.randrange(1 << 32)
    generator = random.Random(seed)
    print(f"  seed {seed}")
    with bench.stand() as stand:
        stand.vm.driver().start()
        for number in range(50 if bench.quick else 300):
            stand.backend.step(random_step(generator, sorted(stand.live())))
            if number % 10 == 0:
                agree(stand)
        agree(stand)
        counts_agree(stand)


def a_backend_maps_as_soon_as_it_is_started(bench: VmBench) -> None:
    steps = [*LIVE, "unmap 5 0x1000 0x3000", "map 2 0x0 0x1000 rw", "map 2 0x0 0x1000 rw"]
    with bench.stand("--started", "--steps", "; ".join(steps)) as stand:
        expect("info mtree before the start", stand.in_vm(), set())
        stand.vm.driver().start()
        eventually("requests", lambda: len(stand.logged()), len(steps))
        expect("answers", [entry["ok"] for entry in stand.logged()], [True, True, True, True, False])
        agree(stand)


def memory_slots_show_many_mappings(bench: VmBench) -> None:
    """With CONFIGURE_MEM_SLOTS each mapping comes and goes by a message of its own, and there may be many."""
    with bench.stand("--mem-slots") as stand:
        stand.vm.driver().start()
        for number in range(32):
            stand.backend.accepts(f"map 0 {number * 0x2000:#x} 0x1000 rw")
        agree(stand)
        live = set(stand.live())
        stand.vm.qmp.command("stop")
        shows(stand, "stop", live)
        stand.vm.qmp.command("cont")
        shows(stand, "cont", live)
        for number in range(0, 32, 2):
            stand.backend.accepts(f"unmap 0 {number * 0x2000:#x} 0x1000")
        agree(stand)


def random_step(generator: random.Random, live: list[tuple[int, int, int]]) -> str:
    """Some of them fail: a part of a mapping unmapped, an overlap, an end outside of the region."""
    if live and (len(live) == MAX_LIVE or generator.random() < 0.45):
        shmid, offset, length = generator.choice(live)
        return f"unmap {shmid} {offset:#x} {length if generator.random() < 0.8 else length + 0x1000:#x}"
    shmid, size = generator.choice(list(REGIONS.items()))
    offset = generator.randrange(0, size // 0x1000) * 0x1000
    length = generator.choice([0x1000, 0x2000, 0x8000, 0x40000])
    access, fd_offset = generator.choice(["rw", "ro"]), generator.choice([0, 0x3000])
    return f"map {shmid} {offset:#x} {length:#x} {access} {fd_offset:#x}"


def agree(stand: Stand) -> None:
    """The back-end's log, the VMM and shmemd show the same mappings."""
    live = stand.live()
    eventually("info mtree", stand.in_vm, set(live))
    values = {(*at, entry["fd_offset"], entry["writable"]) for at, entry in live.items()}
    stand.says("mappings", Shmemd.mappings, values)
    stand.says("backings", Shmemd.backings, {at: (e["device"], e["inode"]) for at, e in live.items()})
    stand.says("memory table", Shmemd.in_memory_table, dict.fromkeys(live, "YES"))
    mapped = {shmid: sum(length for at, _, length in live if at == shmid) for shmid in REGIONS}
    stand.says("mapped bytes", lambda shmemd: of_regions(shmemd, "vhost_shmem_mapped_bytes"), mapped)


def counts_agree(stand: Stand) -> None:
    """Requests and failures of the regions that exist."""
    for request in ("map", "unmap"):
        entries = [e for e in stand.logged() if e["request"] == request and e["shmid"] in REGIONS]
        total = {shmid: sum(e["shmid"] == shmid for e in entries) for shmid in REGIONS}
        failed = {shmid: sum(e["shmid"] == shmid and not e["ok"] for e in entries) for shmid in REGIONS}
        series = f"vhost_shmem_{request}_requests_total"
        stand.says(series, lambda shmemd, name=series: of_regions(shmemd, name), total)
        stand.says(f"failures of {request}", lambda shmemd, what=request: failures(shmemd, what), failed)


def of_regions(shmemd: Shmemd, series: str) -> dict[int, int]:
    values = shmemd.metrics().by_shmid(series)
    return {shmid: values.get(shmid) for shmid in REGIONS}


def failures(shmemd: Shmemd, request: str) -> dict[int, int]:
    scrape = shmemd.metrics()
    name = f"vhost_shmem_{request}_failures_total"
    return {shmid: int(sum(scrape.values(name, shmid=str(shmid)))) for shmid in REGIONS}


def a_guest_reset_drops_mappings_without_a_word(bench: VmBench) -> None:
    with bench.stand() as stand:
        driver, live = start_with_mappings(stand)
        driver.reset()
        eventually("info mtree after the reset", stand.in_vm, set())
        shows(stand, "guest reset", live)
        driver.start()
        shows(stand, "start after a reset", live)
        stand.backend.is_refused("unmap 0 0x10000 0x10000")
        stand.backend.accepts(LIVE[0])
        # The proof that the old one was gone; the other one is as doubtful as before.
        states = {(0, 0x10000, 0x10000): "MAPPED", (5, 0x1000, 0x3000): "STALE"}
        stand.says("mappings after a new map", Shmemd.mapping_states, states)
        eventually("info mtree at the end", stand.in_vm, {(0, 0x10000, 0x10000)})


def a_system_reset_is_a_guest_reset(bench: VmBench) -> None:
    with bench.stand() as stand:
        driver, live = start_with_mappings(stand)
        stand.vm.qmp.command("system_reset")
        stand.vm.qmp.await_event("RESET")
        eventually("info mtree after the reset", stand.in_vm, set())
        shows(stand, "guest reset", live)
        driver.enumerate()
        driver.start()
        shows(stand, "start after a reset", live)


def a_stopped_vm_keeps_its_mappings(bench: VmBench) -> None:
    with bench.stand() as stand:
        driver, live = start_with_mappings(stand)
        driver.write(0, 0x10000, b"before the stop")
        for _ in range(2):
            stand.vm.qmp.command("stop")
            eventually("info mtree while stopped", stand.in_vm, live)
            shows(stand, "stop", live)
            stand.vm.qmp.command("cont")
            shows(stand, "cont", live)
        expect("what was written", driver.read(0, 0x10000, 15), b"before the stop")
        stand.backend.accepts("unmap 0 0x10000 0x10000")
        stand.backend.accepts("unmap 5 0x1000 0x3000")
        agree(stand)


def a_killed_backend_leaves_its_mappings_to_the_vm(bench: VmBench) -> None:
    with bench.stand() as stand:
        driver, live = start_with_mappings(stand)
        driver.write(0, 0x10000, b"still here")
        stand.backend.kill()
        shows(stand, "back-end killed", live)
        expect("info mtree", stand.in_vm(), live)
        expect("what was written", driver.read(0, 0x10000, 10), b"still here")
        expect("QEMU lives", stand.vm.alive(), True)


def a_killed_vmm_takes_its_mappings_along(bench: VmBench) -> None:
    with bench.stand() as stand:
        _, live = start_with_mappings(stand)
        stand.vm.kill()
        stand.backend.next_line("front-end gone")
        shows(stand, "VMM killed", live)
        idle = stand.shmemd.fd_count() if stand.shmemd else 0
        stand.log.write_text("")
        with bench.another_vm(stand):
            stand.vm.driver().start()
            stand.says("regions of the next VM", Shmemd.region_sizes, REGIONS)
            stand.backend.accepts(LIVE[0])
            agree(stand)
        shows(stand, "VMM killed", live)
        stand.says("descriptors", Shmemd.fd_count, idle)


def a_window_that_is_not_decoded_is_still_mapped(bench: VmBench) -> None:
    """The memory table then lacks the mappings, as it does after a reset, and yet they are there."""
    with bench.stand() as stand:
        driver, live = start_with_mappings(stand)
        driver.write(0, 0x10000, b"behind the bar")
        driver.decode(False)
        stand.says("memory table without the window", Shmemd.in_memory_table, dict.fromkeys(live, "NO"))
        shows(stand, "start", live)
        driver.decode(True)
        agree(stand)
        expect("what was written", driver.read(0, 0x10000, 14), b"behind the bar")
        driver.decode(False)
        stand.backend.accepts("unmap 0 0x10000 0x10000")
        driver.decode(True)
        agree(stand)


def start_with_mappings(stand: Stand):
    driver = stand.vm.driver()
    driver.start()
    for text in LIVE:
        stand.backend.accepts(text)
    agree(stand)
    live = set(stand.live())
    shows(stand, "start", live)
    return driver, live


def shows(stand: Stand, event: str, live: set[tuple[int, int, int]]) -> None:
    shown = AFTER[event]
    states = dict.fromkeys(live, shown.mappings) if shown.mappings else {}
    stand.says(f"state after '{event}'", Shmemd.state, shown.backend)
    if shown.device:
        stand.says(f"device after '{event}'", lambda shmemd: shmemd.backend()["deviceState"], shown.device)
    stand.says(f"mappings after '{event}'", Shmemd.mapping_states, states)
    if shown.finding:
        finding = shown.finding
        stand.says(f"finding after '{event}'", lambda shmemd: finding in shmemd.open_findings(), True)
    stand.says("observed", lambda shmemd: shmemd.backend()["observed"], shown.backend == "ACTIVE")


CHECKS = [
    the_guest_sees_the_regions_of_the_backend,
    every_map_and_unmap_is_in_every_table,
    random_maps_and_unmaps_are_in_every_table,
    a_backend_maps_as_soon_as_it_is_started,
    memory_slots_show_many_mappings,
    a_guest_reset_drops_mappings_without_a_word,
    a_system_reset_is_a_guest_reset,
    a_stopped_vm_keeps_its_mappings,
    a_killed_backend_leaves_its_mappings_to_the_vm,
    a_killed_vmm_takes_its_mappings_along,
    a_window_that_is_not_decoded_is_still_mapped,
]
