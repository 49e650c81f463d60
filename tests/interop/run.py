#!/usr/bin/env python3
"""Checks shmemd against software that is not ours: a back-end on the rust-vmm crates, grpcurl and promtool.

The first group runs the back-end against a small front-end of its own (frontend.py), so that a failure of the
second group is shmemd's. Exit code 0 when nothing failed.
"""

import argparse
import contextlib
import json
import random
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import tools
from frontend import FrontEnd
from peers import CheckFailed, RustBackend, Scrape, Shmemd, eventually, expect
from shmem_table import Mapping, ShmemTable

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30

SPARSE = {0: 1 * MIB, 2: 64 * KIB, 5: 1 * GIB}
REGION_CASES = {
    "one region": {0: 1 * MIB},
    "regions 0, 2 and 5": SPARSE,
    "region 255 alone": {255: 64 * KIB},
    "no region": {},
    "256 regions": {shmid: (shmid + 1) * 4 * KIB for shmid in range(256)},
}
# With SPARSE and a mapping of 64 KiB at 0x10000 of region 0.
GOOD_STEP = "map 0 0x10000 0x10000 rw"
REFUSED = {
    "the same range": "map 0 0x10000 0x10000 rw",
    "overlap at the front": "map 0 0xf000 0x2000 rw",
    "overlap at the back": "map 0 0x1f000 0x2000 ro",
    "overlap around it": "map 0 0x0 0x100000 rw",
    "beyond the end": "map 0 0xff000 0x2000 rw",
    "starting at the end": "map 0 0x100000 0x1000 rw",
    "an offset that wraps": "map 0 0xfffffffffffff000 0x2000 rw",
    "no length": "map 0 0x40000 0 rw",
    "an unaligned shm_offset": "map 0 0x40800 0x1000 rw",
    "an unaligned fd_offset": "map 0 0x40000 0x1000 rw 0x800",
    "unmap of the first half": "unmap 0 0x10000 0x8000",
    "unmap of the second half": "unmap 0 0x18000 0x8000",
    "unmap of more than it": "unmap 0 0x10000 0x11000",
    "unmap where nothing is": "unmap 0 0x40000 0x1000",
}
UNKNOWN_SHMID = {"a shmid in a hole": "map 1 0x0 0x1000 rw", "a shmid above all": "map 9 0x0 0x1000 rw"}


@dataclass
class Bench:
    """What a check may use. Each check gets an empty directory and starts its own processes."""

    programs: Path
    backend_program: Path
    quick: bool
    directory: Path

    @property
    def socket(self) -> Path:
        return self.directory / "b.sock"

    def backend(self, sizes: dict[int, int], *options: str) -> RustBackend:
        return RustBackend(self.backend_program, self.socket, sizes, *options)

    def shmemd(self) -> Shmemd:
        return Shmemd(self.programs, self.directory / "run", self.socket)

    @contextlib.contextmanager
    def pair(self, sizes: dict[int, int]) -> Iterator[tuple[RustBackend, Shmemd]]:
        with self.backend(sizes) as backend, self.shmemd() as shmemd:
            try:
                shmemd.await_active()
                yield backend, shmemd
            except Exception:
                print(
                    f"  shmemd's last lines:\n{shmemd.tail()}\n  the back-end's:\n{backend.tail()}",
                    file=sys.stderr,
                )
                raise

    @contextlib.contextmanager
    def grpcurl(self, sizes: dict[int, int]) -> Iterator[Callable]:
        program = tools.grpcurl(fetch=not self.quick)
        with self.pair(sizes) as (_, shmemd):

            def call(
                *arguments: str, data: str | None = None, admin: bool = False
            ) -> subprocess.CompletedProcess:
                command = [str(program), "-plaintext", "-unix", *(("-d", data) if data is not None else ())]
                path = shmemd.admin_socket if admin else shmemd.api_socket
                return subprocess.run(
                    [*command, str(path), *arguments], capture_output=True, text=True, timeout=20
                )

            yield call


