#!/usr/bin/env python3
"""prometheus_test.py TOOLS_BIN BIN_DIR [--seconds N]: what does a real Prometheus make of a busy shmemd?

Runs Debian's Prometheus with our rules against a shmemd with a back-end that maps all the time, one whose region is
full, one that is refused, one that is gone and one that is detached. Then: `up` is 1 throughout, no sample came
twice, each query of the Grafana dashboard has data, the alert about the full region fires, nothing is left of what
was detached, and the end of shmemd itself is told, not before. Alerts wait seconds instead of minutes. Ends with 77
(skipped) where there is no Prometheus.
"""

import argparse
import json
import pathlib
import re
import sys
import tempfile
import urllib.parse
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "clients"))

from daemon import Shmemd, Stage  # noqa: E402
from peers import Process, eventually, expect, free_port  # noqa: E402

DEADLINE_S = 60
FULL = "regions: {0: 1MiB}\nsteps:\n  - map: {shmid: 0, shm_offset: 0, len: 1MiB}\n"
REFUSED = """
regions: {0: 1MiB}
steps:
  - map: {shmid: 0, shm_offset: 0, len: 64KiB}
  - repeat:
      - map: {shmid: 0, shm_offset: 0, len: 64KiB, expect: fail}
      - unmap: {shmid: 0, shm_offset: 128KiB, len: 64KiB, expect: fail}
      - wait: 20ms
    times: forever
"""
DETACHED = "regions: {0: 1MiB}\nsteps: []\n"


class Prometheus:
    def __init__(self, stage: Stage, program: pathlib.Path, target: str):
        rules = (ROOT / "deploy" / "prometheus" / "shmemd.rules.yml").read_text()
        (stage.directory / "rules.yml").write_text(re.sub(r"for: \d+[mh]", "for: 2s", rules))
        self.address = f"127.0.0.1:{free_port()}"
        config = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": ["rules.yml"],
            "scrape_configs": [
                {"job_name": "shmemd", "static_configs": [{"targets": [target]}]},
                {"job_name": "prometheus", "static_configs": [{"targets": [self.address]}]},
            ],
        }
        file = stage.directory / "prometheus.yml"
        file.write_text(json.dumps(config))
        command = [program, f"--config.file={file}", f"--storage.tsdb.path={stage.directory / 'tsdb'}",
                   f"--web.listen-address={self.address}"]
        stage.enter_context(Process(list(map(str, command)))).next_line("ready to receive", DEADLINE_S)

    def _ask(self, path: str, **parameters: str) -> dict:
        url = f"http://{self.address}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        with urllib.request.urlopen(url, timeout=DEADLINE_S) as answer:
            return json.load(answer)["data"]

    def query(self, expression: str) -> list[dict]:
        return self._ask("query", query=expression)["result"]

    def firing(self) -> set[tuple[str, str]]:
        """{(alert, back-end)}"""
        alerts = self._ask("alerts")["alerts"]
        return {(a["labels"]["alertname"], a["labels"].get("backend", "")) for a in alerts if a["state"] == "firing"}


def dashboard_queries() -> list[str]:
    panels = json.loads((ROOT / "deploy" / "grafana" / "shmemd.json").read_text())["panels"]
    return [target["expr"] for panel in panels for target in panel.get("targets", [])]


def without_data(prometheus: Prometheus, queries: list[str]) -> list[str]:
    """Those that no back-end has data for."""
    return [query for query in queries if not prometheus.query(query.replace("$backend", ".+").replace('backend="', 'backend=~"'))]


def attach(stage: Stage) -> Shmemd:
    backends = {
        "demo": stage.backend("demo"),
        "full": stage.backend("full", script=FULL),
        "refused": stage.backend("refused", script=REFUSED),
        "leaves": stage.backend("leaves", script=DETACHED),
        "gone": stage.directory / "gone.sock",
    }
    words = [word for id, path in backends.items() for word in ("--frontend", f"{id}={path}")]
    return stage.shmemd(*words, metrics="127.0.0.1:0")


def check(stage: Stage, program: pathlib.Path, seconds: int) -> None:
    daemon = attach(stage)
    target = urllib.parse.urlsplit(daemon.address("metrics on http://")).netloc
    prometheus = Prometheus(stage, program, target)
    alerts = {("ShmemRegionFull", "full"), ("ShmemBackendDown", "gone"), ("ShmemMapFailures", "refused")}
    eventually("alerts that fire", lambda: alerts - prometheus.firing(), set(), DEADLINE_S)
    queries = dashboard_queries()
    eventually("queries of the dashboard without data", lambda: without_data(prometheus, queries), [], DEADLINE_S)
    eventually("scrapes", lambda: scrapes(prometheus) >= seconds, True, seconds + DEADLINE_S)

    daemon.ctl("detach", "leaves")
    # Not those of rules: a rate over five minutes remembers.
    here = 'count({__name__=~"vhost_.*", backend="leaves"})'
    eventually("series of a detached back-end", lambda: prometheus.query(here), [], DEADLINE_S)

    expect("lowest `up`", value(prometheus, 'min_over_time(up{job="shmemd"}[1h])'), 1.0)
    for what in ("duplicate_timestamp", "out_of_order"):
        metric = f"prometheus_target_scrapes_sample_{what}_total"
        expect(metric, value(prometheus, metric), 0.0)
    expect("rules that failed", value(prometheus, "sum(prometheus_rule_evaluation_failures_total)"), 0.0)
    own = {("ShmemdDown", ""), ("ShmemdRestarted", "")}
    expect("alerts about shmemd itself", own & prometheus.firing(), set())
    daemon.process.kill()
    eventually("the alert about its end", lambda: own & prometheus.firing(), {("ShmemdDown", "")}, DEADLINE_S)
    print(f"{scrapes(prometheus):.0f} scrapes, {len(queries)} queries, firing: {sorted(prometheus.firing())}")


def value(prometheus: Prometheus, expression: str) -> float:
    (sample,) = prometheus.query(expression)
    return float(sample["value"][1])


def scrapes(prometheus: Prometheus) -> float:
    return value(prometheus, 'count_over_time(up{job="shmemd"}[1h])')


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tools", type=pathlib.Path)
    parser.add_argument("programs", type=pathlib.Path)
    parser.add_argument("--seconds", type=int, default=10, help="how many scrapes, one a second, there are at least")
    options = parser.parse_args()
    program = options.tools / "prometheus"
    if not program.exists():
        print(f"skipped: no {program}")
        return 77
    with tempfile.TemporaryDirectory(prefix="shmemd-prometheus-") as name:
        with Stage(options.programs, pathlib.Path(name)) as stage:
            check(stage, program, options.seconds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
