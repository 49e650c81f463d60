#!/usr/bin/env python3
"""make_dashboard.py [--check]: writes shmemd.json, the dashboard that Grafana imports; --check only says whether it
is as it would be written."""

import json
import pathlib
import sys

TARGET = pathlib.Path(__file__).resolve().parent / "shmemd.json"
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
MINE = '{backend="$backend"}'  # of the back-end that a row is about
WIDTH = 24


def target(query: str, legend: str, instant: bool = False) -> dict:
    return {"datasource": SOURCE, "expr": query, "legendFormat": legend, "instant": instant, "range": not instant,
            "format": "table" if instant else "time_series"}


def panel(kind: str, title: str, unit: str, queries: list[tuple[str, str]], width: int, height: int = 8, **more) -> dict:
    instant = kind in ("stat", "table", "bargauge")
    targets = [target(query, legend, instant) for query, legend in queries]
    for each in targets:
        if kind != "table":
            each["format"] = "time_series"
    for letter, each in zip("ABCDEFGH", targets):
        each["refId"] = letter
    defaults = {"unit": unit, "min": 0} | more.pop("defaults", {})
    return {"type": kind, "title": title, "datasource": SOURCE, "targets": targets,
            "fieldConfig": {"defaults": defaults, "overrides": []}, "gridPos": {"w": width, "h": height}} | more


def steps(*pairs: tuple[float | None, str]) -> dict:
    return {"thresholds": {"mode": "absolute", "steps": [{"value": value, "color": color} for value, color in pairs]}}


def table(title: str, query: str, width: int, hidden: list[str]) -> dict:
    organize = {"id": "organize", "options": {"excludeByName": {name: True for name in hidden}}}
    return panel("table", title, "short", [(query, "")], width, transformations=[organize])


def overview() -> list[dict]:
    used = steps((None, "green"), (0.9, "orange"), (1, "red"))
    alarm = steps((None, "green"), (1, "red"))
    return [
        panel("stat", "Back-ends up", "short", [("sum(vhost_shmem_backend_up)", "")], 4, 4),
        panel("stat", "Back-ends attached", "short", [("count(vhost_shmem_backend_up)", "")], 4, 4),
        panel("stat", "Mapped", "bytes", [("sum(vhost_shmem_mapped_bytes)", "")], 4, 4),
        panel("stat", "Unsafe to touch", "bytes", [("sum(vhost_shmem_at_risk_bytes)", "")], 4, 4, defaults=alarm),
        panel("stat", "Open findings", "short",
              [('sum(vhost_shmem_findings{severity!="INFO"} > 0) or vector(0)', "")], 4, 4, defaults=alarm),
        panel("stat", "Watchers", "short", [("sum(shmemd_watchers)", "")], 4, 4),
        panel("bargauge", "Fullest regions", "percentunit",
              [("topk(10, backend_shmid:vhost_shmem_utilization:ratio)", "{{backend}}/{{shmid}}")], 12,
              defaults=used | {"max": 1}, options={"orientation": "horizontal", "displayMode": "basic"}),
        table("Findings", "vhost_shmem_findings > 0", 12, ["Time", "__name__", "job", "instance"]),
    ]