# --- the back-end alone ---


def backend_reports_its_regions(bench: Bench) -> None:
    for name, sizes in REGION_CASES.items():
        with bench.backend(sizes), FrontEnd(str(bench.socket)) as front_end:
            front_end.handshake()
            expect(f"{name}: sizes", front_end.ask_regions(), sizes)
            expect(f"{name}: num regions", front_end.num_regions, len(sizes))


def backend_says_what_it_was_answered(bench: Bench) -> None:
    with bench.backend(SPARSE) as backend, FrontEnd(str(bench.socket)) as front_end:
        front_end.serve_after_handshake()
        backend.accepts(GOOD_STEP)
        expect("table", set(front_end.table.mappings.values()), {Mapping(0, 0x10000, 0x10000)})
        for text in (*REFUSED.values(), *UNKNOWN_SHMID.values()):
            backend.is_refused(text)
        expect("table after refusals", set(front_end.table.mappings.values()), {Mapping(0, 0x10000, 0x10000)})
        backend.accepts("map 5 0x3ff00000 0x3800 ro 0x2000")
        expect(
            "read-only map",
            front_end.table.mappings[5, 0x3FF00000],
            Mapping(5, 0x3FF00000, 0x3800, 0x2000, False),
        )
        backend.accepts("unmap 0 0x10000 0x10000")
        backend.accepts("unmap 5 0x3ff00000 0x3800")
        expect("table at the end", front_end.table.mappings, {})


def backend_runs_its_steps_for_every_front_end(bench: Bench) -> None:
    with bench.backend(SPARSE, "--steps", f"{GOOD_STEP}; wait 1ms; unmap 0 0x10000 0x1000") as backend:
        for _ in range(3):
            with FrontEnd(str(bench.socket)) as front_end:
                front_end.serve_after_handshake()
                good = "map shmid 0 shm_offset 0x10000 len 0x10000 rw -> ok"
                expect("first step", backend.next_line(" -> "), good)
                backend.next_line("wait 1ms -> ok")
                backend.next_line("unmap shmid 0 shm_offset 0x10000 len 0x1000 -> error: ")
            backend.next_line("front-end gone")


def backend_holds_no_descriptor_of_a_lost_front_end(bench: Bench) -> None:
    with bench.backend(SPARSE) as backend:
        descriptors = Path(f"/proc/{backend.pid}/fd")
        idle = len(list(descriptors.iterdir()))
        for _ in range(5):
            with FrontEnd(str(bench.socket)) as front_end:
                front_end.serve_after_handshake()
                backend.accepts(GOOD_STEP)
            backend.next_line("front-end gone")
        backend.is_refused(GOOD_STEP)
        eventually("descriptors", lambda: len(list(descriptors.iterdir())), idle)


def backend_refuses_a_wrong_command_line(bench: Bench) -> None:
    for wrong in (["--region", "256=1M"], ["--region", "0"], ["--steps", "map 0"], ["--socket"], ["--what"]):
        command = [str(bench.backend_program), "--socket", str(bench.socket), *wrong]
        result = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=5)
        expect(f"exit code of {wrong}", result.returncode, 2)


def backend_ends_with_its_stdin(bench: Bench) -> None:
    with bench.backend(SPARSE) as backend:
        expect("exit code", backend.close_stdin(), 0)
        expect("socket still there", bench.socket.exists(), False)


# --- shmemd with the back-end ---


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


# --- tools of others ---


def grpcurl_lists_and_describes_every_service(bench: Bench) -> None:
    with bench.grpcurl(SPARSE) as call:
        listed = succeeded(call("list")).split()
        wanted = {"vhost.shmem.v1.ShmemInspector", "vhost.shmem.v1.ShmemAdmin", "grpc.health.v1.Health"}
        expect("services missing in the list", wanted - set(listed), set())
        expect("a reflection service is listed", any(".reflection." in name for name in listed), True)
        for service in listed:
            expect(
                f"describe {service}", f"{service} is a service" in succeeded(call("describe", service)), True
            )


