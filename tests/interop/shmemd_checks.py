"""shmemd in frontend mode with the rust-vmm back-end: API, metrics and the back-end's own view must agree."""

import random

from bench import GOOD_STEP, KIB, MIB, REFUSED, REGION_CASES, SPARSE, UNKNOWN_SHMID, Bench
from peers import Scrape, Shmemd, eventually, expect
from shmem_table import Mapping, ShmemTable


def region_table_is_what_the_backend_reports(bench: Bench) -> None:
    for name, sizes in REGION_CASES.items():
        with bench.pair(sizes) as (_, shmemd):
            expect(f"{name}: regions", shmemd.region_sizes(), sizes)
            mapped = {shmid: int(region["mappedBytes"]) for shmid, region in shmemd.regions().items()}
            expect(f"{name}: mapped", mapped, dict.fromkeys(sizes, 0))
            scrape = shmemd.metrics()
            expect(f"{name}: size metric", scrape.by_shmid("vhost_shmem_region_size_bytes"), sizes)
            expect(
                f"{name}: mapped metric", scrape.by_shmid("vhost_shmem_mapped_bytes"), dict.fromkeys(sizes, 0)
            )


def maps_and_unmaps_show_everywhere(bench: Bench) -> None:
    with bench.pair(SPARSE) as (backend, shmemd):
        expect("mappings at first", shmemd.mappings(), set())
        backend.accepts("map 0 0x10000 0x10000 rw")
        backend.accepts("map 2 0x4000 0x8000 ro 0x2000")
        backend.accepts("map 5 0x3ff00000 0x100000 rw")
        first, second, third = (
            (0, 0x10000, 0x10000, 0, True),
            (2, 0x4000, 0x8000, 0x2000, False),
            (5, 0x3FF00000, MIB, 0, True),
        )
        eventually("mappings", shmemd.mappings, {first, second, third})
        expect_mapped(shmemd, {0: 0x10000, 2: 0x8000, 5: MIB})
        expect(
            "writable",
            shmemd.metrics().by_shmid("vhost_shmem_writable_mapped_bytes"),
            {0: 0x10000, 2: 0, 5: MIB},
        )
        backend.accepts("unmap 2 0x4000 0x8000")
        eventually("mappings after an unmap", shmemd.mappings, {first, third})
        expect_mapped(shmemd, {0: 0x10000, 2: 0, 5: MIB})
        backend.accepts("unmap 5 0x3ff00000 0x100000")
        backend.accepts("unmap 0 0x10000 0x10000")
        eventually("mappings at the end", shmemd.mappings, set())
        expect_mapped(shmemd, {0: 0, 2: 0, 5: 0})
        expect(
            "peak",
            shmemd.metrics().by_shmid("vhost_shmem_mapped_peak_bytes"),
            {0: 0x10000, 2: 0x8000, 5: MIB},
        )


def bad_requests_fail_in_the_backend(bench: Bench) -> None:
    with bench.pair(SPARSE) as (backend, shmemd):
        backend.accepts(GOOD_STEP)
        for name, text in (REFUSED | UNKNOWN_SHMID).items():
            expect(f"{name} ('{text}')", backend.step(text), False)
        maps = sum(text.startswith("map") for text in REFUSED.values())
        eventually("refused maps", lambda: failures(shmemd.metrics(), "map"), maps)
        eventually("refused unmaps", lambda: failures(shmemd.metrics(), "unmap"), len(REFUSED) - maps)
        expect("mappings", shmemd.mappings(), {(0, 0x10000, 0x10000, 0, True)})
        expect_mapped(shmemd, {0: 0x10000, 2: 0, 5: 0})
        expect("state", shmemd.state(), "ACTIVE")
        backend.accepts("unmap 0 0x10000 0x10000")


def a_length_that_is_no_page_multiple_is_taken(bench: Bench) -> None:
    with bench.pair(SPARSE) as (backend, shmemd):
        backend.accepts("map 0 0x0 0x3800 rw")
        backend.is_refused("map 0 0x3800 0x1000 rw")
        backend.is_refused("map 0 0x3000 0x1000 rw")
        backend.accepts("map 0 0x4000 0x800 rw")
        eventually("mappings", shmemd.mappings, {(0, 0, 0x3800, 0, True), (0, 0x4000, 0x800, 0, True)})
        expect_mapped(shmemd, {0: 0x4000, 2: 0, 5: 0})


def random_requests_agree_with_a_model(bench: Bench) -> None:
    sizes = {0: 256 * KIB, 2: 64 * KIB, 255: 4 * KIB}
    seed = random.randrange(1 << 32)
    generator = random.Random(seed)
    with bench.pair(sizes) as (backend, shmemd):
        model = ShmemTable(sizes)
        for number in range(100 if bench.quick else 1000):
            text, mapping = random_step(generator, model)
            error = model.map(mapping) if text.startswith("map") else model.unmap(mapping)
            expect(f"seed {seed}, step {number}: '{text}'", backend.step(text), error == 0)
        listed = {(m.shmid, m.shm_offset, m.length, m.fd_offset, m.writable) for m in model.mappings.values()}
        eventually(f"seed {seed}: mappings", shmemd.mappings, listed)
        expect_mapped(shmemd, {shmid: model.mapped_bytes(shmid) for shmid in sizes})


