#!/usr/bin/env python3
"""Checks shmemd against software that is not ours: a rust-vmm back-end, QEMU, virtiofsd, grpcurl and
promtool.

The first group runs the back-end against a small front-end of its own (frontend.py), so that a failure of the
other groups is shmemd's. Checks with a VM run twice: its peers talk directly, then through shmemd's relay.
Exit code 0 when nothing failed.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import backend_checks
import crash_checks
import harm_checks
import pod_checks
import record_checks
import shmemd_checks
import tool_checks
import tools
import virtiofs_checks
import vm_checks
from bench import Bench
from vm_bench import VmBench

VM_MODULES = [vm_checks, record_checks, harm_checks, crash_checks, virtiofs_checks, pod_checks]


def run_check(check: Callable, bench: Bench | VmBench) -> str:
    name = check.__name__.replace("_", " ") + bench.suffix
    begin = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="interop-", dir=bench.parent) as directory:
        bench.directory = Path(directory)
        try:
            bench.demand(check)
            check(bench)
            outcome, detail = "passed", ""
        except tools.NotHere as missing:
            outcome, detail = "skipped", f": {missing}"
        except tools.ToolMissing as missing:
            # A tool that should have been fetched and could not be is a failure; --quick only leaves it out.
            outcome, detail = ("skipped" if bench.quick else "failed"), f": {missing}"
        except Exception as error:
            outcome, detail = "failed", f": {type(error).__name__}: {error}"
    print(f"{outcome:8}{name} ({time.monotonic() - begin:.1f} s){detail}", flush=True)
    return outcome


def vm_jobs(bench: Bench) -> list[tuple[Callable, VmBench]]:
    direct, relayed = (
        VmBench(bench.programs, bench.backend_program, bench.quick, relayed) for relayed in (False, True)
    )
    jobs = [(check, direct) for module in VM_MODULES for check in module.CHECKS]
    for module in VM_MODULES:
        jobs += [(check, relayed) for check in [*module.CHECKS, *getattr(module, "RELAY_CHECKS", [])]]
    return jobs


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    default = tools.ROOT / "build" / "release" / "bin"
    parser.add_argument(
        "--bin", type=Path, default=default, metavar="DIR", help="where shmemd and shmemctl are"
    )
    parser.add_argument("--quick", action="store_true", help="fewer steps, and no tool is fetched but the sid root")
    parser.add_argument("--backend-only", action="store_true", help="only what needs no shmemd")
    parser.add_argument("--only", default="", metavar="TEXT", help="only checks whose name holds TEXT")
    options = parser.parse_args()
    missing = [name for name in ("shmemd", "shmemctl") if not (options.bin / name).exists()]
    if missing and not options.backend_only:
        parser.error(f"{' and '.join(missing)} missing in {options.bin}: build first, or say --backend-only")
    return options


def main() -> int:
    options = parse_arguments()
    try:
        backend = tools.build_backend()
    except tools.ToolMissing as error:
        print(f"the rust-vmm back-end cannot be built: {error}", file=sys.stderr)
        return 1

    bench = Bench(options.bin.resolve(), backend, options.quick, Path())
    jobs: list[tuple[Callable, Bench | VmBench]] = [(check, bench) for check in backend_checks.CHECKS]
    if not options.backend_only:
        jobs += [(check, bench) for check in shmemd_checks.CHECKS + tool_checks.CHECKS]
        jobs += vm_jobs(bench)
    wanted = [job for job in jobs if options.only.replace(" ", "_") in job[0].__name__]
    outcomes = [run_check(*job) for job in wanted]
    passed, failed, skipped = (outcomes.count(outcome) for outcome in ("passed", "failed", "skipped"))
    print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    return 1 if failed or not outcomes else 0


if __name__ == "__main__":
    sys.exit(main())