def grpcurl_prints_zeros(bench: Bench) -> None:
    with bench.grpcurl(SPARSE) as call:
        result = call("vhost.shmem.v1.ShmemInspector/ListRegions", data="{}")
        regions = {region["shmid"]: region for region in json_answer(result)["regions"]}
        expect("sizes", {shmid: int(region["sizeBytes"]) for shmid, region in regions.items()}, SPARSE)
        expect('times "mappedBytes": "0" is printed', result.stdout.count('"mappedBytes": "0"'), len(SPARSE))
        expect(
            "mappingCount", [int(region["mappingCount"]) for region in regions.values()], [0] * len(SPARSE)
        )


def grpcurl_sees_what_the_backend_sent(bench: Bench) -> None:
    for sizes, meaning in (({0: MIB}, "COUNT_OR_SPAN"), (SPARSE, "COUNT"), ({255: 64 * KIB}, "COUNT")):
        with bench.grpcurl(sizes) as call:
            answer = call("vhost.shmem.v1.ShmemInspector/GetBackend", data='{"name": "backends/rust0"}')
            config = json_answer(answer)["config"]
            keys = ("reportedNumRegions", "nonzeroSizeCount", "highestShmid", "replyPayloadBytes")
            got = tuple(int(config[key]) for key in keys)
            expect(f"config of {sorted(sizes)}", got, (len(sizes), len(sizes), max(sizes), 2056))
            expect(f"meaning for {sorted(sizes)}", config["numRegionsMeaning"], meaning)


def grpcurl_asks_health(bench: Bench) -> None:
    with bench.grpcurl({}) as call:
        answer = json_answer(call("grpc.health.v1.Health/Check", data="{}"))
        expect("health", answer, {"status": "SERVING"})


def grpcurl_changes_things_on_the_admin_socket_only(bench: Bench) -> None:
    with bench.grpcurl(SPARSE) as call:
        request = {"data": '{"name": "backends/rust0"}'}
        refused = call("vhost.shmem.v1.ShmemAdmin/RefreshBackend", **request)
        expect("refused on the API socket", "PermissionDenied" in refused.stderr, True)
        succeeded(call("vhost.shmem.v1.ShmemAdmin/RefreshBackend", **request, admin=True))
        answer = json_answer(call("vhost.shmem.v1.ShmemInspector/ListRegions", data="{}"))
        expect("regions after the refresh", len(answer["regions"]), len(SPARSE))


def promtool_has_nothing_to_say(bench: Bench) -> None:
    program = tools.promtool(fetch=not bench.quick)
    with bench.pair(SPARSE) as (backend, shmemd):
        backend.accepts(GOOD_STEP)
        backend.is_refused(GOOD_STEP)
        text = shmemd.http("/metrics")
        result = subprocess.run(
            [str(program), "check", "metrics"], input=text, capture_output=True, text=True
        )
        expect("promtool", (result.stdout + result.stderr, result.returncode), ("", 0))
        expect("families in the scrape", "# TYPE vhost_shmem_mapped_bytes gauge" in text, True)


# --- ---


def succeeded(result: subprocess.CompletedProcess) -> str:
    if result.returncode:
        raise CheckFailed(f"{' '.join(result.args)} ended with {result.returncode}: {result.stderr.strip()}")
    return result.stdout


def json_answer(result: subprocess.CompletedProcess) -> dict:
    """grpcurl takes JSON names from the descriptors of reflection, or else prints the original ones."""
    text = succeeded(result)
    original_names = sorted(set(re.findall(r'"([a-z]+_[a-z_]+)":', text)))
    expect("field names for which reflection has no json_name", original_names, [])
    return json.loads(text)


