"""The rust-vmm back-end against frontend.py: does it do and say what the other checks rely on?"""

import subprocess
from pathlib import Path

from bench import GOOD_STEP, REFUSED, REGION_CASES, SPARSE, UNKNOWN_SHMID, Bench
from frontend import FrontEnd
from peers import eventually, expect
from shmem_table import Mapping


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


CHECKS = [
    backend_reports_its_regions,
    backend_says_what_it_was_answered,
    backend_runs_its_steps_for_every_front_end,
    backend_holds_no_descriptor_of_a_lost_front_end,
    backend_refuses_a_wrong_command_line,
    backend_ends_with_its_stdin,
]
