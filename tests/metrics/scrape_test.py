#!/usr/bin/env python3
"""scrape_test.py openmetrics|promtool TOOLS BIN_DIR: what do strict readers say of a live scrape?

Starts BIN_DIR/shmem-demo-backend and BIN_DIR/shmemd and reads the latter's metrics: `openmetrics` with the parser of
prometheus_client, which refuses what is not exactly OpenMetrics; `promtool` with `promtool check metrics`, which must
have nothing to say. Ends with 77 (skipped) where TOOLS lacks the reader, with 1 if CI is set.
"""
import contextlib
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time
import urllib.request

DEADLINE_S = 30
REGIONS = {"0": 64 << 20, "2": 16 << 20, "5": 4 << 20}  # of the demo back-end


@contextlib.contextmanager
def running(*command):
    process = subprocess.Popen([str(part) for part in command], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                               text=True)
    try:
        yield process
    finally:
        process.terminate()
        process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 0, f"{command[0]} ended with {process.returncode}"


def metrics_url(shmemd):
    """From the log, since the port is picked by the kernel."""
    for line in shmemd.stderr:
        if found := re.search(r"metrics on (http://\S+)", line):
            return found[1]
    raise AssertionError("shmemd ended before it served metrics")


def scrape(url, accept=""):
    request = urllib.request.Request(url, headers={"Accept": accept} if accept else {})
    with urllib.request.urlopen(request, timeout=DEADLINE_S) as answer:
        return answer.read().decode(), answer.headers["Content-Type"]


def wait_until_mapped(url):
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        text = scrape(url)[0]
        mapped = re.findall(r'^vhost_shmem_mapped_bytes\{backend="demo",shmid="\d"\} (\d+)$', text, re.MULTILINE)
        if len(mapped) == len(REGIONS) and all(int(value) > 0 for value in mapped):
            return
        time.sleep(0.05)
    raise AssertionError("the demo back-end's mappings did not appear")


def check_openmetrics(url):
    from prometheus_client.openmetrics.parser import text_string_to_metric_families

    text, content_type = scrape(url, "application/openmetrics-text; version=1.0.0")
    assert content_type == "application/openmetrics-text; version=1.0.0; charset=utf-8", content_type
    families = {family.name: family for family in text_string_to_metric_families(text)}
    sizes = {sample.labels["shmid"]: sample.value for sample in families["vhost_shmem_region_size_bytes"].samples}
    assert sizes == REGIONS, sizes
    types = {name: families[name].type for name in (
        "vhost_shmem_mapped_bytes", "vhost_shmem_map_requests", "vhost_shmem_map_duration_seconds", "process_cpu_seconds")}
    assert list(types.values()) == ["gauge", "counter", "histogram", "counter"], types
    for family in families.values():
        assert family.samples, f"{family.name} is empty"
        assert family.documentation, f"{family.name} has no help"


def check_promtool(promtool, url):
    text, content_type = scrape(url)
    assert content_type.startswith("text/plain; version=0.0.4"), content_type
    checked = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, text=True,
                             timeout=DEADLINE_S, check=False)
    said = checked.stdout + checked.stderr
    assert checked.returncode == 0 and not said, f"promtool ended with {checked.returncode}:\n{said}"


def missing(what):
    print(f"no {what}: scripts/tools.sh promtool kubernetes-validate")
    sys.exit(1 if os.environ.get("CI") else 77)


def main():
    if len(sys.argv) != 4 or sys.argv[1] not in ("openmetrics", "promtool"):
        sys.exit(__doc__)
    reader, tools, bin_dir = sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
    if reader == "promtool" and not (tools / "bin/promtool").exists():
        missing(tools / "bin/promtool")
    if reader == "openmetrics":
        packages = list(tools.glob("venv/lib/python3*/site-packages/prometheus_client"))
        if not packages:
            missing(f"prometheus_client in {tools / 'venv'}")
        sys.path.append(str(packages[0].parent))
    with tempfile.TemporaryDirectory(prefix="shmemd-scrape-") as directory:
        socket = pathlib.Path(directory) / "demo.sock"
        with running(bin_dir / "shmem-demo-backend", "--socket", socket), running(
                bin_dir / "shmemd", "--frontend", f"demo={socket}", "--run-dir", f"{directory}/run",
                "--metrics-listen", "127.0.0.1:0") as shmemd:
            url = metrics_url(shmemd)
            wait_until_mapped(url)
            if reader == "openmetrics":
                check_openmetrics(url)
            else:
                check_promtool(tools / "bin/promtool", url)


main()