def random_step(generator: random.Random, model: ShmemTable) -> tuple[str, Mapping]:
    if model.mappings and generator.random() < 0.45:
        mapping = generator.choice(list(model.mappings.values()))
        if generator.random() < 0.2:
            mapping = Mapping(mapping.shmid, mapping.shm_offset, mapping.length + 0x1000)
        return f"unmap {mapping.shmid} {mapping.shm_offset:#x} {mapping.length:#x}", mapping
    shmid = generator.choice([*model.sizes, 0, 0, 1])
    offset = generator.randrange(0, 72 if shmid == 0 else 18) * 0x1000
    length = generator.choice([0x800, 0x1000, 0x1000, 0x2000, 0x4800])
    mapping = Mapping(shmid, offset, length, generator.choice([0, 0x1000]), generator.random() < 0.7)
    access = "rw" if mapping.writable else "ro"
    return f"map {shmid} {offset:#x} {length:#x} {access} {mapping.fd_offset:#x}", mapping


def early_maps_are_answered_and_shown_alike(bench: Bench) -> None:
    """A back-end may send as soon as it has a channel, which is before its regions were asked for."""
    with bench.backend(SPARSE, "--eager", "--steps", GOOD_STEP) as backend, bench.shmemd() as shmemd:
        shmemd.await_active()
        accepted = backend.next_line("map shmid 0 ").endswith(" -> ok")
        eventually("mappings", shmemd.mappings, {(0, 0x10000, 0x10000, 0, True)} if accepted else set())
        expect("regions", shmemd.region_sizes(), SPARSE)
        expect("a map afterwards", backend.step("map 0 0x80000 0x1000 rw"), True)


def a_killed_backend_is_shown_and_comes_back(bench: Bench) -> None:
    with bench.pair(SPARSE) as (backend, shmemd):
        idle = shmemd.fd_count()
        backend.accepts(GOOD_STEP)
        eventually("mapped before", lambda: mapped_metric(shmemd)[0], 0x10000)
        backend.kill()
        eventually("state within a second", shmemd.state, "DISCONNECTED", deadline_s=1.0)
        scrape = shmemd.metrics()
        expect("backend_up", scrape.one("vhost_shmem_backend_up"), 0.0)
        expect("sizes kept", scrape.by_shmid("vhost_shmem_region_size_bytes"), SPARSE)
        expect("mapped", scrape.by_shmid("vhost_shmem_mapped_bytes"), dict.fromkeys(SPARSE, 0))
        expect("mappings", shmemd.mappings(), set())
        with bench.backend(SPARSE) as restarted:
            eventually("state after the restart", shmemd.state, "ACTIVE", deadline_s=10.0)
            expect("regions", shmemd.region_sizes(), SPARSE)
            restarted.accepts(GOOD_STEP)
            eventually("mappings again", shmemd.mappings, {(0, 0x10000, 0x10000, 0, True)})
            expect("connects", shmemd.metrics().one("vhost_shmem_backend_connects_total"), 2.0)
            restarted.accepts("unmap 0 0x10000 0x10000")
            eventually("descriptors of shmemd", shmemd.fd_count, idle)


def a_backend_may_come_late_and_change(bench: Bench) -> None:
    with bench.shmemd() as shmemd:
        expect("regions without a back-end", shmemd.region_sizes(), {})
        with bench.backend({1: MIB}):
            eventually("state", shmemd.state, "ACTIVE", deadline_s=10.0)
            expect("regions", shmemd.region_sizes(), {1: MIB})
        with bench.backend({1: 2 * MIB, 3: MIB}):
            eventually("regions of the next", shmemd.region_sizes, {1: 2 * MIB, 3: MIB}, deadline_s=10.0)


def a_killed_shmemd_serves_again_on_the_same_paths(bench: Bench) -> None:
    with bench.backend(SPARSE) as backend:
        for _ in range(2):
            with bench.shmemd() as shmemd:
                shmemd.await_active()
                backend.accepts(GOOD_STEP)
                eventually("mappings", shmemd.mappings, {(0, 0x10000, 0x10000, 0, True)})
            backend.next_line("front-end gone")


def failures(scrape: Scrape, kind: str) -> float:
    return sum(scrape.values(f"vhost_shmem_{kind}_failures_total", shmid="0"))


def mapped_metric(shmemd: Shmemd) -> dict[int, int]:
    return shmemd.metrics().by_shmid("vhost_shmem_mapped_bytes")


def expect_mapped(shmemd: Shmemd, expected: dict[int, int]) -> None:
    """The same figure from the scrape and from ListRegions."""
    eventually("vhost_shmem_mapped_bytes", lambda: mapped_metric(shmemd), expected)
    listed = {shmid: int(region["mappedBytes"]) for shmid, region in shmemd.regions().items()}
    expect("mappedBytes of regions", listed, expected)


CHECKS = [
    region_table_is_what_the_backend_reports,
    maps_and_unmaps_show_everywhere,
    bad_requests_fail_in_the_backend,
    a_length_that_is_no_page_multiple_is_taken,
    random_requests_agree_with_a_model,
    early_maps_are_answered_and_shown_alike,
    a_killed_backend_is_shown_and_comes_back,
    a_backend_may_come_late_and_change,
    a_killed_shmemd_serves_again_on_the_same_paths,
]
