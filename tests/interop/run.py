#!/usr/bin/env python3
"""Checks shmemd against software that is not ours: a back-end on the rust-vmm crates, grpcurl and promtool.

The first group runs the back-end against a small front-end of its own (frontend.py), so that a failure of the
other groups is shmemd's. Exit code 0 when nothing failed.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import backend_checks
import shmemd_checks
import tool_checks
import tools
from bench import Bench


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
    checks = list(backend_checks.CHECKS)
    if not options.backend_only:
        checks += shmemd_checks.CHECKS + tool_checks.CHECKS
    wanted = [check for check in checks if options.only.replace(" ", "_") in check.__name__]
    outcomes = [run_check(check, bench) for check in wanted]
    passed, failed, skipped = (outcomes.count(outcome) for outcome in ("passed", "failed", "skipped"))
    print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    return 1 if failed or not outcomes else 0


if __name__ == "__main__":
    sys.exit(main())