def of_backend() -> list[dict]:
    used = steps((None, "green"), (0.9, "orange"), (1, "red"))
    shmid = "shmid {{shmid}}"
    return [
        panel("bargauge", "Utilisation", "percentunit", [(f"backend_shmid:vhost_shmem_utilization:ratio{MINE}", shmid)], 6,
              defaults=used | {"max": 1}, options={"orientation": "horizontal", "displayMode": "basic"}),
        panel("timeseries", "Mapped", "bytes", [
            (f"vhost_shmem_mapped_bytes{MINE}", shmid),
            (f"vhost_shmem_region_size_bytes{MINE}", f"{shmid} size"),
            (f"vhost_shmem_mapped_peak_bytes{MINE}", f"{shmid} peak")], 10),
        panel("timeseries", "Stale, assumed, unsafe", "bytes", [
            (f"vhost_shmem_stale_bytes{MINE}", f"{shmid} stale"),
            (f"vhost_shmem_assumed_bytes{MINE}", f"{shmid} assumed"),
            (f"vhost_shmem_at_risk_bytes{MINE}", f"{shmid} unsafe")], 8),
        panel("timeseries", "Maps and unmaps", "reqps", [
            (f"backend_shmid:vhost_shmem_map_requests:rate5m{MINE}", f"{shmid} map"),
            (f"backend_shmid:vhost_shmem_unmap_requests:rate5m{MINE}", f"{shmid} unmap")], 6),
        panel("timeseries", "Refused", "reqps", [
            (f"sum by (shmid, reason) (rate(vhost_shmem_map_failures_total{MINE}[5m]))", f"{shmid} map {{{{reason}}}}"),
            (f"sum by (shmid, reason) (rate(vhost_shmem_unmap_failures_total{MINE}[5m]))", f"{shmid} unmap {{{{reason}}}}")],
            6),
        panel("timeseries", "Fragmentation", "percentunit",
              [(f"backend_shmid:vhost_shmem_fragmentation:ratio{MINE}", shmid)], 6, defaults={"max": 1}),
        panel("timeseries", "Time to answer a map", "s", [
            (f"backend:vhost_shmem_map_duration_seconds:p99_rate5m{MINE}", "p99"),
            (f"histogram_quantile(0.5, rate(vhost_shmem_map_duration_seconds_bucket{MINE}[5m]))", "p50")], 6),
        panel("state-timeline", "State", "short", [(f"vhost_shmem_backend_state{MINE} == 1", "{{state}}")], 12, 6),
        table("Findings", f"vhost_shmem_findings{MINE} > 0", 12, ["Time", "__name__", "job", "instance", "backend"]),
    ]


def row(title: str, y: int, **more) -> dict:
    return {"type": "row", "title": title, "gridPos": {"x": 0, "y": y, "w": WIDTH, "h": 1}, "collapsed": False,
            "panels": []} | more


def place(panels: list[dict], y: int) -> int:
    """From left to right, line by line; where the next line begins."""
    x = line = 0
    for each in panels:
        size = each["gridPos"]
        if x + size["w"] > WIDTH:
            x, y, line = 0, y + line, 0
        size["x"], size["y"] = x, y
        x, line = x + size["w"], max(line, size["h"])
    return y + line


def dashboard() -> dict:
    top, each = overview(), of_backend()
    panels = [row("All back-ends", 0), *top]
    y = place(top, 1)
    panels += [row("$backend", y, repeat="backend"), *each]
    place(each, y + 1)
    for number, item in enumerate(panels, start=1):
        item["id"] = number
    variables = [
        {"name": "datasource", "type": "datasource", "query": "prometheus", "label": "Prometheus"},
        {"name": "backend", "type": "query", "datasource": SOURCE, "label": "Back-end", "multi": True,
         "includeAll": True, "current": {"text": "All", "value": "$__all"}, "refresh": 2, "sort": 1,
         "query": {"query": "label_values(vhost_shmem_backend_up, backend)", "refId": "backend"}},
    ]
    return {"title": "VIRTIO shared memory", "uid": "shmemd", "tags": ["vhost-user", "virtio"], "schemaVersion": 38,
            "editable": True, "refresh": "10s", "time": {"from": "now-1h", "to": "now"},
            "templating": {"list": variables}, "annotations": {"list": []}, "panels": panels}


def main() -> int:
    text = json.dumps(dashboard(), indent=2) + "\n"
    if sys.argv[1:] == ["--check"]:
        if TARGET.read_text() != text:
            print(f"{TARGET.name} is not what {pathlib.Path(__file__).name} writes; run it")
            return 1
        return 0
    TARGET.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