def failures(scrape: Scrape, kind: str) -> float:
    return sum(scrape.values(f"vhost_shmem_{kind}_failures_total", shmid="0"))


def mapped_metric(shmemd: Shmemd) -> dict[int, int]:
    return shmemd.metrics().by_shmid("vhost_shmem_mapped_bytes")


def expect_mapped(shmemd: Shmemd, expected: dict[int, int]) -> None:
    """The same figure from the scrape and from ListRegions."""
    eventually("vhost_shmem_mapped_bytes", lambda: mapped_metric(shmemd), expected)
    listed = {shmid: int(region["mappedBytes"]) for shmid, region in shmemd.regions().items()}
    expect("mappedBytes of regions", listed, expected)


BACKEND_CHECKS = [
    backend_reports_its_regions,
    backend_says_what_it_was_answered,
    backend_runs_its_steps_for_every_front_end,
    backend_holds_no_descriptor_of_a_lost_front_end,
    backend_refuses_a_wrong_command_line,
    backend_ends_with_its_stdin,
]
SHMEMD_CHECKS = [
    region_table_is_what_the_backend_reports,
    maps_and_unmaps_show_everywhere,
    bad_requests_fail_in_the_backend,
    a_length_that_is_no_page_multiple_is_taken,
    random_requests_agree_with_a_model,
    early_maps_are_answered_and_shown_alike,
    a_killed_backend_is_shown_and_comes_back,
    a_backend_may_come_late_and_change,
    a_killed_shmemd_serves_again_on_the_same_paths,
    grpcurl_lists_and_describes_every_service,
    grpcurl_prints_zeros,
    grpcurl_sees_what_the_backend_sent,
    grpcurl_asks_health,
    grpcurl_changes_things_on_the_admin_socket_only,
    promtool_has_nothing_to_say,
]


def run_check(check: Callable, bench: Bench) -> str:
    name = check.__name__.replace("_", " ")
    begin = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="interop-") as directory:
        bench.directory = Path(directory)
        try:
            check(bench)
            outcome, detail = "passed", ""
        except tools.ToolMissing as missing:
            # A tool that should have been fetched and could not be is a failure; --quick only leaves it out.
            outcome, detail = ("skipped" if bench.quick else "failed"), f": {missing}"
        except Exception as error:
            outcome, detail = "failed", f": {type(error).__name__}: {error}"
    print(f"{outcome:8}{name} ({time.monotonic() - begin:.1f} s){detail}", flush=True)
    return outcome


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    default = tools.ROOT / "build" / "release" / "bin"
    parser.add_argument(
        "--bin", type=Path, default=default, metavar="DIR", help="where shmemd and shmemctl are"
    )
    parser.add_argument("--quick", action="store_true", help="fewer steps, and no tool is fetched")
    parser.add_argument("--backend-only", action="store_true", help="only what needs no shmemd")
    parser.add_argument("--only", default="", metavar="TEXT", help="only checks whose name holds TEXT")
    options = parser.parse_args()

    missing = [name for name in ("shmemd", "shmemctl") if not (options.bin / name).exists()]
    if missing and not options.backend_only:
        parser.error(f"{' and '.join(missing)} missing in {options.bin}: build first, or say --backend-only")
    try:
        backend = tools.build_backend()
    except tools.ToolMissing as error:
        parser.exit(1, f"the rust-vmm back-end cannot be built: {error}\n")

    bench = Bench(options.bin.resolve(), backend, options.quick, Path())
    checks = BACKEND_CHECKS + ([] if options.backend_only else SHMEMD_CHECKS)
    wanted = [check for check in checks if options.only.replace(" ", "_") in check.__name__]
    outcomes = [run_check(check, bench) for check in wanted]
    passed, failed, skipped = (outcomes.count(outcome) for outcome in ("passed", "failed", "skipped"))
    print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    return 1 if failed or not outcomes else 0


if __name__ == "__main__":
    sys.exit(main())
